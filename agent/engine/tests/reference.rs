//! Whole hashes, against the reference implementation.
#![cfg(feature = "reference")]
#![expect(clippy::expect_used, reason = "these are tests")]

use std::env;
use std::sync::Arc;

use miner_engine::{Cache, HashEngine, Vm, reference};

/// Hashes of `inputs` inputs of changing lengths under each key.
fn compare(keys: u8, inputs: u32) {
    let mut ours = Arc::new(Cache::new().expect("memory"));
    let mut theirs = Arc::new(reference::Cache::new().expect("memory"));
    for key in 0..keys {
        let key = [b'k', key];
        Arc::get_mut(&mut ours).expect("no machine").key_bytes(&key);
        Arc::get_mut(&mut theirs)
            .expect("no machine")
            .key_bytes(&key);
        let mut ours = Vm::light(&ours).expect("memory");
        let mut theirs = reference::Vm::light(&theirs).expect("memory");
        for number in 0..inputs {
            let mut input = vec![0x5a; number as usize % 300];
            input.extend(number.to_le_bytes());
            assert_eq!(ours.hash(&input), theirs.hash(&input), "{key:?} {number}");
        }
    }
}

#[test]
fn hashes_are_those_of_the_reference() {
    compare(2, 40);
}

/// The slow form: `REFERENCE_HASHES=100000 cargo test -p miner-engine --features reference
/// --release -- --ignored`.
#[test]
#[ignore = "minutes: see docs/ENGINE.md"]
fn many_hashes_are_those_of_the_reference() {
    let inputs = env::var("REFERENCE_HASHES").ok();
    compare(
        4,
        inputs.and_then(|text| text.parse().ok()).unwrap_or(10_000),
    );
}
