//! What a signature costs: each message of the link carries one.
//!
//! `cargo run --release -p farm-tests --example signatures` prints microseconds of processor time.

use std::hint::black_box;

use ed25519_dalek::SigningKey;
use miner_shared::crypto::{Ed25519Key, ed25519_sign, ed25519_verify};
use rustix::time::{ClockId, clock_gettime};

/// Signatures in one round, and rounds, of which the quickest counts.
const SIGNATURES: u32 = 2_000;
const ROUNDS: u32 = 5;
/// A report of statistics, about.
const MESSAGE: [u8; 256] = [0x5a; 256];

fn main() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = key.verifying_key().to_bytes();
    let parts: &[&[u8]] = &[&MESSAGE];
    let signature = ed25519_sign(&key, parts);
    let Some(prepared) = Ed25519Key::new(&public) else {
        return;
    };

    println!(
        "sign                        {:6.1}",
        costs(|| {
            black_box(ed25519_sign(&key, parts));
        })
    );
    println!(
        "verify, key at hand         {:6.1}",
        costs(|| {
            black_box(prepared.verify(parts, &signature));
        })
    );
    println!(
        "verify, key worked out anew {:6.1}",
        costs(|| {
            black_box(ed25519_verify(&public, parts, &signature));
        })
    );
}

/// Microseconds of this process for one call.
fn costs(work: impl Fn()) -> f64 {
    let round = |_| {
        let before = processor_us();
        (0..SIGNATURES).for_each(|_| work());
        processor_us() - before
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min) / f64::from(SIGNATURES)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of minutes")]
fn processor_us() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
