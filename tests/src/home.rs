//! A machine of the test: a data directory of its own, and the programs run in it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, io};

use serde_json::Value;
use tempfile::TempDir;

use crate::service::Service;
use crate::sources::root;

/// The agent.
pub const MINER: &str = "miner";
/// The controller.
pub const MINER_CTRL: &str = "miner-ctrl";

/// A machine: everything that its programs write is below one temporary directory.
#[derive(Debug)]
pub struct Home {
    name: &'static str,
    dir: TempDir,
    /// Network namespace of its programs.
    namespace: Option<&'static str>,
}

/// What a command that has ended left.
#[derive(Debug)]
pub struct Ran {
    /// The command as typed.
    pub line: String,
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Home {
    /// An empty machine; `name` stands in front of its lines in a failed test's output.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(name: &'static str) -> io::Result<Self> {
        Ok(Self {
            name,
            dir: TempDir::with_prefix(format!("farm-{name}-"))?,
            namespace: None,
        })
    }

    /// The same in this network namespace.
    #[must_use]
    pub fn inside(self, namespace: &'static str) -> Self {
        Self {
            namespace: Some(namespace),
            ..self
        }
    }

    /// Where this machine's files are.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Ran, String> {
        self.run_with_input(program, arguments, "")
    }

    /// Runs a command to its end, with `input` as its standard input.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn run_with_input(
        &self,
        program: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<Ran, String> {
        let line = format!("{}: {program} {}", self.name, arguments.join(" "));
        let failed = |error: io::Error| format!("{line}: {error}");
        let mut child = self.command(program, arguments)?.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads no input may have closed it already.
            let _unread = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(failed)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ran {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            line,
        })
    }

    /// Starts a program that keeps running.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn serve(&self, program: &str, arguments: &[&str]) -> Result<Service, String> {
        let line = format!("{}: {program} {}", self.name, arguments.join(" "));
        let child = self.command(program, arguments)?.spawn();
        Service::new(child.map_err(|error| format!("{line}: {error}"))?, line)
    }

    /// A new API token of this machine's controller, which may do everything.
    ///
    /// # Errors
    /// There is no controller, or it does not make one.
    pub fn api_token(&self) -> Result<String, String> {
        let create = ["api-token", "create", "--scope", "admin"];
        Ok(self.run(MINER_CTRL, &create)?.ok()?.trim().to_owned())
    }

    /// A command whose every path is inside this machine.
    fn command(&self, program: &str, arguments: &[&str]) -> Result<Command, String> {
        let dir = self.path();
        let program = programs()?.join(program);
        let mut command = match self.namespace {
            None => Command::new(program),
            Some(namespace) => {
                let mut ip = Command::new("ip");
                ip.args(["netns", "exec", namespace]).arg(program);
                ip
            }
        };
        command
            .args(arguments)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir)
            .env("XDG_CONFIG_HOME", dir.join("config"))
            .env("XDG_DATA_HOME", dir.join("data"))
            .env("XDG_STATE_HOME", dir.join("state"))
            .env("XDG_CACHE_HOME", dir.join("cache"))
            .env("XDG_RUNTIME_DIR", dir)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(command)
    }
}

impl Ran {
    /// The command's standard output, if it ended well.
    ///
    /// # Errors
    /// It did not; the text shows all of it.
    pub fn ok(self) -> Result<String, String> {
        if self.code == Some(0) {
            Ok(self.stdout)
        } else {
            Err(format!("{self:#?}"))
        }
    }

    /// The command's standard output as JSON, if it ended well.
    ///
    /// # Errors
    /// It did not, or it printed no JSON.
    pub fn json(self) -> Result<Value, String> {
        let line = self.line.clone();
        let text = self.ok()?;
        serde_json::from_str(&text).map_err(|error| format!("{line}: {error}\n{text}"))
    }

    /// Both outputs, whatever became of the command.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The page at `url` (`http://HOST:PORT/…`), head and body, fetched with one plain HTTP/1.1 request by
/// an API token.
///
/// # Errors
/// Nobody answers there.
pub fn page(url: &str, token: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("{url}: {error}");
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| format!("{url}: no http address"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut socket = TcpStream::connect(host).map_err(failed)?;
    let request = format!(
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).map_err(failed)?;
    Ok(answer)
}

/// Folder of the built programs: `FARM_PROGRAMS`, or built now by the cargo that runs the tests.
fn programs() -> Result<&'static PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build).as_ref().map_err(Clone::clone)
}

fn build() -> Result<PathBuf, String> {
    if let Some(dir) = env::var_os("FARM_PROGRAMS") {
        return Ok(PathBuf::from(dir));
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // As this program was built itself: who measures does not measure unoptimised code.
    let (profile, folder) = if cfg!(debug_assertions) {
        ("dev", "debug")
    } else {
        ("release", "release")
    };
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--workspace", "--bins"])
        .args(["--profile", profile])
        .current_dir(root())
        .status()
        .map_err(|error| format!("cargo build: {error}"))?;
    if !status.success() {
        return Err(format!("cargo build of the programs: {status}"));
    }
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(root().join(target).join(folder))
}
