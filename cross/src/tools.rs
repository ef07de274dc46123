//! What every task needs: the workspace root, child processes that fail loudly, one error type.

use core::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

/// One sentence for the human in front of the terminal.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts "what was being done" in front of the error of a tool or of the system.
pub(crate) trait Context<T> {
    fn context(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

/// The workspace root: the folder above this package.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The build directory, which also holds tools and temporary files of tasks.
pub(crate) fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The cargo that runs us, in the workspace root.
pub(crate) fn cargo() -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Whether `cargo NAME` is installed.
pub(crate) fn has_cargo_tool(name: &str) -> bool {
    let program = format!("cargo-{name}");
    let paths = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&paths).any(|dir| dir.join(&program).is_file())
}

/// Runs `command` with its output on ours.
///
/// # Errors
/// The command cannot be started or ends with a code other than 0.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let line = line_of(command);
    eprintln!("$ {line}");
    let status = command.status().context(&line)?;
    if !status.success() {
        return Err(Failure(format!("{line}: {status}")));
    }
    Ok(())
}

/// Runs `command` and returns what it wrote to its standard output.
///
/// # Errors
/// The command cannot be started, ends with a code other than 0, or does not write UTF-8.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let line = line_of(command);
    let output = command.output().context(&line)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(Failure(format!("{line}: {}\n{text}", output.status)));
    }
    String::from_utf8(output.stdout).context(&line)
}

/// The command as a person would type it, paths below the workspace shortened.
fn line_of(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut line = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line.replace(&format!("{}/", root().display()), "")
}

/// Reads a text file of the workspace by its path below the root.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read(path: &str) -> Result<String, Failure> {
    std::fs::read_to_string(root().join(path)).context(path)
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}
