//! `rigs.toml` in the boot folder: what single rigs, or kinds of them, are told that others are not.
//!
//! ```toml
//! [all]                       # every rig
//! controller = "192.168.1.10:9091"
//! token-file = "rack.token"
//!
//! [52-54-00]                  # whose hardware address begins so
//! kernel-words = "hugepagesz=1G hugepages=3"
//! hugepages = "1g"
//!
//! [52-54-00-12-34-56]         # one rig
//! name = "rig-seven"
//! files = "old"               # a folder in the boot folder, with other files
//! ```
//! Of each key the most specific section counts. What no section says of a rig stays as the files say it: a
//! UKI's own command line, or the folder's `cmdline`. Texts of tokens are in no message.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use miner_agent::cli::Failure;
use miner_boot::files::Prefix;
use miner_images::recipe::changed_line;
use miner_shared::cmdline::{Key, Settings};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::secrets;
use crate::nearest::nearest;
use crate::options::{Place, line_of, type_of};
use crate::units::printable;

/// Its name.
pub(super) const FILE: &str = "rigs.toml";
/// Longest file: 4,096 sections of 250 bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// The section of every rig.
const ALL: &str = "all";
/// Keys that are no words of the command line, in front of those that are.
const BOOT: &str = "boot";
const FILES: &str = "files";
const KERNEL_WORDS: &str = "kernel-words";
const TOKEN_FILE: &str = "token-file";

/// What a rig, or a kind of rigs, is told. `None` is "as others".
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    /// In place of those of the files.
    pub(super) settings: Settings,
    /// Behind those of the files.
    pub(super) kernel_words: Option<String>,
    /// Folder below the boot folder.
    pub(super) files: Option<String>,
    /// Whether it is answered.
    pub(super) boot: Option<bool>,
}

/// All of the file.
#[derive(Debug, Default)]
pub(super) struct Rigs {
    sections: BTreeMap<Prefix, Section>,
    /// Files that it names.
    pub(super) tokens: Vec<PathBuf>,
}

impl Rigs {
    /// Reads the file of this boot folder; without one no rig is told anything of its own.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let text = match text_of(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::new(format!("{}: {error}", path.display()))),
        };
        Self::parse(&text, folder).map_err(|(line, what)| {
            let place = Place(&path, Some(line));
            Failure::new(format!("{place}: {what}"))
        })
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, (usize, String)> {
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, &span));
            (line, error.message().replace('\n', "; "))
        })?;
        let mut rigs = Self::default();
        for (name, value) in table.get_ref() {
            let line = line_of(text, &name.span());
            let of = prefix(name.get_ref(), value.get_ref()).map_err(|what| (line, what))?;
            let mut section = Section::default();
            for (key, value) in value.get_ref().as_table().into_iter().flatten() {
                let said = rigs.entry(&mut section, key.get_ref(), value, folder);
                said.map_err(|what| (line_of(text, &key.span()), what))?;
            }
            if rigs.sections.insert(of, section).is_some() {
                return Err((line, format!("{of} has a section already")));
            }
        }
        Ok(rigs)
    }

    fn entry(
        &mut self,
        section: &mut Section,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        folder: &Path,
    ) -> Result<(), String> {
        let value = value.get_ref();
        if key == BOOT {
            let DeValue::Boolean(boot) = value else {
                return Err(format!(
                    "boot must be true or false, not {}",
                    type_of(value)
                ));
            };
            section.boot = Some(*boot);
            return Ok(());
        }
        let text = match value {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(pages) if key == "hugepages" => pages.as_str(),
            _ if !is_known(key) => return Err(unknown(key)),
            _ => {
                return Err(format!(
                    "{key} must be a text in quotes, not {}",
                    type_of(value)
                ));
            }
        };
        match key {
            FILES => section.files = Some(folder_name(text)?),
            KERNEL_WORDS => {
                changed_line("", text, &Settings::default()).map_err(|why| why.to_string())?;
                section.kernel_words = Some(text.to_owned());
            }
            TOKEN_FILE => {
                let path = folder.join(text);
                let token = secrets::read(&path.to_string_lossy()).map_err(|why| why.line)?;
                self.tokens.push(path);
                set(section, Key::Token, TOKEN_FILE, &token)?;
            }
            _ => {
                let known = words().find(|(name, _)| *name == key);
                let (name, of) = known.ok_or_else(|| unknown(key))?;
                set(section, of, name, text)?;
            }
        }
        Ok(())
    }

    /// How many sections there are.
    pub(super) fn len(&self) -> usize {
        self.sections.len()
    }

    /// Each kind of rigs with all that it is told, from the most general: every rig's, section or not.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (Prefix, Section)> {
        let without = (!self.sections.contains_key(&Prefix::ALL)).then_some(Prefix::ALL);
        let all = without.into_iter().chain(self.sections.keys().copied());
        all.map(|of| {
            let sections = of.covering().filter_map(|one| self.sections.get(&one));
            (of, sections.fold(Section::default(), Section::under))
        })
    }
}

/// The text of a file that is not too long. Whose it is does not matter: who can write it can replace the
/// images beside it.
fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!(
            "it is longer than {MAX_FILE} bytes"
        )));
    }
    Ok(text)
}

impl Section {
    /// The same, but for what a more specific one says.
    fn under(mut self, other: &Self) -> Self {
        for key in Key::ALL {
            if let Some(value) = other.settings.get(key) {
                // What one has taken the other takes as well.
                let _taken = self.settings.set(key, value);
            }
        }
        let words = other.kernel_words.as_ref().or(self.kernel_words.as_ref());
        let files = other.files.as_ref().or(self.files.as_ref());
        Self {
            kernel_words: words.cloned(),
            files: files.cloned(),
            boot: other.boot.or(self.boot),
            settings: self.settings,
        }
    }

    /// Whether it changes command lines.
    pub(super) fn is_silent(&self) -> bool {
        self.kernel_words.is_none() && self.settings == Settings::default()
    }
}

/// The keys that are words of the command line: `miner.name` is `name`.
fn words() -> impl Iterator<Item = (&'static str, Key)> {
    let of_rigs = |key: &Key| !matches!(key, Key::Token | Key::Test);
    let keys = Key::ALL.into_iter().filter(of_rigs);
    keys.filter_map(|key| Some((key.name().strip_prefix("miner.")?, key)))
}

fn names() -> impl Iterator<Item = &'static str> {
    let others = [BOOT, FILES, KERNEL_WORDS, TOKEN_FILE].into_iter();
    others.chain(words().map(|(name, _)| name))
}

fn is_known(key: &str) -> bool {
    names().any(|name| name == key)
}

fn unknown(key: &str) -> String {
    if key == "token" {
        return "token would be a secret in this file; put it into a file of its own and write token-file = \"FILE\""
            .to_owned();
    }
    let key = printable(key);
    match nearest(&key, names()) {
        Some(known) => format!("there is no key {key}; did you mean {known}?"),
        None => {
            let all: Vec<_> = names().collect();
            format!("there is no key {key}; there are {}", all.join(", "))
        }
    }
}

/// The rigs of a section.
fn prefix(name: &str, value: &DeValue<'_>) -> Result<Prefix, String> {
    let shown = printable(name);
    if !value.is_table() {
        return Err(format!(
            "{shown} stands in no section; write [all] before it"
        ));
    }
    if name == ALL {
        return Ok(Prefix::ALL);
    }
    name.parse().map_err(|_| {
        format!("[{shown}] is neither [all] nor a hardware address, or its beginning, such as [52-54-00-12-34-56]")
    })
}

fn set(section: &mut Section, key: Key, name: &str, value: &str) -> Result<(), String> {
    let set = section.settings.set(key, value);
    set.map_err(|why| match why.to_string().split_once(": ") {
        // The key as it stands in the file.
        Some((_, why)) => format!("{name}: {why}"),
        None => why.to_string(),
    })
}

/// A folder in the boot folder, and nowhere else.
fn folder_name(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && !text.contains('/') && !text.starts_with('.');
    plain.then(|| text.to_owned()).ok_or_else(|| {
        format!(
            "files must name a folder in the boot folder, not {}",
            printable(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rigs, (usize, String)> {
        Rigs::parse(text, Path::new("/nonexistent"))
    }

    fn refused(text: &str) -> String {
        let (line, what) = read(text).expect_err("refused");
        format!("{line}: {what}")
    }

    #[test]
    fn of_each_key_the_most_specific_section_counts() {
        let rigs = read(
            "[52-54-00-12-34-56]\nname = \"rig-seven\"\nboot = true\n\
             [all]\nowner = \"Ada\"\nhugepages = \"off\"\nboot = false\n\
             [\"52:54\"]\nhugepages = 1200\nfiles = \"old\"\nkernel-words = \"mitigations=off\"\n",
        );
        let rigs = rigs.expect("good");
        assert_eq!(rigs.len(), 3);
        let kinds: Vec<_> = rigs.kinds().collect();
        let shown: Vec<_> = kinds
            .iter()
            .map(|(of, told)| {
                let files = told.files.as_deref().unwrap_or("-");
                format!("{of} {files} {:?} {}", told.boot, told.settings)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "all - Some(false) miner.owner=Ada miner.hugepages=off",
                "52-54 old Some(false) miner.owner=Ada miner.hugepages=1200",
                "52-54-00-12-34-56 old Some(true) miner.owner=Ada miner.name=rig-seven miner.hugepages=1200",
            ]
        );
        let words = kinds.iter().map(|(_, told)| told.kernel_words.as_deref());
        assert_eq!(
            words.collect::<Vec<_>>(),
            [None, Some("mitigations=off"), Some("mitigations=off")]
        );
    }

    #[test]
    fn without_a_word_for_all_there_is_still_every_rig() {
        for text in ["", "[52-54-00]\nname = \"x\"\n"] {
            let (of, told) = read(text).expect("good").kinds().next().expect("one");
            assert!(
                of == Prefix::ALL && told.is_silent() && told.boot.is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_the_nearest_key() {
        let long = "x".repeat(70);
        for (text, told) in [
            (
                "[all]\nnmae = \"x\"\n",
                "2: there is no key nmae; did you mean name?",
            ),
            (
                "[all]\nkernelwords = \"x\"\n",
                "2: there is no key kernelwords; did you mean kernel-words?",
            ),
            (
                "[all]\ntest = \"x\"\n",
                "2: there is no key test; there are boot, files, ",
            ),
            (
                "[all]\ntoken = \"ENR1-X\"\n",
                "2: token would be a secret in this file",
            ),
            (
                "name = \"x\"\n",
                "1: name stands in no section; write [all] before it",
            ),
            (
                "[all]\n[shed]\n",
                "2: [shed] is neither [all] nor a hardware address",
            ),
            ("[52-54]\n[\"52:54\"]\n", "52-54 has a section already"),
            (
                "[all]\nname = 7\n",
                "2: name must be a text in quotes, not a number",
            ),
            (
                "[all]\nboot = \"no\"\n",
                "2: boot must be true or false, not a text",
            ),
            ("[all]\nname = \"rig 7\"\n", "2: name: letters, digits"),
            (&format!("[all]\nowner = \"{long}\"\n"), "2: owner: "),
            (
                "[all]\nfiles = \"../x\"\n",
                "2: files must name a folder in the boot folder",
            ),
            (
                "[all]\nkernel-words = \"miner.token=ENR1-X\"\n",
                "2: \"miner.token=\": kernel words are",
            ),
            ("[all]\ntoken-file = \"none\"\n", "2: /nonexistent/none: "),
            ("[all\n", "1: "),
        ] {
            let what = refused(text);
            assert!(what.contains(told), "{text:?}: {what}");
            assert!(!what.contains("ENR1-X"), "{what}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_refused_and_none_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Rigs::read(folder.path()).expect("none").len(), 0);
        let long = "#".repeat(1 + 1024 * 1024);
        std::fs::write(folder.path().join(FILE), long).expect("written");
        let line = Rigs::read(folder.path()).expect_err("refused").line;
        assert!(
            line.ends_with("rigs.toml: it is longer than 1048576 bytes"),
            "{line}"
        );
    }

    #[test]
    fn a_bad_token_is_not_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("bad"), "ENR1-SECRET\n").expect("written");
        let text = "[all]\ntoken-file = \"bad\"\n";
        let (line, what) = Rigs::parse(text, folder.path()).expect_err("refused");
        assert_eq!(
            (line, what.as_str()),
            (2, "token-file: not an enrolment token; copy it again")
        );
    }
}
