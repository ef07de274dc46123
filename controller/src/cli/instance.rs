//! One controller per data directory, and how commands find it.
//!
//! | file in the data directory | what |
//! |---|---|
//! | `controller.lock` | held (`flock`) by whoever has the registry open; freed by the kernel if it dies |
//! | `controller.http` | address of the REST API of the controller that serves; 0600 |
//!
//! A command takes the lock if it is free, and otherwise asks the holder over HTTP. The address file
//! of a controller that was killed stays behind; without the lock being held nobody looks at it.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miner_agent::cli::Failure;
use miner_agent::store::file::{self, Access};
use rustix::fs::{FlockOperation, flock};
use smol::Timer;

/// How long a command waits for another one that has the registry open, in steps.
const WAIT: (u32, Duration) = (50, Duration::from_millis(100));
/// Longest address file: `[` 39 `]:` 5 and a newline.
const MAX_ADDRESS_FILE: u64 = 64;

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
    Serving(SocketAddr),
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

    /// Tells commands where the API is. The file goes with [`Lock::silence`].
    pub(crate) fn announce(&self, http: SocketAddr) -> Result<(), Failure> {
        let text = format!("{http}\n");
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
            if let Some(address) = announced(folder)? {
                return Ok(Self::Serving(address));
            }
            Timer::after(WAIT.1).await;
        }
        Err(Failure::new(format!(
            "another command has {} open; try again when it is done",
            folder.display()
        )))
    }
}

/// The address that a serving controller wrote down, if one did.
pub(crate) fn announced(folder: &Path) -> Result<Option<SocketAddr>, Failure> {
    let path = address_file(folder);
    let Some(bytes) = file::read(&path, Access::Private, MAX_ADDRESS_FILE)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let address: Option<SocketAddr> = text.trim().parse().ok();
    // Never leave this machine because of what a file says.
    match address.filter(|address| address.ip().is_loopback()) {
        Some(address) => Ok(Some(address)),
        None => Err(Failure::new(format!(
            "{} does not hold a loopback address; remove it",
            path.display()
        ))),
    }
}

fn address_file(folder: &Path) -> PathBuf {
    folder.join("controller.http")
}

#[cfg(test)]
mod tests {
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
        let http: SocketAddr = "127.0.0.1:9090".parse().expect("valid");
        lock.announce(http).expect("written");
        assert!(matches!(find(folder.path()), Ok(Instance::Serving(a)) if a == http));
        lock.silence();
        assert!(announced(folder.path()).expect("readable").is_none());
    }

    #[test]
    fn an_address_left_behind_by_a_killed_controller_is_not_believed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let lock = Lock::take(folder.path()).expect("ours").expect("free");
        lock.announce("127.0.0.1:9090".parse().expect("valid"))
            .expect("written");
        drop(lock);
        assert!(matches!(find(folder.path()), Ok(Instance::Ours(_))));
    }

    #[test]
    fn an_address_elsewhere_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = address_file(folder.path());
        file::write(&path, b"192.0.2.1:80\n", Access::Private).expect("written");
        assert!(announced(folder.path()).is_err());
    }
}
