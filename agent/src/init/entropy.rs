//! Waiting until the kernel's random pool is seeded: a key made before could be guessed.
//!
//! A kernel without a source of randomness makes its own from the jitter of its clock, but only while
//! somebody waits in getrandom(2). So a thread waits there, and process 1 goes on meanwhile.

use std::thread;

use log::{info, warn};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use smol::channel::bounded;

use crate::clock::Clock;

/// Returns once the kernel gives random bytes.
pub(super) async fn seeded(clock: Clock) {
    let begun = clock.now();
    let (sender, waited) = bounded::<()>(1);
    let started = thread::Builder::new().spawn(move || {
        wait();
        drop(sender);
    });
    match started {
        // The channel closes when the wait is over: nothing is ever sent.
        Ok(_) => drop(waited.recv().await),
        Err(error) => {
            warn!("waiting for randomness without a thread: {error}");
            wait();
        }
    }
    info!("randomness is there waited_ms={}", clock.now().since(begun));
}

/// A kernel without the call has seeded its pool long ago, or the worker waits by itself.
fn wait() {
    let mut byte = [0_u8];
    while getrandom(&mut byte, GetRandomFlags::empty()) == Err(Errno::INTR) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_runs_tests_has_randomness() {
        smol::block_on(seeded(Clock::start()));
    }
}
