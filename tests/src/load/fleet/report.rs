//! What a simulated rig reports: figures as a real one has, that follow from its number and its uptime.

use miner_shared::text::{Address, Label, MinerName, Name};
use miner_shared::wire::{
    Activity, Algo, Backend, Memory, MinerStats, NodeCard, NodeInfo, Pages, RigStats, Windows,
};

/// Between two accepted shares of a rig, in milliseconds, if it is an average one.
const SHARE_MS: u64 = 30_000;

/// Statistics of the rig of this number.
pub(super) fn stats(
    number: u32,
    uptime_ms: u64,
    generation: u64,
    profile: Option<&Name>,
) -> RigStats {
    let mut miners = heapless::Vec::new();
    if profile.is_some() {
        // There is room for four.
        let _full = miners.push(miner(number, uptime_ms));
    }
    RigStats {
        uptime_ms,
        generation,
        profile: profile.cloned(),
        activity: match profile {
            Some(_) => Activity::Mining,
            None => Activity::Stopped,
        },
        miners,
        logs_lost: 0,
    }
}

/// The machine of the rig of this number.
pub(super) fn info(number: u32, card: NodeCard) -> NodeInfo {
    let models = [
        "AMD Ryzen 9 5950X 16-Core Processor",
        "AMD EPYC 7742 64-Core Processor",
    ];
    let model = if number.is_multiple_of(3) {
        models[1]
    } else {
        models[0]
    };
    NodeInfo {
        card,
        cpus: 1 + u16::try_from(number % 32).unwrap_or_default(),
        cpu_model: Label::lossy(model),
        memory_mib: Some(16_384),
        uptime_ms: 0,
    }
}

fn miner(number: u32, uptime_ms: u64) -> MinerStats {
    // From a small board to a large desktop, in thousandths of a hash per second.
    let rate = 500_000 + u64::from(number % 97) * 150_000;
    let over = |window_ms: u64| {
        (uptime_ms >= window_ms).then(|| rate + wobble(number, uptime_ms / window_ms))
    };
    let share_ms = SHARE_MS + u64::from(number % 31) * 1_000;
    MinerStats {
        name: MinerName::parse("miner-rx0").expect("a name of ours"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        threads: 1 + u16::try_from(number % 32).unwrap_or_default(),
        memory: Some(Memory::Fast),
        pages: Some(Pages::Huge2M),
        hashrate: Windows {
            s10: over(10_000),
            s60: over(60_000),
            m15: over(900_000),
            highest: over(10_000).map(|rate| rate + 5_000),
        },
        hashes: rate / 1_000 * (uptime_ms / 1_000),
        accepted: uptime_ms / share_ms,
        rejected: 0,
        stale: uptime_ms / (200 * share_ms),
        lost: 0,
        last_share_ms: (uptime_ms >= share_ms).then(|| uptime_ms % share_ms),
        uptime_ms,
        pool: Some(Address::parse("pool.example:3333").expect("an address of ours")),
        difficulty: Some(rate / 1_000 * (share_ms / 1_000)),
    }
}

/// Some hundredths more or less, the same in every run.
fn wobble(number: u32, step: u64) -> u64 {
    let mixed = (u64::from(number) << 32 | step).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed >> 50
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_rig_at_the_same_time_reports_the_same() {
        let profile = Name::parse("rx").expect("a name");
        let report = |number, ms| stats(number, ms, 1, Some(&profile));
        assert_eq!(report(7, 61_000), report(7, 61_000));
        assert_ne!(report(7, 61_000), report(8, 61_000));
        assert_ne!(report(7, 61_000), report(7, 71_000));
    }

    #[test]
    fn a_rig_without_a_profile_has_no_miner() {
        let report = stats(7, 61_000, 2, None);
        assert!(report.miners.is_empty() && report.activity == Activity::Stopped);
    }
}
