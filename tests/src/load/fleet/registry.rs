//! The registry that the controller finds: rigs that were enrolled long ago, and a way to mine.

use std::net::Ipv4Addr;

use miner_agent::store::Dirs;
use miner_ctrl::registry::{
    Change, Durable, KnownSource, PeerRecord, RedbStore, Store as _, Trust,
};
use miner_shared::gate::source_of;
use miner_shared::limits::KNOWN_SOURCE_MS;
use miner_shared::text::Name;

use super::super::connect::node;
use super::crowd::name;
use crate::home::Home;

/// Rows that one batch writes.
const BATCH: u32 = 1_000;

/// Registers these rigs before the controller starts, all as by a token, none with a label. The addresses
/// are remembered as those that rigs came from lately.
pub(super) fn write(home: &Home, rigs: u32, known: &[Ipv4Addr]) -> Result<(), String> {
    let dirs = Dirs::at(&home.path().join("config"), &home.path().join("data"));
    let failed = |error: &dyn std::fmt::Display| format!("registry not written: {error}");
    let mut store = RedbStore::open(dirs.data()).map_err(|error| failed(&error))?;
    for first in (0..rigs).step_by(BATCH.try_into().unwrap_or(1)) {
        let batch: Vec<_> = (first..rigs.min(first + BATCH)).map(registered).collect();
        store
            .commit(&batch, Durable::Now)
            .map_err(|error| failed(&error))?;
    }
    let known = known.iter().map(|address| KnownSource {
        source: source_of((*address).into()),
        left_ms: KNOWN_SOURCE_MS,
    });
    let known = Change::PutSources(known.collect());
    store
        .commit(&[known], Durable::Now)
        .map_err(|error| failed(&error))
}

fn registered(number: u32) -> Change {
    let name = name(number);
    let key = node(number.into(), &name).fingerprint();
    let row = PeerRecord {
        name: Name::parse(&name).expect("a name of ours"),
        address: None,
        trust: Trust::Token,
        added_at_ms: 0,
        last_seen_ms: None,
        told: None,
    };
    Change::PutPeer(key, row)
}
