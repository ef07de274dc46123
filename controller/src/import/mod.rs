//! Profiles from the `config.json` of XMRig and xmrig-proxy, and back.
//!
//! ```text
//!   config.json ── jsonc ──▶ Value ── xmrig ──▶ body of a profile, and a line per field:
//!                                                 taken    as it is
//!                                                 changed  and how
//!                                                 refused  and why
//!                                                 unknown  to this program
//!   profile ── export ──▶ config.json
//! ```
//! Nothing is dropped without a line, and no line holds a secret. Field names and their meaning are those
//! of XMRig's documentation.

mod export;
mod jsonc;
mod left_out;
#[cfg(test)]
mod tests;
mod threads;
mod xmrig;

use serde::Serialize;

pub use self::export::export;
use self::jsonc::Object;
use crate::api::ProfileBody;
use crate::error::{Code, FarmError};

/// Longest file, in bytes. The examples that XMRig ships are under 4 KiB; a list of threads for each
/// algorithm on 256 processors is under 64 KiB.
pub const MAX_IMPORT: u64 = 256 * 1024;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// XMRig, the miner.
    Xmrig,
    /// xmrig-proxy. Its pools are those that rigs mine on then, each by itself.
    XmrigProxy,
}

/// What became of a file.
#[derive(Debug)]
pub struct Import {
    /// The profile.
    pub profile: ProfileBody,
    /// What became of each field, in the order of the file.
    pub report: Vec<Line>,
}

/// What became of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Where it is: `pools[0].url`.
    pub field: String,
    /// What became of it.
    pub verdict: Verdict,
    /// How or why, if there is something to say. Never a value that may be a secret.
    pub note: String,
}

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is in the profile.
    Taken,
    /// It is in the profile in another form.
    Changed,
    /// It is not in the profile.
    Refused,
    /// This program does not know the field.
    Unknown,
}

impl Verdict {
    /// All of them, as reports count them.
    pub const ALL: [Self; 4] = [Self::Taken, Self::Changed, Self::Refused, Self::Unknown];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Changed => "changed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// Makes a profile of this name from the text of a file. An error is about the file as a whole: it is no
/// JSON, or has no pool that could be mined on.
pub fn import(program: Program, text: &str, name: &str) -> Result<Import, FarmError> {
    let invalid = |why: String| FarmError::new(Code::InvalidConfig, why);
    let root = Object::parse(text).map_err(invalid)?;
    let mut import = Import {
        profile: ProfileBody {
            name: Some(name.to_owned()),
            ..ProfileBody::default()
        },
        report: Vec::new(),
    };
    xmrig::read(&mut import, program, &root);
    if import.profile.pools.is_empty() {
        let lost = import.report.iter().rev();
        let why = lost
            .filter(|line| line.verdict == Verdict::Refused && line.field.starts_with("pools"))
            .map(|line| format!("{}: {}", line.field, line.note))
            .next();
        let why = why.unwrap_or_else(|| "it names none".to_owned());
        return Err(invalid(format!("the file has no pool to mine on; {why}")));
    }
    Ok(import)
}

impl Import {
    fn say(&mut self, field: &str, verdict: Verdict, note: impl Into<String>) {
        self.report.push(Line {
            field: field.to_owned(),
            verdict,
            note: note.into(),
        });
    }

    fn taken(&mut self, field: &str) {
        self.say(field, Verdict::Taken, "");
    }

    fn changed(&mut self, field: &str, how: impl Into<String>) {
        self.say(field, Verdict::Changed, how);
    }

    fn refused(&mut self, field: &str, why: impl Into<String>) {
        self.say(field, Verdict::Refused, why);
    }

    fn unknown(&mut self, field: &str) {
        self.say(field, Verdict::Unknown, "this program does not know it");
    }
}
