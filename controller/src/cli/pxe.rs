//! `pxe serve`: boots rigs over the network from a folder, and prints what each of them does.
//!
//! | file in the folder | for |
//! |---|---|
//! | `x64.efi`, `arm64.efi` | UEFI: a UKI, with the command line that it was built with |
//! | `vmlinuz`, `initrd` | iPXE |
//! | `undionly.kpxe` | BIOS whose ROM is not iPXE, besides those of iPXE |
//! | `cmdline` | iPXE: the kernel's command line; without it [`COMMAND_LINE`] |

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use argh::{ArgsInfo, FromArgs};
use async_signal::{Signal, Signals};
use miner_agent::cli::{Failure, say};
use miner_agent::lan;
use miner_boot::files::{BootFile, Content, Recipe, Table};
use miner_boot::ipxe;
use miner_boot::server::{BootServer, Lan, Ports};
use smol::future::or;
use smol::stream::StreamExt as _;

/// What the kernel is told if the folder does not say: to start again ten seconds after a panic.
const COMMAND_LINE: &str = "panic=10 quiet";
/// The file that says it.
const COMMAND_LINE_FILE: &str = "cmdline";

/// Boot rigs over the network.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "pxe")]
pub(super) struct Pxe {
    #[argh(subcommand)]
    verb: PxeVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum PxeVerb {
    Serve(Serve),
}

/// Tell rigs on one network what to boot, and serve it: beside the network's DHCP server, which goes on
/// giving addresses. Prints every step of every rig until it is interrupted. Needs UDP ports 67, 69 and
/// 4011, so root or `CAP_NET_BIND_SERVICE`. Nothing of it is secret: whoever is on that network can read
/// it, or serve something else.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "serve")]
struct Serve {
    /// network interface that leads to the rigs, such as eth0
    #[argh(option)]
    interface: String,
    /// folder with x64.efi, arm64.efi, vmlinuz and initrd, undionly.kpxe, cmdline: what is there is
    /// served
    #[argh(option)]
    folder: PathBuf,
    /// TCP port of HTTP; default: 7402
    #[argh(option, default = "Ports::default().http")]
    http_port: u16,
}

impl Pxe {
    pub(super) fn run(self) -> Result<(), Failure> {
        let PxeVerb::Serve(serve) = self.verb;
        serve.run()
    }
}

impl Serve {
    fn run(self) -> Result<(), Failure> {
        let network = lan::network_on(&self.interface).ok_or_else(|| {
            let interface = &self.interface;
            Failure::new(format_args!(
                "{interface} leads to no IPv4 network; `ip -4 address` lists what there is"
            ))
        })?;
        let recipe = recipe(&self.folder)?;
        let files: Vec<_> = BootFile::ALL
            .into_iter()
            .filter(|file| recipe.has(*file))
            .collect();
        if files.is_empty() {
            let folder = self.folder.display();
            return Err(Failure::new(format_args!(
                "{folder} has nothing that boots; it needs x64.efi, arm64.efi, or vmlinuz and initrd"
            )));
        }
        let mut table = Table::default();
        table.set_rest(Some(Arc::new(recipe)));
        let ports = Ports {
            http: self.http_port,
            ..Ports::default()
        };
        let lan = Lan {
            interface: Some(self.interface.clone()),
            address: network.address,
            prefix: network.prefix(),
        };
        let server = BootServer::bind(lan, ports, table)?;
        say(format_args!(
            "serves {} at {} on {}",
            List(&files),
            network.address,
            self.interface
        ));
        Ok(smol::block_on(until_told(server))?)
    }
}

async fn until_told(server: BootServer) -> io::Result<()> {
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])?;
    let events = server.handle().events();
    let print = async {
        while let Ok(event) = events.recv().await {
            say(event);
        }
    };
    let told = async {
        signals.next().await;
    };
    server.run(or(told, print)).await
}

/// What is in a folder.
fn recipe(folder: &Path) -> Result<Recipe, Failure> {
    let failed = |path: &Path, error: &dyn fmt::Display| {
        Failure::new(format_args!("{}: {error}", path.display()))
    };
    let path = folder.join(COMMAND_LINE_FILE);
    let line = match fs::read_to_string(&path) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => COMMAND_LINE.to_owned(),
        Err(error) => return Err(failed(&path, &error)),
    };
    ipxe::script(&line).map_err(|error| failed(&path, &error))?;
    let mut recipe = Recipe::new(Arc::new(move |_| line.clone()), None);
    for file in BootFile::ALL {
        let path = folder.join(file.name());
        match Content::disk(&path) {
            Ok(content) => recipe = recipe.with(file, content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path, &error)),
        }
    }
    Ok(recipe)
}

/// Names with commas between them.
struct List<'l>(&'l [BootFile]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for file in self.0 {
            write!(f, "{separator}{file}")?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("written");
        }
        folder
    }

    #[test]
    fn what_is_in_the_folder_is_served_and_nothing_else() {
        let folder = folder(&[
            ("vmlinuz", "kernel"),
            ("initrd", "initramfs"),
            ("x64.efi", "uki"),
            ("private.key", "secret"),
        ]);
        let recipe = recipe(folder.path()).expect("a recipe");
        let files: Vec<_> = BootFile::ALL
            .into_iter()
            .filter(|file| recipe.has(*file))
            .collect();
        assert_eq!(
            List(&files).to_string(),
            "boot.ipxe, vmlinuz, initrd, x64.efi"
        );
    }

    #[test]
    fn a_file_that_cannot_be_served_is_named() {
        let empty = folder(&[("x64.efi", "")]);
        let failure = recipe(empty.path()).expect_err("an empty file");
        assert!(
            failure.line.contains("x64.efi: a boot file has 1 to"),
            "{}",
            failure.line
        );
        let commands = folder(&[("cmdline", "quiet || shell\n")]);
        let failure = recipe(commands.path()).expect_err("commands");
        assert!(
            failure.line.contains("cmdline: iPXE would"),
            "{}",
            failure.line
        );
    }
}
