//! All simulated rigs: one thread, a task each, until dropped.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use miner_shared::identity::Fingerprint;
use smol::channel::{Receiver, Sender, bounded};
use smol::{LocalExecutor, future};

use super::super::connect::node;
use super::Processors;
use super::mixed;
use super::rig::{Rig, Site};
use super::tally::Tally;

/// Rigs that run.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) tally: Arc<Tally>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Switches so many rigs on, all at the same moment. They come from so many addresses.
    pub(super) fn start(
        rigs: u32,
        sources: u32,
        to: SocketAddr,
        controller: Fingerprint,
        processors: Processors,
        mixed: bool,
    ) -> Self {
        // Their keys take a moment to make: before the clock starts.
        let all: Vec<_> = (0..rigs)
            .filter(|n| !(mixed && mixed::is_off(*n)))
            .map(|n| Rig::new(n, source(n % sources.max(1)), node(n.into(), &name(n))))
            .collect();
        let tally = Arc::new(Tally::new(rigs));
        let site = Site {
            to,
            controller,
            tally: Arc::clone(&tally),
            mixed,
        };
        let (stop, stopped) = bounded(1);
        let thread = thread::spawn(move || {
            processors.for_rigs();
            run(all, &site, &stopped);
        });
        Self {
            tally,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

fn run(rigs: Vec<Rig>, site: &Site, stopped: &Receiver<()>) {
    let executor = LocalExecutor::new();
    for rig in rigs {
        executor.spawn(rig.live(site)).detach();
    }
    let end = async {
        // Nobody sends: it ends when the crowd is dropped.
        let _closed = stopped.recv().await;
    };
    future::block_on(executor.run(end));
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ended = thread.join();
        }
    }
}

/// The name of the rig of this number.
pub(super) fn name(number: u32) -> String {
    format!("rig-{number:05}")
}

/// The loopback address of this number: 127.64.0.1 and on, which nobody else of the tests uses.
pub(super) fn source(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x7f40_0001 + n)
}
