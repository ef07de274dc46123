//! The ten longest source files, so that a file that outgrows its reader is seen early.

use std::fs;
use std::path::{Path, PathBuf};

use argh::FromArgs;

use crate::tools::{Context as _, Failure, root};

/// Lines that no source file may exceed (rule E4).
const HARD_LIMIT: usize = 800;

/// Print the ten longest source files.
#[derive(FromArgs)]
#[argh(subcommand, name = "longest")]
pub(crate) struct Longest {}

impl Longest {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let root = root();
        let mut files = Vec::new();
        collect(&root, &mut files)?;
        files.sort_by(|a, b| b.cmp(a));
        for (lines, path) in files.iter().take(10) {
            println!(
                "{lines:>6}  {}",
                path.strip_prefix(&root).unwrap_or(path).display()
            );
        }
        match files.first() {
            Some((lines, path)) if *lines > HARD_LIMIT => {
                let path = path.display();
                Err(Failure::new(format!(
                    "{path}: {lines} lines; no file exceeds {HARD_LIMIT}"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Adds every `.rs` file below `dir` with its number of lines; build directories and dotfiles are
/// not ours to count.
fn collect(dir: &Path, files: &mut Vec<(usize, PathBuf)>) -> Result<(), Failure> {
    for entry in fs::read_dir(dir).context(dir.display())? {
        let entry = entry.context(dir.display())?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "target" || name == "vendor" {
            continue;
        }
        if entry.file_type().context(path.display())?.is_dir() {
            collect(&path, files)?;
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).context(path.display())?;
            files.push((text.lines().count(), path));
        }
    }
    Ok(())
}
