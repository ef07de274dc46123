//! Rigs that boot over the network: what a boot server tells of them, and whether they are linked by now.
//!
//! ```text
//!   pxe serve ── POST /boots: MAC, step ──▶ Boots, in memory ──┐
//!   rig ── Answer::Network: MACs ──▶ registry ─────────────────┴──▶ GET /boots: step, rig
//! ```
//! A boot server may be anywhere and is believed nothing: what it says is shown, and changes no rig.

use std::collections::BTreeMap;

use miner_shared::dhcp::Mac;
use miner_shared::identity::Fingerprint;
use miner_shared::text::Label;
use miner_shared::time::Millis;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Core, Farm};
use crate::clock::{EpochMs, Now};

/// Boots that are kept: one more makes the one forgotten that is without a step for longest.
pub const MAX_BOOTS: usize = 1_024;
/// How long a boot is kept after its last step, in milliseconds: a day.
pub const BOOT_KEPT_MS: u64 = 86_400_000;
/// Boots that one request tells of: 100 * about 200 bytes are far below what a body may have.
pub const MAX_REPORTED_BOOTS: usize = 100;

/// How far a rig has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum BootStep {
    /// It asked where to boot from.
    Seen,
    /// It was told of a file.
    Offered,
    /// It was told that there is none for it.
    Refused,
    /// It loads a file.
    Loading,
    /// It has all of a file.
    Loaded,
    /// It stopped loading a file.
    Failed,
    /// Its agent is linked.
    Linked,
}

/// What a boot server says of a rig.
#[derive(Clone, Debug)]
pub struct BootReport {
    /// The rig's network card.
    pub mac: Mac,
    /// Its last step.
    pub step: BootStep,
    /// The file that this is about.
    pub file: Option<Label>,
    /// Bytes of it that the rig has.
    pub bytes: Option<u64>,
    /// Bytes of it.
    pub size: Option<u64>,
    /// Why not, where a step says that something did not happen.
    pub reason: Option<Label>,
    /// Since the step, in milliseconds.
    pub age_ms: u64,
}

/// A rig that boots over the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BootView {
    /// Hardware address of its network card.
    pub mac: String,
    /// Its last step.
    pub step: BootStep,
    /// The file that this is about.
    pub file: Option<String>,
    /// Bytes of it that the rig has.
    pub bytes: Option<u64>,
    /// Bytes of it.
    pub size: Option<u64>,
    /// The one of the other, while that is known.
    pub percent: Option<u8>,
    /// Why not, where a step says that something did not happen.
    pub reason: Option<String>,
    /// When the step was.
    pub at: EpochMs,
    /// The same as an age, in milliseconds.
    pub age_ms: u64,
    /// Node ID of the peer that told of this address, the linked one or the last.
    pub rig_id: Option<String>,
    /// Its name.
    pub rig: Option<String>,
}

/// All boots, by address, and when they were told of.
#[derive(Debug, Default)]
pub(super) struct Boots(BTreeMap<Mac, (BootReport, Millis)>);

/// Since the last step, in milliseconds; also of one that was before this process.
const fn age_ms((report, told): &(BootReport, Millis), now: Millis) -> u64 {
    now.since(*told).saturating_add(report.age_ms)
}

impl Boots {
    fn note(&mut self, report: BootReport, now: Millis) {
        self.0.retain(|_, boot| age_ms(boot, now) <= BOOT_KEPT_MS);
        if self.0.len() >= MAX_BOOTS && !self.0.contains_key(&report.mac) {
            let oldest = self.0.iter().max_by_key(|(_, boot)| age_ms(boot, now));
            if let Some(oldest) = oldest.map(|(mac, _)| *mac) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(report.mac, (report, now));
    }
}

impl Farm {
    /// Takes what a boot server says.
    pub fn note_boots(&self, reports: Vec<BootReport>) {
        let now = self.clock.now().mono;
        let mut core = self.lock();
        for report in reports {
            core.boots.note(report, now);
        }
    }

    /// Rigs that boot over the network, by address.
    pub fn boots(&self) -> Vec<BootView> {
        let now = self.clock.now();
        let core = self.lock();
        let rigs = core.rigs_by_mac(now.mono);
        let boots = core.boots.0.values();
        let fresh = boots.filter(|boot| age_ms(boot, now.mono) <= BOOT_KEPT_MS);
        fresh
            .map(|boot| view(boot, rigs.get(&boot.0.mac), now))
            .collect()
    }
}

/// The peer with a network card.
struct Owner<'c> {
    key: &'c Fingerprint,
    name: &'c str,
    /// Since its link came up, if it is up, in milliseconds.
    linked_ms: Option<u64>,
}

impl Core {
    /// The peers that told of the addresses of boots. A rig without a disk is another peer at each start:
    /// the linked one counts, and of those the one that came last.
    fn rigs_by_mac(&self, now: Millis) -> BTreeMap<Mac, Owner<'_>> {
        let mut rigs: BTreeMap<Mac, Owner<'_>> = BTreeMap::new();
        if self.boots.0.is_empty() {
            return rigs;
        }
        let linked = |one: &Owner<'_>| one.linked_ms.unwrap_or(u64::MAX);
        for (key, row) in self.registry.peers() {
            let machine = self.registry.machine(key);
            for interface in machine.map_or(&[][..], |machine| &machine.interfaces) {
                let mac = Mac(interface.mac);
                if !self.boots.0.contains_key(&mac) {
                    continue;
                }
                let work = self.hub.rig(key).filter(|_| self.hub.is_live(key));
                let owner = Owner {
                    key,
                    name: row.name.as_str(),
                    linked_ms: work.and_then(|rig| rig.work().linked_ms(now)),
                };
                let is_better = |other: &Owner<'_>| linked(&owner) < linked(other);
                if rigs.get(&mac).is_none_or(is_better) {
                    rigs.insert(mac, owner);
                }
            }
        }
        rigs
    }
}

fn view(boot: &(BootReport, Millis), rig: Option<&Owner<'_>>, now: Now) -> BootView {
    let (report, told_ms) = (&boot.0, age_ms(boot, now.mono));
    // A link that is older than the step is that of the start before.
    let linked_ms = rig
        .and_then(|rig| rig.linked_ms)
        .filter(|ms| *ms <= told_ms);
    let (step, age_ms) = match linked_ms {
        Some(linked_ms) => (BootStep::Linked, linked_ms),
        None => (report.step, told_ms),
    };
    let is_linked = step == BootStep::Linked;
    let percent = match (report.bytes, report.size) {
        (Some(bytes), Some(size)) if size > 0 && !is_linked => {
            u8::try_from(bytes.saturating_mul(100) / size)
                .ok()
                .map(|percent| percent.min(100))
        }
        _ => None,
    };
    let text = |text: &Option<Label>| text.as_ref().map(|text| text.as_str().to_owned());
    BootView {
        mac: report.mac.to_string(),
        step,
        file: text(&report.file),
        bytes: report.bytes,
        size: report.size,
        percent,
        reason: text(&report.reason).filter(|_| !is_linked),
        at: EpochMs(now.wall.0.saturating_sub(age_ms)),
        age_ms,
        rig_id: rig.map(|rig| rig.key.node_id().to_string()),
        rig: rig.map(|rig| rig.name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(number: u16, age_ms: u64) -> BootReport {
        let [high, low] = number.to_be_bytes();
        BootReport {
            mac: Mac([2, 0, 0, 0, high, low]),
            step: BootStep::Loading,
            file: None,
            bytes: Some(30),
            size: Some(120),
            reason: None,
            age_ms,
        }
    }

    #[test]
    fn one_boot_too_many_makes_the_oldest_forgotten_and_a_day_all() {
        let mut boots = Boots::default();
        for number in 0..u16::try_from(MAX_BOOTS).expect("small") {
            boots.note(report(number, 0), Millis(number.into()));
        }
        boots.note(report(0, 0), Millis(5_000));
        boots.note(report(9_999, 0), Millis(6_000));
        assert_eq!(boots.0.len(), MAX_BOOTS);
        let has = |number| boots.0.contains_key(&report(number, 0).mac);
        assert!(has(0) && !has(1) && has(9_999));
        boots.note(report(1, 0), Millis(6_001 + BOOT_KEPT_MS));
        assert_eq!(boots.0.len(), 1);
    }

    #[test]
    fn a_link_counts_from_the_last_step_on() {
        let key = Fingerprint([7; 32]);
        let shown = |linked_ms| {
            let rig = Owner {
                key: &key,
                name: "rig-7",
                linked_ms,
            };
            let now = Now {
                mono: Millis(25_000),
                wall: EpochMs(1_700_000_000_000),
            };
            view(&(report(1, 5_000), Millis(10_000)), Some(&rig), now)
        };
        let linked = shown(Some(5_000));
        assert_eq!(
            (linked.step, linked.age_ms, linked.percent),
            (BootStep::Linked, 5_000, None)
        );
        assert_eq!(linked.rig.as_deref(), Some("rig-7"));
        for before in [Some(25_000), None] {
            let loading = shown(before);
            assert_eq!(
                (loading.step, loading.age_ms, loading.percent),
                (BootStep::Loading, 20_000, Some(25))
            );
        }
    }
}
