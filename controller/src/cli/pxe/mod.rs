//! `pxe serve`: boots rigs over the network from a folder, prints what each of them does, and tells the
//! controller; `pxe boots`: what the controller was told.
//!
//! | file in the folder | for |
//! |---|---|
//! | `x64.efi`, `arm64.efi` | UEFI: a UKI, with the command line that it was built with |
//! | `vmlinuz`, `initrd` | iPXE |
//! | `undionly.kpxe` | BIOS whose ROM is not iPXE, besides those of iPXE |
//! | `cmdline` | iPXE: the kernel's command line; without it `panic=10 quiet` |
//! | `rigs.toml` | what single rigs are told that others are not: see [`rigs`] |
//!
//! [`folder`] makes a table of it, again whenever a file changes; [`tell`] is the way to the controller.

mod boots;
mod folder;
mod rigs;
mod tell;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use async_signal::{Signal, Signals};
use miner_agent::cli::{Failure, say};
use miner_agent::lan;
use miner_boot::files::BootFile;
use miner_boot::server::{BootServer, Handle, Lan, Ports};
use smol::Timer;
use smol::channel::bounded;
use smol::future::or;
use smol::stream::StreamExt as _;

use self::folder::{Loaded, Seen, Watch};
use self::tell::Teller;
use super::with_client;

/// How often the folder is looked at. What looks alike twice is whole.
const LOOK: Duration = Duration::from_secs(2);

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
    Boots(boots::Boots),
}

/// Tell rigs on one network what to boot, and serve it: beside the network's DHCP server, which goes on
/// giving addresses. Prints every step of every rig until it is interrupted, and tells the controller.
/// Needs UDP ports 67, 69 and 4011, so root or `CAP_NET_BIND_SERVICE`. Nothing of it is secret: whoever is
/// on that network can read it, or serve something else.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "serve")]
struct Serve {
    /// network interface that leads to the rigs, such as eth0
    #[argh(option)]
    interface: String,
    /// folder with x64.efi, arm64.efi, vmlinuz and initrd, undionly.kpxe, cmdline: what is there is
    /// served; rigs.toml says what single rigs are told. Read again when it changes
    #[argh(option)]
    folder: PathBuf,
    /// TCP port of HTTP; default: 7402
    #[argh(option, default = "Ports::default().http")]
    http_port: u16,
    /// ADDRESS:PORT of the controller's API that is told what rigs do; default: that of the controller that
    /// this user runs here
    #[argh(option)]
    api: Option<std::net::SocketAddr>,
    /// file with an API token for --api, scope operate
    #[argh(option)]
    api_token_file: Option<String>,
    /// pin of the certificate of --api, if it speaks TLS, as `node serve` prints it
    #[argh(option)]
    api_tls_pin: Option<String>,
}

impl Pxe {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            PxeVerb::Serve(serve) => serve.run(),
            PxeVerb::Boots(boots) => with_client(async |client| boots.run(client).await),
        }
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
        let teller = Teller::new(
            self.api,
            self.api_token_file.as_deref(),
            self.api_tls_pin.as_deref(),
        )?;
        let loaded = folder::load(&self.folder)?;
        let ports = Ports {
            http: self.http_port,
            ..Ports::default()
        };
        let lan = Lan {
            interface: Some(self.interface.clone()),
            address: network.address,
            prefix: network.prefix(),
        };
        let server = BootServer::bind(lan, ports, loaded.table)?;
        say(format_args!(
            "serves {} at {} on {}",
            List(&loaded.files),
            network.address,
            self.interface
        ));
        say(sections(loaded.sections));
        Ok(smol::block_on(until_told(
            server,
            self.folder,
            loaded.seen,
            teller,
        ))?)
    }
}

async fn until_told(
    server: BootServer,
    folder: PathBuf,
    seen: Seen,
    teller: Teller,
) -> io::Result<()> {
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])?;
    let handle = server.handle();
    let events = handle.events();
    let print = async {
        while let Ok(event) = events.recv().await {
            say(event);
        }
    };
    let told = async {
        signals.next().await;
    };
    let beside = or(keep_read(&handle, folder, seen), teller.run(&handle));
    server.run(or(told, or(print, beside))).await
}

/// Serves what the folder has now, whenever that is something else than before.
async fn keep_read(handle: &Handle, folder: PathBuf, seen: Seen) {
    let mut watch = Watch::new(seen);
    loop {
        Timer::after(LOOK).await;
        if watch.is_due() {
            let loaded = load_beside(folder.clone()).await;
            say(serve_instead(handle, &mut watch, loaded));
        }
    }
}

/// Reads a folder on a thread of its own: hashing a hundred megabytes must not keep transfers waiting.
async fn load_beside(folder: PathBuf) -> Result<Loaded, Failure> {
    let (done, loaded) = bounded(1);
    thread::Builder::new()
        .name("boot-folder".to_owned())
        .spawn(move || {
            // Nobody waits any more: the server has ended.
            let _unread = done.try_send(folder::load(&folder));
        })?;
    let ended = |_| Failure::new("the boot folder's reader ended without a word");
    loaded.recv().await.map_err(ended)?
}

/// What cannot be served changes nothing. Gives back what to say.
fn serve_instead(handle: &Handle, watch: &mut Watch, loaded: Result<Loaded, Failure>) -> String {
    match loaded {
        Ok(loaded) => {
            handle.set_table(loaded.table);
            watch.taken(Some(loaded.seen));
            let files = List(&loaded.files);
            format!("read again: serves {files}, {}", sections(loaded.sections))
        }
        Err(failure) => {
            watch.taken(None);
            format!("{}; goes on with what it served before", failure.line)
        }
    }
}

fn sections(count: usize) -> String {
    let file = rigs::FILE;
    match count {
        0 => format!("no {file}"),
        1 => format!("{file}: 1 section"),
        _ => format!("{file}: {count} sections"),
    }
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
    use std::fs;
    use std::net::{Ipv4Addr, SocketAddrV4};

    use miner_boot::files::FileName;
    use miner_shared::dhcp::Mac;

    use super::*;

    #[test]
    fn a_folder_that_changes_is_served_anew_and_one_with_a_mistake_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
        write("x64.efi", "first").expect("written");
        let loaded = folder::load(folder.path()).expect("loaded");
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let ports = Ports {
            dhcp: any,
            clients: any,
            boot_server: 0,
            tftp: 0,
            http: 0,
        };
        let lan = Lan {
            interface: None,
            address: Ipv4Addr::LOCALHOST,
            prefix: 8,
        };
        let server = BootServer::bind(lan, ports, loaded.table).expect("bound");
        let handle = server.handle();
        let (mac, file) = (Mac([2; 6]), BootFile::UkiX64);
        let length = || handle.length(FileName { mac, file });
        let mut watch = Watch::new(loaded.seen);
        let mut look = || {
            let due = watch.is_due();
            due.then(|| serve_instead(&handle, &mut watch, folder::load(folder.path())))
        };
        assert_eq!((look(), length()), (None, Some(5)));

        write("x64.efi", "the second").expect("written");
        assert_eq!(
            (look(), length()),
            (None, Some(5)),
            "it may still be written"
        );
        assert_eq!(
            look().as_deref(),
            Some("read again: serves x64.efi, no rigs.toml")
        );
        assert_eq!((look(), length()), (None, Some(10)));

        write("x64.efi", "third").expect("written");
        write("rigs.toml", "[all]\nnmae = \"x\"\n").expect("written");
        assert_eq!(look(), None);
        let said = look().expect("said");
        assert!(
            said.contains("rigs.toml:2: there is no key nmae; did you mean name?"),
            "{said}"
        );
        assert!(
            said.ends_with("; goes on with what it served before"),
            "{said}"
        );
        assert_eq!((look(), length()), (None, Some(10)), "it is said once");

        write("rigs.toml", "[02]\nboot = false\n").expect("written");
        assert_eq!(look(), None);
        assert_eq!(
            look().as_deref(),
            Some("read again: serves x64.efi, rigs.toml: 1 section")
        );
        assert_eq!(length(), None, "it is not answered any more");
    }
}
