//! How much of the parsers the committed fuzz corpora reach, in lines.
//!
//! ```text
//!   our crates alone with instrument-coverage ─▶ fuzz_corpus, without generated inputs ─▶ llvm-cov
//! ```
//! A line counts as LLVM counts it. Needs `rustup component add llvm-tools`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use argh::FromArgs;
use cargo_metadata::Message;
use serde::Deserialize;

use crate::tools::{Context as _, Failure, cargo, output, root, run, target_dir};

/// Measure what the fuzz corpora cover of the parsers.
#[derive(FromArgs)]
#[argh(subcommand, name = "coverage")]
pub(crate) struct Coverage {
    /// also list the lines that are not reached
    #[argh(switch)]
    missed: bool,
    /// with the replay's generated inputs, as CI runs it
    #[argh(switch)]
    generated: bool,
}

/// Where bytes from outside are read: files, and folders of files. Left out is what reads beside much
/// that does not: the files of `agent/src/store`, the drivers of the links, the command line.
const PARSERS: [&str; 27] = [
    "controller/src/api/peers.rs",
    "controller/src/api/profiles.rs",
    "controller/src/api/remote.rs",
    "controller/src/api/tokens.rs",
    "controller/src/registry/pattern.rs",
    "shared/src/base32.rs",
    "shared/src/identity/key_file.rs",
    "shared/src/identity/mod.rs",
    "shared/src/identity/token.rs",
    "shared/src/json/cursor.rs",
    "shared/src/json/read.rs",
    "shared/src/mining/blob.rs",
    "shared/src/mining/hex.rs",
    "shared/src/mining/job.rs",
    "shared/src/mining/target.rs",
    "shared/src/record.rs",
    "shared/src/smsg/envelope.rs",
    "shared/src/smsg/frame.rs",
    "shared/src/smsg/link/error.rs",
    "shared/src/smsg/link/steps.rs",
    "shared/src/smsg/noise/handshake.rs",
    "shared/src/smsg/noise/symmetric.rs",
    "shared/src/smsg/payload.rs",
    "shared/src/smsg/session.rs",
    "shared/src/stratum/",
    "shared/src/text.rs",
    "shared/src/wire/",
];

#[derive(Deserialize)]
struct Report {
    data: Vec<Export>,
}

#[derive(Deserialize)]
struct Export {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    summary: Summary,
    /// Line, column, count, whether it has a count, and more.
    segments: Vec<(u64, u64, u64, bool, bool, bool)>,
}

#[derive(Deserialize)]
struct Summary {
    lines: Lines,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Lines {
    count: u64,
    covered: u64,
}

impl Coverage {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let folder = target_dir().join("coverage");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let wrapper = folder.join("rustc");
        // Cargo puts it in front of the compiler for our own crates and no others.
        fs::write(&wrapper, "#!/bin/sh\nexec \"$@\" -C instrument-coverage\n")?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;

        let mut build = cargo();
        build
            .args(["test", "--locked", "--package", "farm-tests"])
            .args(["--test", "fuzz_corpus", "--no-run", "--message-format=json"])
            .env("RUSTC_WORKSPACE_WRAPPER", &wrapper);
        let program = executable(&output(&mut build)?)?;
        let counts = folder.join("%p.profraw");
        let generated = if self.generated { "2000" } else { "0" };
        run(std::process::Command::new(&program)
            .current_dir(root().join("tests"))
            .env("FUZZ_GENERATED", generated)
            .env("LLVM_PROFILE_FILE", &counts))?;

        let tools = tools()?;
        let merged = folder.join("all.profdata");
        let mut merge = std::process::Command::new(tools.join("llvm-profdata"));
        merge.args(["merge", "--sparse", "--output"]).arg(&merged);
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ext| ext == "profraw") {
                merge.arg(path);
            }
        }
        run(&mut merge)?;
        let mut export = std::process::Command::new(tools.join("llvm-cov"));
        export.arg("export").arg(&program);
        export.arg("--instr-profile").arg(&merged);
        let report: Report = serde_json::from_str(&output(&mut export)?).context("llvm-cov")?;
        self.print(&report);
        Ok(())
    }

    fn print(&self, report: &Report) {
        let root = format!("{}/", root().display());
        let files = report.data.iter().flat_map(|export| &export.files);
        let mut rows: Vec<(&str, &File)> = files
            .filter_map(|file| Some((file.filename.strip_prefix(&root)?, file)))
            .filter(|(path, _)| PARSERS.iter().any(|parser| path.starts_with(parser)))
            .filter(|(path, _)| !path.contains("tests"))
            .collect();
        rows.sort_by_key(|(path, _)| *path);
        let mut total = Lines::default();
        println!("| parser | lines | reached | |\n|---|---|---|---|");
        for (path, file) in &rows {
            let lines = file.summary.lines;
            total.count += lines.count;
            total.covered += lines.covered;
            println!("{}", row(path, lines));
            if self.missed {
                println!("{:?}", missed(file));
            }
        }
        println!("{}", row("all", total));
    }
}

fn row(name: &str, Lines { count, covered }: Lines) -> String {
    let tenths = (covered * 1_000).checked_div(count).unwrap_or_default();
    format!(
        "| `{name}` | {count} | {covered} | {}.{} % |",
        tenths / 10,
        tenths % 10
    )
}

/// Lines where a region begins that was never entered.
fn missed(file: &File) -> Vec<u64> {
    let never = file
        .segments
        .iter()
        .filter(|(_, _, count, has, entry, _)| *count == 0 && *has && *entry);
    never.map(|(line, ..)| *line).collect()
}

/// The test program among cargo's messages.
fn executable(messages: &str) -> Result<PathBuf, Failure> {
    let messages = Message::parse_stream(messages.as_bytes());
    let found = messages.filter_map(|message| match message.ok()? {
        Message::CompilerArtifact(artifact) if artifact.target.name == "fuzz_corpus" => {
            artifact.executable
        }
        _ => None,
    });
    let last = found.last();
    last.map(Into::into)
        .ok_or_else(|| Failure::new("cargo built no test fuzz_corpus"))
}

/// The folder of LLVM's tools in the toolchain in use.
fn tools() -> Result<PathBuf, Failure> {
    let sysroot = output(std::process::Command::new("rustc").args(["--print", "sysroot"]))?;
    let host = output(std::process::Command::new("rustc").args(["--print", "host-tuple"]))?;
    let folder = PathBuf::from(sysroot.trim())
        .join("lib/rustlib")
        .join(host.trim())
        .join("bin");
    if !folder.join("llvm-cov").exists() {
        return Err(Failure::new(
            "llvm-cov is not installed; run: rustup component add llvm-tools",
        ));
    }
    Ok(folder)
}
