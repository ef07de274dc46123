//! Farms to render in tests.

use super::Fleet;
use crate::clock::EpochMs;
use crate::farm::{
    ActivityView, DesiredStatus, DesiredView, ExchangesView, IdentityView, NodeInfoView, PeerView,
};

/// A farm of this many rigs; they cycle through the states.
pub(crate) fn fleet(rigs: u16) -> Fleet {
    let peers: Vec<PeerView> = (0..rigs).map(rig).collect();
    Fleet::new(info("control-center"), &peers)
}

/// A farm in which every text tries to become markup.
pub(crate) fn hostile() -> Fleet {
    const TEXT: &str = "<script>alert(1)</script>\" onmouseover=\"alert(2)";
    let mut peer = rig(0);
    peer.name = TEXT.to_owned();
    peer.id = TEXT.to_owned();
    peer.address = Some(TEXT.to_owned());
    peer.desired.status = DesiredStatus::Refused;
    peer.desired.reason = Some(TEXT.to_owned());
    let mut info = info(TEXT);
    info.listen = Some(TEXT.to_owned());
    Fleet::new(info, &[peer])
}

pub(crate) fn info(name: &str) -> NodeInfoView {
    NodeInfoView {
        has_identity: true,
        identity: IdentityView {
            id: "0123456789abcdef".to_owned(),
            name: name.to_owned(),
            public_key: "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=".to_owned(),
            fingerprint: "ABCD EFGH JKMN PQRS TVWX YZ01 2345 6789 ABCD EFGH JKMN PQRS TVWX YZ"
                .to_owned(),
            role: "dual",
        },
        registered_peers: 0,
        connected_peers: 0,
        statements: 0,
        listen: Some("0.0.0.0:9091".to_owned()),
        uptime: 5,
        orders_lost: 0,
        schema: 1,
    }
}

/// A mining rig; each number in a cycle of eight is in another state.
pub(crate) fn rig(number: u16) -> PeerView {
    let mut peer = mining(number);
    match number % 8 {
        3 => activity(&mut peer, "filling", Some(42)),
        4 => offline(&mut peer),
        5 => activity(&mut peer, "noPool", None),
        6 => activity(&mut peer, "stopped", None),
        7 => never_seen(&mut peer),
        _ => {}
    }
    peer
}

fn mining(number: u16) -> PeerView {
    PeerView {
        id: format!("{number:016x}"),
        name: format!("rig-{number:03}"),
        public_key: None,
        fingerprint: "ABCD EFGH".to_owned(),
        address: Some(format!("192.168.1.{}:9091", number % 250)),
        role: Some("worker"),
        trust: "pairing",
        token: None,
        group: None,
        site: None,
        tags: Vec::new(),
        ephemeral: false,
        added_at: EpochMs(1_700_000_000_000),
        last_seen: Some(EpochMs(1_700_000_100_000)),
        last_seen_age_ms: Some(2_000 + u64::from(number) * 100),
        ping_ms: Some(u64::from(number % 5) * 60),
        score: Some(100 - u8::try_from(number % 60).unwrap_or(0)),
        exchanges: ExchangesView {
            succeeded: 19,
            failed: 1,
            timed_out: 0,
        },
        connected: true,
        software: Some("miner 0.1.0".to_owned()),
        host: Some("linux x86_64".to_owned()),
        cpu_model: None,
        cpus: None,
        memory_mib: None,
        image: None,
        recovery: None,
        desired: DesiredView {
            generation: 3,
            profile: Some("my-profile".to_owned()),
            version: Some(1),
            applied_generation: Some(3),
            status: DesiredStatus::Applied,
            reason: None,
            paused: false,
            drift: Some(false),
        },
        activity: Some(ActivityView {
            state: "mining",
            percent: None,
            left_ms: None,
        }),
        hashrate: Some(1_000.0 + f64::from(number) * 123.4),
        shares: Some(u64::from(number) * 17),
        memory: Some("fast"),
        age_ms: Some(2_000),
    }
}

fn activity(peer: &mut PeerView, state: &'static str, percent: Option<u8>) {
    peer.activity = Some(ActivityView {
        state,
        percent,
        left_ms: percent.map(|_| 61_000),
    });
    if percent.is_none() {
        peer.hashrate = None;
    }
}

fn offline(peer: &mut PeerView) {
    peer.connected = false;
    peer.last_seen_age_ms = Some(14 * 60_000);
    peer.age_ms = Some(14 * 60_000);
    peer.score = Some(40);
}

fn never_seen(peer: &mut PeerView) {
    peer.connected = false;
    peer.last_seen = None;
    peer.last_seen_age_ms = None;
    peer.ping_ms = None;
    peer.score = None;
    peer.activity = None;
    peer.hashrate = None;
    peer.shares = None;
    peer.memory = None;
    peer.age_ms = None;
    peer.role = None;
    peer.address = None;
}
