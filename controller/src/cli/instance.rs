//! One controller per data directory, and how commands find it.
//!
//! | file in the data directory | what |
//! |---|---|
//! | `controller.lock` | held (`flock`) by whoever has the registry open; freed by the kernel if it dies |
//! | `controller.http` | `ADDRESS TOKEN [PIN]`: where the controller that serves has its API, the token of its run, and with TLS the pin of its key; 0600 |
//!
//! A command takes the lock if it is free, and otherwise asks the holder over HTTP, as the owner: who can
//! read the file can read the controller's key beside it too. The token is good while that process runs.
//! The file of a controller that was killed stays behind; without the lock being held nobody looks at it.
//! A command that finds a pin there speaks TLS, with the holder of that key and nobody else.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miner_agent::cli::Failure;
use miner_agent::store::file::{self, Access};
use miner_agent::tls::SpkiPin;
use rustix::fs::{FlockOperation, flock};
use smol::Timer;
use zeroize::Zeroizing;

use crate::access::ApiToken;

/// How long a command waits for another one that has the registry open, in steps.
const WAIT: (u32, Duration) = (50, Duration::from_millis(100));
/// Longest address file: `[` 39 `]:` 5, a token of 70, a pin of 51, two spaces and a newline: 171.
const MAX_ADDRESS_FILE: u64 = 192;

/// The data directory is ours while this lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
    folder: PathBuf,
}

/// Whose a data directory is.
#[derive(Debug)]
pub(crate) enum Instance {
    /// Ours now.
    Ours(Lock),
    /// A controller serves it here.
    Serving(Announced),
}

/// What a serving controller tells commands of the same owner.
#[derive(Clone, Debug)]
pub(crate) struct Announced {
    pub(crate) at: ApiAt,
    /// The token of its run.
    pub(crate) token: ApiToken,
}

#[cfg(test)]
impl Announced {
    /// With a token of its own.
    pub(crate) fn of(at: ApiAt) -> Self {
        let token = ApiToken::generate(&mut miner_agent::store::system_rng());
        Self { at, token }
    }
}

/// Where a REST API is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApiAt {
    pub(crate) address: SocketAddr,
    /// The key that it proves, if it speaks TLS.
    pub(crate) tls: Option<SpkiPin>,
}

/// As a URL.
impl fmt::Display for ApiAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}/", self.address)
    }
}

impl Lock {
    /// The lock, if nobody holds it; `None` if somebody does.
    pub(crate) fn take(folder: &Path) -> Result<Option<Self>, Failure> {
        let path = folder.join("controller.lock");
        let failed = |error: io::Error| Failure::new(format!("{}: {error}", path.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self {
                _file: file,
                folder: folder.to_owned(),
            })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    /// The data directory that the lock guards.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Tells commands where the API is and how to be heard. The file goes with [`Lock::silence`].
    pub(crate) fn announce(&self, api: &Announced) -> Result<(), Failure> {
        let Announced { at, token } = api;
        let text = Zeroizing::new(match at.tls {
            Some(pin) => format!("{} {token} {pin}\n", at.address),
            None => format!("{} {token}\n", at.address),
        });
        Ok(file::write(
            &address_file(&self.folder),
            text.as_bytes(),
            Access::Private,
        )?)
    }

    /// Takes the address back.
    pub(crate) fn silence(&self) {
        if let Err(error) = file::remove(&address_file(&self.folder)) {
            log::warn!("address file not removed error={error}");
        }
    }
}

impl Instance {
    /// Takes the directory, or finds who serves it. Waits 5 s for a command that only passes by.
    pub(crate) async fn find(folder: &Path) -> Result<Self, Failure> {
        for _ in 0..WAIT.0 {
            if let Some(lock) = Lock::take(folder)? {
                return Ok(Self::Ours(lock));
            }
            if let Some(api) = announced(folder)? {
                return Ok(Self::Serving(api));
            }
            Timer::after(WAIT.1).await;
        }
        Err(Failure::new(format!(
            "another command has {} open; try again when it is done",
            folder.display()
        )))
    }
}

/// What a serving controller wrote down, if one did.
pub(crate) fn announced(folder: &Path) -> Result<Option<Announced>, Failure> {
    let path = address_file(folder);
    let Some(bytes) = file::read(&path, Access::Private, MAX_ADDRESS_FILE)? else {
        return Ok(None);
    };
    let bytes = Zeroizing::new(bytes);
    let api = std::str::from_utf8(&bytes).ok().and_then(read);
    // Never leave this machine because of what a file says.
    match api.filter(|api| is_here(api.at.address.ip())) {
        Some(api) => Ok(Some(api)),
        None => Err(Failure::new(format!(
            "{} does not hold an address of this machine and a token; remove it",
            path.display()
        ))),
    }
}

fn read(text: &str) -> Option<Announced> {
    let mut words = text.split_ascii_whitespace();
    let (address, token, pin) = (words.next()?, words.next()?, words.next());
    let at = ApiAt {
        address: address.parse().ok()?,
        tls: pin.map(str::parse).transpose().ok()?,
    };
    let token = token.parse().ok()?;
    words.next().is_none().then_some(Announced { at, token })
}

/// Whether this machine has the address: only then can a socket be bound to it.
fn is_here(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

fn address_file(folder: &Path) -> PathBuf {
    folder.join("controller.http")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use miner_agent::store::system_rng;

    use super::*;

    fn find(folder: &Path) -> Result<Instance, Failure> {
        smol::block_on(Instance::find(folder))
    }

    #[test]
    fn a_directory_belongs_to_one_process_at_a_time() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let lock = Lock::take(folder.path()).expect("ours").expect("free");
        assert!(Lock::take(folder.path()).expect("readable").is_none());
        drop(lock);
        assert!(Lock::take(folder.path()).expect("readable").is_some());
    }

    #[test]
    fn a_serving_controller_is_found_by_its_address() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let lock = Lock::take(folder.path()).expect("ours").expect("free");
        let address = "[::1]:65535".parse().expect("valid");
        let pin = "ff".repeat(32).parse().expect("valid");
        for tls in [None, Some(pin)] {
            let api = Announced::of(ApiAt { address, tls });
            lock.announce(&api).expect("written");
            let Ok(Instance::Serving(found)) = find(folder.path()) else {
                panic!("not found");
            };
            assert_eq!(found.at, api.at);
            assert_eq!(found.token.hash(), api.token.hash());
        }
        let mode = std::fs::metadata(address_file(folder.path())).expect("there");
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "it holds a token");
        lock.silence();
        assert!(announced(folder.path()).expect("readable").is_none());
    }

    #[test]
    fn an_address_left_behind_by_a_killed_controller_is_not_believed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let lock = Lock::take(folder.path()).expect("ours").expect("free");
        let address = "127.0.0.1:9090".parse().expect("valid");
        lock.announce(&Announced::of(ApiAt { address, tls: None }))
            .expect("written");
        drop(lock);
        assert!(matches!(find(folder.path()), Ok(Instance::Ours(_))));
    }

    #[test]
    fn an_address_elsewhere_and_a_token_or_pin_that_is_none_are_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = address_file(folder.path());
        let token = ApiToken::generate(&mut system_rng());
        for text in [
            format!("192.0.2.1:80 {token}\n"),
            format!("127.0.0.1:80 {token} sha256/\n"),
            format!("127.0.0.1:80 {token} any\n"),
            format!("127.0.0.1:80 {token} {} x\n", "ff".repeat(32)),
            "127.0.0.1:80 mct_any\n".to_owned(),
            "127.0.0.1:80\n".to_owned(),
        ] {
            file::write(&path, text.as_bytes(), Access::Private).expect("written");
            assert!(announced(folder.path()).is_err(), "{text}");
        }
    }
}
