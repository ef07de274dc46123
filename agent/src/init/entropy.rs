//! Waiting until the kernel's random pool is seeded: a key made before could be guessed.
//!
//! getrandom(2) without flags would wait as well, but with it everything else that process 1 does.

use log::{info, warn};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::clock::Clock;

/// Between two looks, in milliseconds.
const LOOK_MS: u64 = 100;
/// After which time the wait is worth a line, in milliseconds.
const LONG_MS: u64 = 5_000;

/// Returns once the kernel gives random bytes.
pub(super) async fn seeded(clock: Clock) {
    let begun = clock.now();
    let mut said = false;
    while !is_seeded() {
        if !said && clock.now().since(begun) >= LONG_MS {
            said = true;
            warn!("waiting for randomness: no key is made before the kernel has enough");
        }
        clock.timer_at(clock.now() + LOOK_MS).await;
    }
    info!("randomness is there waited_ms={}", clock.now().since(begun));
}

fn is_seeded() -> bool {
    let mut byte = [0_u8];
    match getrandom(&mut byte, GetRandomFlags::NONBLOCK) {
        Ok(_) => true,
        // A kernel without the call has seeded its pool long ago, or the worker waits by itself.
        Err(error) => error != Errno::AGAIN && error != Errno::INTR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_runs_tests_has_randomness() {
        smol::block_on(seeded(Clock::start()));
    }
}
