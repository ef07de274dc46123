//! `miner`: the worker agent of a rig. All of it is in the library.

use std::process::ExitCode;

use miner_agent::{cli, init};

fn main() -> ExitCode {
    // Before arguments are looked at: the kernel may hand its first process words that are no verbs.
    if init::is_first_process() {
        init::run();
    }
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    cli::run("miner", &args).into()
}
