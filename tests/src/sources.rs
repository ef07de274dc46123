//! The workspace as text, for tests that read what the programs are made of.
//!
//! A scan of the sources cannot prove that code does nothing else; it makes a change of a promise
//! visible, because the test must then be changed too.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// One text file: its path below the workspace root, and its lines.
#[derive(Debug)]
pub struct Source {
    /// Path below the workspace root, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// The lines before the unit tests, numbered from 1. Tests stand at the end of a file (rule E1).
    pub fn program_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self
            .text
            .find("#[cfg(test)]\nmod tests {")
            .unwrap_or(self.text.len());
        let (program, _) = self.text.split_at(tests);
        program
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }
}

/// The workspace root: the folder above this package.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Every file below `dir` (relative to the root) whose name ends with `.extension`, sorted by path.
///
/// # Errors
/// A file cannot be read.
pub fn files(dir: &str, extension: &str) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    collect(&root().join(dir), extension, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The Rust sources of the shipped programs: no tests, no build tools.
///
/// # Errors
/// A file cannot be read.
pub fn programs() -> io::Result<Vec<Source>> {
    let mut all = Vec::new();
    let agent = ["agent/src", "agent/engine/src"];
    let controller = [
        "controller/src",
        "controller/boot/src",
        "controller/proxy/src",
    ];
    for dir in ["shared/src", "images/src"]
        .into_iter()
        .chain(agent)
        .chain(controller)
    {
        all.extend(files(dir, "rs")?);
    }
    Ok(all)
}

fn collect(dir: &Path, extension: &str, found: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "target" || name == "vendor" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&path, extension, found)?;
        } else if path.extension().is_some_and(|have| have == extension) {
            let below = path.strip_prefix(root()).unwrap_or(&path);
            let text = fs::read_to_string(&path)?;
            found.push(Source {
                path: below.to_string_lossy().replace('\\', "/"),
                text,
            });
        }
    }
    Ok(())
}
