//! Discovery on the loopback network, whose port 5353 other programs may use at the same time.

use std::collections::BTreeMap;

use miner_agent::clock::Clock as AgentClock;
use miner_agent::lan::{self, Network};
use miner_agent::store::system_rng;
use miner_shared::identity::NodeKeys;
use miner_shared::mdns::Instance;

use super::*;

/// Long enough for an answer that a node's own announcement puts off by a second.
const LISTEN_MS: u64 = 1_500;

fn instance(name: &str, role: Role) -> Instance {
    Instance {
        name: Name::parse(name).expect("a name"),
        role,
        fingerprint: NodeKeys::generate(&mut system_rng()).fingerprint(),
        port: 9091,
    }
}

impl Fixture {
    fn announce(&self, instance: &Instance) -> Task<()> {
        let on = || vec![Network::LOOPBACK];
        let announced = lan::announce_on(instance.clone(), on, AgentClock::start());
        self.executor.spawn(announced)
    }

    /// What is found, by fingerprint: what it is called, where it is, and what the registry knows of it.
    async fn found(&self) -> BTreeMap<String, (String, String, &'static str)> {
        let view = self.farm.discover_on(&[Network::LOOPBACK], LISTEN_MS).await;
        let found = view.expect("found").found.into_iter();
        found
            .map(|node| (node.fingerprint, (node.name, node.address, node.registry)))
            .collect()
    }

    fn facts(&self) -> (Vec<String>, usize, usize, usize) {
        let peers = self.farm.peers().expect("listed");
        let peers = peers
            .into_iter()
            .map(|peer| format!("{} {}", peer.id, peer.name));
        (
            peers.collect(),
            self.farm.removed().len(),
            self.farm.waiting().len(),
            self.farm.events().0.len(),
        )
    }
}

#[test]
fn what_announces_itself_is_listed_and_nothing_of_it_is_enrolled() {
    with_farm(async |at| {
        let nodes = ["known", "removed", "new"].map(|name| instance(name, Role::Worker));
        for node in &nodes[..2] {
            let added = AddPeer {
                address: None,
                name: Some(node.name.clone()),
                proof: Proof::Fingerprint(node.fingerprint),
            };
            at.farm.add_peer(added).await.expect("added");
        }
        let removed = nodes[1].fingerprint.node_id();
        at.farm.remove_peer(removed, false).expect("removed");
        let own = Instance {
            fingerprint: at.farm.fingerprint(),
            ..instance("control-center", Role::Controller)
        };
        let _announced: Vec<_> = nodes
            .iter()
            .chain([&own])
            .map(|node| at.announce(node))
            .collect();
        let before = at.facts();

        let found = at.found().await;
        for node in &nodes {
            let (name, address, registry) = &found[&node.fingerprint.to_string()];
            assert_eq!(
                name, registry,
                "each is called what the registry says of it"
            );
            assert_eq!(address, "127.0.0.1:9091");
        }
        assert!(!found.contains_key(&own.fingerprint.to_string()), "itself");
        assert_eq!(at.facts(), before);
    });
}

#[test]
fn one_asks_the_network_at_a_time() {
    with_farm(async |at| {
        let ask = || at.farm.discover_on(&[Network::LOOPBACK], 50);
        let (first, second) = smol::future::zip(ask(), ask()).await;
        assert!(first.is_ok());
        assert_eq!(second.expect_err("refused").code, Code::ServiceUnavailable);
        assert!(ask().await.is_ok());
    });
}
