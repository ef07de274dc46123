//! `miner-ctrl`: the controller of a farm. All of it is in the library.

use std::process::ExitCode;

use miner_ctrl::cli;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    cli::run(&args).into()
}
