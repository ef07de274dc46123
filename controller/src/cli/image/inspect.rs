//! `image inspect`: what is in a disk or a unified kernel image. Tokens are not shown.

use std::fs;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say};
use miner_images::{disk, uki};
use miner_shared::cmdline::{Key, Settings};
use serde_json::json;

use crate::cli::show;

/// Show the volumes and files of a disk image, or the command line of a unified kernel image.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "inspect")]
pub(super) struct Inspect {
    /// the image
    #[argh(positional)]
    image: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(self) -> Result<(), Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::new(format!("{}: {why}", self.image));
        let bytes = fs::read(&self.image).map_err(|error| failed(&error))?;
        if let Some(line) = uki::cmdline(&bytes) {
            let line = without_token(line);
            if self.json {
                show::say_json(&json!({"kind": "uki", "bytes": bytes.len(), "cmdline": line}));
            } else {
                say(format_args!(
                    "unified kernel image, {} bytes\ncommand line: {line}",
                    bytes.len()
                ));
            }
            return Ok(());
        }
        let volumes = disk::volumes(&bytes);
        if volumes.is_empty() {
            return Err(failed(&"neither a disk of ours nor a unified kernel image"));
        }
        let mut told = Vec::new();
        for found in &volumes {
            let entries = found.volume.list().map_err(|error| failed(&error))?;
            let files: Vec<_> = entries.iter().filter(|entry| !entry.is_folder).collect();
            if !self.json {
                say(format_args!("{}, {} bytes", found.label, found.place.len()));
                for file in &files {
                    say(format_args!("  {:>10}  {}", file.size, file.path));
                }
            }
            let files: Vec<_> = files
                .iter()
                .map(|file| json!({"path": file.path, "bytes": file.size}))
                .collect();
            told.push(json!({"label": found.label, "bytes": found.place.len(), "files": files}));
        }
        if self.json {
            show::say_json(&json!({"kind": "disk", "bytes": bytes.len(), "volumes": told}));
        }
        Ok(())
    }
}

/// The line with dots in the place of a token.
fn without_token(line: &str) -> String {
    let settings = Settings::read(line.as_bytes(), &mut |_| ());
    match settings.get(Key::Token) {
        Some(token) => line.replace(token, "…"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::{EnrolToken, Fingerprint};

    use super::*;

    #[test]
    fn a_token_on_the_line_is_not_shown() {
        let mut rng = miner_agent::store::system_rng();
        let token = EnrolToken::generate(&mut rng, &Fingerprint([0; 32]));
        let line = format!("quiet miner.token={} miner.owner=Ada", token);
        assert_eq!(without_token(&line), "quiet miner.token=… miner.owner=Ada");
    }
}
