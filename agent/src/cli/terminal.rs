//! The terminal: what it can show, and the person in front of it.
//!
//! | question | answered by |
//! |---|---|
//! | how wide, is colour wanted, does it show more than ASCII | [`Terminal::stdout`] |
//! | what does the person say | [`ask`], [`confirm`]; without a person exit code 3 and the flag that answers |

use std::env;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use zeroize::Zeroizing;

use super::{Exit, Failure};

/// Longest answer that is read.
const MAX_ANSWER: u64 = 1024;

/// What standard output shows, where it is a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Characters of a line, if it says so.
    pub width: Option<usize>,
    /// Whether escape sequences for colours may be used.
    pub colour: bool,
    /// Whether it shows characters beyond ASCII.
    pub utf8: bool,
}

impl Terminal {
    /// Standard output; `None` if it is a pipe or a file.
    pub fn stdout() -> Option<Self> {
        let stdout = io::stdout();
        stdout.is_terminal().then(|| {
            let size = rustix::termios::tcgetwinsize(&stdout).ok();
            let width = size.map(|size| usize::from(size.ws_col));
            Self {
                width: width.filter(|width| *width > 0),
                ..Self::of_environment(|name| env::var(name).unwrap_or_default())
            }
        })
    }

    /// What the environment says: `NO_COLOR`, `TERM`, and the first of the locale's variables.
    fn of_environment(variable: impl Fn(&str) -> String) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(&variable);
        let locale = locale.into_iter().find(|value| !value.is_empty());
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            width: None,
            colour: variable("NO_COLOR").is_empty() && variable("TERM") != "dumb",
            utf8: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }
}

/// Asks the person and gives the answer without blanks around it. Without a terminal nobody can
/// answer: [`Exit::NeedsConsent`] with the line that `flags` makes.
pub fn ask(question: &str, flags: impl FnOnce() -> String) -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure {
            exit: Exit::NeedsConsent,
            line: flags(),
        });
    }
    // On stderr, so that a piped standard output holds the result alone.
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
    let mut line = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .take(MAX_ANSWER)
        .read_line(&mut line)
        .map_err(|error| Failure::new(format!("standard input: {error}")))?;
    Ok(Zeroizing::new(line.trim().to_owned()))
}

/// Asks for a yes; anything else is [`Exit::NeedsConsent`] with the line `otherwise`.
pub fn confirm(
    question: &str,
    otherwise: &str,
    flags: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let answer = ask(&format!("{question} (y/N) "), flags)?;
    if is_yes(&answer) {
        return Ok(());
    }
    Err(Failure {
        exit: Exit::NeedsConsent,
        line: otherwise.to_owned(),
    })
}

/// Whether an answer is a yes.
pub fn is_yes(answer: &str) -> bool {
    matches!(answer, "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Terminal {
        Terminal::of_environment(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map_or_else(String::new, |(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_first_variable_of_the_locale_says_whether_it_is_utf8() {
        for (pairs, utf8) in [
            (&[("LANG", "de_DE.UTF-8")][..], true),
            (&[("LANG", "C.utf8")], true),
            (&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")], false),
            (&[("LC_ALL", ""), ("LC_CTYPE", "en_US.UTF-8")], true),
            (&[("LANG", "de_DE")], false),
            (&[], false),
        ] {
            assert_eq!(environment(pairs).utf8, utf8, "{pairs:?}");
        }
    }

    #[test]
    fn colour_is_given_up_where_it_is_not_wanted_or_not_had() {
        assert!(environment(&[("TERM", "xterm")]).colour);
        assert!(environment(&[("NO_COLOR", "")]).colour);
        assert!(!environment(&[("NO_COLOR", "1")]).colour);
        assert!(!environment(&[("TERM", "dumb")]).colour);
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(["y", "Y", "yes"].into_iter().all(is_yes));
        assert!(!["", "n", "yess", "ya", "1"].into_iter().any(is_yes));
    }
}
