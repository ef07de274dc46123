//! Secrets come from files or standard input, never from the command line, which every user of the
//! machine can read in the process list.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

use miner_agent::cli::{Failure, terminal};
use miner_agent::store::StoreError;
use miner_agent::store::file::{self, Access};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Longest secret: a wallet with what pools let one append, and room for line ends.
const MAX_SECRET: u64 = 1024;

/// The first line of a file, or of standard input for `-`, without blanks around it.
pub(crate) fn read(file: &str) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| Failure::new(format!("{file}: {error}"));
    let mut text = Zeroizing::new(String::new());
    if file == "-" {
        io::stdin()
            .take(MAX_SECRET)
            .read_to_string(&mut text)
            .map_err(failed)?;
    } else {
        let opened = File::open(file).map_err(failed)?;
        opened
            .take(MAX_SECRET)
            .read_to_string(&mut text)
            .map_err(failed)?;
    }
    let line = text.lines().next().unwrap_or_default().trim();
    Ok(Zeroizing::new(line.to_owned()))
}

/// A new file for a secret, 0600: never one that is there.
#[derive(Debug)]
pub(super) struct NewFile(String);

impl NewFile {
    /// Refuses a file that is there before anything is made that would have to be thrown away.
    pub(super) fn at(path: &str) -> Result<Self, Failure> {
        if Path::new(path).symlink_metadata().is_ok() {
            return Err(Failure::new(format!("{path} is there already")));
        }
        Ok(Self(path.to_owned()))
    }

    /// Its name, as it was given.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Writes the secret as its only line.
    pub(super) fn write(&self, secret: &str) -> Result<(), StoreError> {
        let line = Zeroizing::new(format!("{secret}\n"));
        // A bare name has the empty parent; the folder is the current one.
        let path = Path::new(".").join(&self.0);
        file::create(&path, line.as_bytes(), Access::Private)
    }
}

/// Asks the person, and does not show what they type. Without a terminal it is exit code 3 with the
/// line that `flags` makes.
pub(crate) fn ask(
    question: &str,
    flags: impl FnOnce() -> String,
) -> Result<Zeroizing<String>, Failure> {
    let _quiet = Quiet::new();
    let answer = terminal::ask(question, flags)?;
    // The line feed that was typed was not shown either.
    let _ = writeln!(io::stderr());
    Ok(answer)
}

/// The terminal without echo, while this lives.
struct Quiet(Option<Termios>);

impl Quiet {
    fn new() -> Self {
        let shown = tcgetattr(io::stdin()).ok();
        if let Some(shown) = &shown {
            let mut quiet = shown.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            // Shown after all, if the terminal cannot do it.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &quiet);
        }
        Self(shown)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(shown) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, shown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_counts_without_blanks() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("code");
        std::fs::write(&path, " PAIR CODE \r\nsecond\n").expect("written");
        let text = read(path.to_str().expect("plain")).expect("read");
        assert_eq!(text.as_str(), "PAIR CODE");
    }

    #[test]
    fn a_missing_file_is_named() {
        let failure = read("/nonexistent/secret").expect_err("missing");
        assert!(failure.line.starts_with("/nonexistent/secret: "));
    }
}
