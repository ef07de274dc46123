//! On the loopback network, whose port 5353 other programs may use at the same time.

use std::net::Ipv4Addr;
use std::time::Duration;

use miner_shared::identity::{NodeKeys, Role};
use miner_shared::limits::MAX_MDNS_PACKET;
use miner_shared::mdns::{Instance, QUERY};
use miner_shared::text::Name;
use smol::{Task, future};

use super::*;
use crate::clock::Clock;
use crate::store::system_rng;

fn instance() -> Instance {
    Instance {
        name: Name::parse("rig-alpha").expect("a name"),
        role: Role::Worker,
        fingerprint: NodeKeys::generate(&mut system_rng()).fingerprint(),
        port: 9091,
    }
}

fn loopback() -> Vec<Network> {
    vec![Network::LOOPBACK]
}

/// Runs `test`; fails it after 20 s.
fn run<T>(test: impl Future<Output = T>) -> T {
    let late = async {
        smol::Timer::after(Duration::from_secs(20)).await;
        panic!("the test hangs");
    };
    smol::block_on(future::or(test, late))
}

/// The next packet of which `pick` makes something.
async fn heard<T>(group: &Group, pick: impl Fn(&[u8], Ipv4Addr) -> Option<T>) -> T {
    let mut buffer = [0; MAX_MDNS_PACKET];
    loop {
        let (_, from, length) = group.receive(&mut buffer).await.expect("received");
        if let Some(picked) = pick(&buffer[..length], from) {
            return picked;
        }
    }
}

fn of(wanted: &Instance) -> impl Fn(&[u8], Ipv4Addr) -> Option<Ipv4Addr> {
    move |packet, from| (Instance::read(packet).as_ref() == Some(wanted)).then_some(from)
}

#[test]
fn a_node_announces_itself_answers_and_says_goodbye() {
    let executor = smol::LocalExecutor::new();
    run(executor.run(async {
        let group = Group::join(&loopback()).expect("joined");
        let node = instance();
        let task: Task<()> = executor.spawn(announce_on(node.clone(), loopback, Clock::start()));
        // Both announcements, so that the answer is one to the question.
        for _ in 0..2 {
            assert_eq!(heard(&group, of(&node)).await, Ipv4Addr::LOCALHOST);
        }
        group.send(&Network::LOOPBACK, QUERY).expect("asked");
        assert_eq!(heard(&group, of(&node)).await, Ipv4Addr::LOCALHOST);
        task.cancel().await;
        let id = node.fingerprint.node_id().to_string();
        // A life of 0 seconds; nothing else tells the packet from an announcement.
        heard(&group, |packet, _| {
            let ours = packet.windows(16).any(|part| part == id.as_bytes());
            let over = packet.get(34..38) == Some(&[0; 4]);
            (ours && over && Instance::read(packet).is_none()).then_some(())
        })
        .await;
    }));
}

#[test]
fn two_nodes_of_one_machine_share_the_port() {
    let executor = smol::LocalExecutor::new();
    run(executor.run(async {
        let group = Group::join(&loopback()).expect("joined");
        let nodes = [instance(), instance()];
        let _tasks = nodes
            .clone()
            .map(|node| executor.spawn(announce_on(node, loopback, Clock::start())));
        for node in &nodes {
            heard(&group, of(node)).await;
            group.send(&Network::LOOPBACK, QUERY).expect("asked");
        }
    }));
}

#[test]
fn what_listens_on_loopback_or_ipv6_alone_is_not_announced() {
    for listening in [
        "127.0.0.1:9091",
        "[::1]:9091",
        "[fe80::1]:9091",
        "192.0.2.255:9091",
    ] {
        let listening = listening.parse().expect("an address");
        assert_eq!(networks_of(listening), [], "{listening}");
    }
    let all = networks();
    assert!(all.iter().all(|network| !network.address.is_loopback()));
    for everywhere in ["0.0.0.0:9091", "[::]:9091"] {
        assert_eq!(networks_of(everywhere.parse().expect("an address")), all);
    }
    for network in all {
        let here = (network.address, 9091).into();
        assert!(networks_of(here).contains(&network));
        assert!(network.contains(network.address));
    }
}
