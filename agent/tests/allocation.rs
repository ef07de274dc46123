//! The loop of the hash threads allocates nothing. This file has one test, since it counts what the
//! whole process allocates.
#![expect(clippy::expect_used, clippy::panic, reason = "these are tests")]
#![expect(unsafe_code, reason = "an allocator that counts")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use common::{clock, config, job, wait_until};
use miner_agent::mining::Miner;
use miner_shared::wire::Mode;

struct Counting(AtomicU64);

#[global_allocator]
static ALLOCATIONS: Counting = Counting(AtomicU64::new(0));

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[test]
fn hashing_and_finding_shares_allocates_nothing() {
    let miner = Miner::start(config(Mode::Light), clock()).expect("a thread");
    // Every hash is a share: the queue fills, and then shares are lost.
    miner.set_job(&job("a", 1, 1));
    let start = wait_until(&miner, |snapshot| snapshot.hashes > 4);
    let allocated = || ALLOCATIONS.0.load(Ordering::Relaxed);
    let before = allocated();
    assert!(before > 0, "it counts");
    let end = wait_until(&miner, |snapshot| snapshot.hashes > start.hashes + 80);
    assert_eq!(allocated() - before, 0);
    assert!(start.shares_lost == 0 && end.shares_lost > 0);
}
