//! Verifies every share on a thread of its own, so that a hash never holds up the network.
//!
//! ```text
//!   connections ── Request ──▶ [bounded queue] ──▶ thread: re-key if the seed is new, hash, compare
//!        ▲                                                      │
//!        └──────────── (ticket, verdict), one channel each ◀────┘
//! ```
//!
//! A connection waits (and so does its miner) while the queue is full. The way back never blocks:
//! a connection's channel has room for every claim that it may have open.

use std::sync::Arc;
use std::{io, thread};

use miner_engine::{Cache, EngineError, HashEngine, Vm};
use miner_shared::mining::{Hash, SeedHash, Verdict};
use miner_shared::stratum::{Claim, Ticket};
use smol::channel::{Receiver, Sender, bounded};

/// Claims that wait for the thread, of all connections together.
const QUEUE: usize = 256;

/// The hash function of the pool.
pub(super) trait Verifier: Send + 'static {
    /// Gets ready for a seed ahead of its first share.
    fn prepare(&mut self, seed: &SeedHash);

    /// The hash of an input; `None` if it cannot be computed.
    fn hash(&mut self, seed: &SeedHash, input: &[u8]) -> Option<Hash>;
}

/// What the thread is asked.
#[derive(Debug)]
pub(super) enum Request {
    /// Shares of this seed will come.
    Prepare(SeedHash),
    /// Verify this and say so there.
    Verify(Box<Claim>, Sender<(Ticket, Verdict)>),
}

/// Starts the thread; it ends when the last sender is gone.
pub(super) fn start(verifier: Box<dyn Verifier>) -> io::Result<Sender<Request>> {
    let (sender, receiver) = bounded(QUEUE);
    thread::Builder::new()
        .name("practice-verify".into())
        .spawn(move || serve(verifier, &receiver))?;
    Ok(sender)
}

fn serve(mut verifier: Box<dyn Verifier>, requests: &Receiver<Request>) {
    while let Ok(request) = requests.recv_blocking() {
        match request {
            Request::Prepare(seed) => verifier.prepare(&seed),
            Request::Verify(claim, answers) => {
                let verdict = match verifier.hash(&claim.seed, claim.input.as_bytes()) {
                    Some(hash) if hash == claim.hash => Verdict::Accepted,
                    Some(_) => Verdict::Invalid,
                    None => Verdict::Refused,
                };
                // Fails only when the miner is gone.
                let _ = answers.try_send((claim.ticket, verdict));
            }
        }
    }
}

/// RandomX in light mode: 256 MiB from the first login on, some tens of hashes per second.
#[derive(Debug, Default)]
pub(super) struct LightVerifier {
    ready: Option<(SeedHash, Arc<Cache>, Vm)>,
}

impl LightVerifier {
    /// A machine for this seed. At a change of seed the memory is kept and keyed anew, in place.
    fn machine(&mut self, seed: &SeedHash) -> Result<&mut Vm, EngineError> {
        let ready = match self.ready.take() {
            Some(ready) if ready.0 == *seed => ready,
            other => {
                let kept = other.and_then(|(_, cache, vm)| {
                    // With its machine gone, the memory is ours alone.
                    drop(vm);
                    Arc::into_inner(cache)
                });
                let mut cache = kept.map_or_else(Cache::new, Ok)?;
                cache.key(seed);
                let cache = Arc::new(cache);
                let vm = Vm::light(&cache)?;
                (*seed, cache, vm)
            }
        };
        let (_, _, vm) = self.ready.insert(ready);
        Ok(vm)
    }
}

impl Verifier for LightVerifier {
    fn prepare(&mut self, seed: &SeedHash) {
        if let Err(error) = self.machine(seed) {
            log::error!("practice pool cannot verify shares: {error}");
        }
    }

    fn hash(&mut self, seed: &SeedHash, input: &[u8]) -> Option<Hash> {
        match self.machine(seed) {
            Ok(vm) => Some(vm.hash(input)),
            Err(error) => {
                log::error!("practice pool cannot verify a share: {error}");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_seed_gives_other_hashes_and_the_old_one_the_old_ones() {
        let mut verifier = LightVerifier::default();
        let mut hash = |seed| {
            verifier
                .hash(&SeedHash([seed; 32]), &[0; 76])
                .expect("memory")
        };
        let first = hash(1);
        assert_ne!(hash(2), first);
        assert_eq!(hash(1), first);
    }
}
