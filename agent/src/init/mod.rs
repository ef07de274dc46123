//! Process 1 of an image: a small supervisor with root's rights, and nothing else of the system.
//!
//! An image has no distribution and no shell: the kernel starts this program as its first process. It makes
//! the machine fit for work, then runs the rig as a second process of the same program, which has no
//! rights, and starts that one anew whenever it ends.
//!
//! ```text
//!  kernel ─▶ /init, process 1, root                                          worker, user 1000
//!            mounts ─▶ console ─▶ settings ─▶ huge pages ─▶ modules
//!              ├─ net       a card with a cable, DHCP or a fixed address, resolver, host name
//!              ├─ state     the volume FARMSTATE, else a folder in memory
//!              ├─ supervise once state, name and randomness are there ─▶ node serve --supervised FILE
//!              │            restart after 1 .. 30 s; ◀── exit code: start the machine anew, switch it off
//!              ├─ slots     what the worker fetched becomes the slot that starts next; confirms what works
//!              ├─ watchdog  petted while the worker gives signs of life ◀── report in FILE (crate::report)
//!              └─ console   a block of lines when something has changed ◀──┘
//! ```
//! | module | what it does | waits |
//! |---|---|---|
//! | [`mounts`] | `/dev`, `/proc`, `/sys`, `/run` | no |
//! | [`console`], [`screen`] | standard streams; what a person beside the machine reads | no |
//! | [`settings`] | words of the state volume, the image, the kernel's command line | no |
//! | [`hugepages`], [`modules`] | once, before anything takes memory | no |
//! | [`net`], [`dhcp`], [`resolver`], [`hostname`] | for ever: cables come and go, leases end | task |
//! | [`state`], [`volume`] | looks for the volume for 10 s | task |
//! | [`entropy`] | no key is made before the kernel's pool is seeded | task |
//! | [`watchdog`], [`supervise`], [`worker`] | for ever | task |
//! | [`slots`] | for ever, on a disk image; what is slow in a thread of its own | task |
//!
//! Rules:
//! * It never ends and never panics: the kernel stops with process 1. What fails is logged, and the next
//!   step goes on without it. Should it panic all the same, the machine starts anew.
//! * It opens no port, and takes nothing from the network but DHCP answers. What the worker asks for is an exit
//!   code, what it tells a record of fixed length; of its files only those of an update are read, of which the
//!   release key's signature says what they are.
//! * Nothing here waits in the way of something else: each wait is a task of one thread.
//! * The system's folders hang off [`Root`], so that tests run over a folder of their own.

mod address;
mod console;
mod dhcp;
mod entropy;
mod hostname;
mod hugepages;
mod modules;
mod mounts;
mod net;
mod resolver;
mod screen;
mod settings;
mod slots;
mod state;
mod supervise;
mod volume;
mod watchdog;
mod worker;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;

use log::{LevelFilter, error, info, warn};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::system::{RebootCommand, reboot};

use crate::clock::Clock;
use crate::platform::machine::{self, MachineEnd};
use crate::{logger, platform};
use supervise::Supervisor;

/// What the kernel calls the program that it starts from an image.
const INIT: &str = "/init";

/// Whether the kernel started this program as the first process of an image. In a container a program has
/// number 1 as well, under a name of its own, and is a program like any other.
pub fn is_first_process() -> bool {
    let called = std::env::args_os().next();
    rustix::process::getpid().is_init() && called.is_some_and(|name| name == INIT)
}

/// The work of the first process. Never returns.
pub fn run() -> ! {
    let root = Root::system();
    let mounted = mounts::mount_all(&root);
    console::reopen(&root);
    let clock = Clock::start();
    logger::start(LevelFilter::Info, clock);
    start_anew_on_panic();
    info!(
        "miner {} is process 1 on {} uptime_ms={}",
        env!("CARGO_PKG_VERSION"),
        platform::host(),
        platform::uptime_ms().unwrap_or_default()
    );
    for (what, error) in mounted {
        error!("not mounted: {what}: {error}");
    }
    set_limits(&root);
    let settings = settings::read(&root, None);
    hugepages::reserve(&root, settings.hugepages());
    modules::load_all(&root);
    let supervisor = Rc::new(Supervisor::new(root, settings, clock));
    loop {
        // It does not return; if it should, it goes on.
        Rc::clone(&supervisor).run();
    }
}

/// Limits of this process and of those that it starts.
fn set_limits(root: &Root) {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let all = Rlimit {
        current: None,
        maximum: None,
    };
    // A core would hold the key; RandomX locks its memory.
    for (resource, limit) in [(Resource::Core, none), (Resource::Memlock, all)] {
        if let Err(error) = setrlimit(resource, limit) {
            warn!("limit not set: {resource:?}: {error}");
        }
    }
    // The machine does not live without this process.
    if let Err(error) = std::fs::write(root.at("proc/self/oom_score_adj"), "-1000") {
        warn!("the kernel may end process 1 where memory is short: {error}");
    }
    // Ctrl-Alt-Del becomes SIGINT to process 1.
    if let Err(error) = reboot(RebootCommand::CadOff) {
        warn!("Ctrl-Alt-Del restarts the machine at once: {error}");
    }
}

/// A defect must not stop the machine for ever: it says what happened and starts anew.
fn start_anew_on_panic() {
    std::panic::set_hook(Box::new(|what| {
        error!("process 1: {what}; the machine starts anew");
        let error = machine::end(MachineEnd::Reboot);
        error!("the machine goes on: {error}");
        loop {
            thread::park();
        }
    }));
}

/// Where the system's folders are: `/`, or a folder of a test.
#[derive(Clone, Debug)]
struct Root(PathBuf);

impl Root {
    fn system() -> Self {
        Self(PathBuf::from("/"))
    }

    /// A file or folder, such as `proc/cmdline`.
    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// The text of a small file, without white space at both ends.
    fn text(&self, path: &str) -> Option<String> {
        text(&self.at(path))
    }
}

/// The text of a small file of the kernel, without white space at both ends.
fn text(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
impl Root {
    /// Over a folder with these files.
    fn with(files: &[(&str, &str)]) -> (tempfile::TempDir, Self) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Self(folder.path().to_owned());
        for (path, text) in files {
            let path = root.at(path);
            let parent = path.parent().expect("below the root");
            std::fs::create_dir_all(parent).expect("made");
            std::fs::write(path, text).expect("written");
        }
        (folder, root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_not_the_first_process() {
        assert!(!is_first_process());
    }
}
