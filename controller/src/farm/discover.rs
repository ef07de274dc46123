//! Who announces itself on the local network, for a person to compare and add.
//!
//! What answers is believed nothing: the list is bounded, its texts are of checked types, an address
//! is where the packet came from, and neither registry nor rigs hear of any of it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use miner_agent::lan::{Group, Network, networks};
use miner_shared::identity::Fingerprint;
use miner_shared::limits::{MAX_DISCOVERED, MAX_MDNS_PACKET};
use miner_shared::mdns::{Instance, QUERY};
use serde::Serialize;
use utoipa::ToSchema;

use super::Farm;
use crate::error::{Code, FarmError};
use crate::registry::Registry;

/// How long to listen, in seconds; what a caller gets who does not say, and the most.
pub const DISCOVER_SECS: (u64, u64) = (3, 30);
/// When the question is sent, in milliseconds from the start: a packet may get lost, and who has just
/// spoken answers no sooner than a second later.
const ASKED_AT_MS: [u64; 2] = [0, 1_000];

/// What announced itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DiscoveryView {
    /// By name; a key that is at two addresses is there twice.
    pub found: Vec<FoundView>,
    /// Nodes that answered when the list was full.
    pub lost: u64,
}

/// A node as it announces itself. Nothing of it is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FoundView {
    /// Name that it gives itself, 46 characters at most.
    pub name: String,
    /// `controller`, `worker` or `dual`.
    pub role: &'static str,
    /// Where its answer came from, and the port that it names.
    pub address: String,
    /// Node ID.
    pub id: String,
    /// Fingerprint, to be compared with what the node's own console shows.
    pub fingerprint: String,
    /// What this farm knows of that key: `known`, `waiting`, `removed` or `new`.
    pub registry: &'static str,
}

impl Farm {
    /// Asks the local network for `secs` who is there; at most [`DISCOVER_SECS`].
    pub async fn discover(&self, secs: u64) -> Result<DiscoveryView, FarmError> {
        if !(1..=DISCOVER_SECS.1).contains(&secs) {
            let message = format!("seconds are 1 to {}", DISCOVER_SECS.1);
            return Err(FarmError::new(Code::InvalidInput, message).field("seconds"));
        }
        let networks = networks();
        if networks.is_empty() {
            let message = "this machine is on no local network with IPv4";
            return Err(FarmError::new(Code::ServiceUnavailable, message));
        }
        self.discover_on(&networks, secs * 1_000).await
    }

    /// As [`Farm::discover`], on these networks.
    pub(super) async fn discover_on(
        &self,
        networks: &[Network],
        ms: u64,
    ) -> Result<DiscoveryView, FarmError> {
        let Some(_only) = self.discovering.try_lock() else {
            let message = "someone else is asking the network at this moment";
            return Err(FarmError::new(Code::ServiceUnavailable, message));
        };
        let group = Group::join(networks).map_err(|error| {
            let message = format!("UDP port 5353 cannot be had: {error}");
            FarmError::new(Code::ServiceUnavailable, message)
        })?;
        let mut found = Found::default();
        let asking = async {
            let start = self.clock.now().mono;
            for at in ASKED_AT_MS {
                smol::Timer::at(self.clock.instant(start + at)).await;
                for network in group.networks() {
                    if let Err(error) = group.send(network, QUERY) {
                        log::debug!("not asked from={} error={error}", network.address);
                    }
                }
            }
            smol::Timer::at(self.clock.instant(start + ms)).await;
        };
        smol::future::or(asking, found.hear(&group)).await;
        let core = self.lock();
        let own = self.me.fingerprint();
        Ok(found.view(&own, &core.registry))
    }
}

/// What was heard so far.
#[derive(Debug, Default)]
struct Found {
    nodes: BTreeMap<(Fingerprint, SocketAddrV4), Instance>,
    lost: u64,
}

impl Found {
    /// Listens until it is dropped.
    async fn hear(&mut self, group: &Group) {
        let mut buffer = [0; MAX_MDNS_PACKET];
        loop {
            let (_, from, length) = match group.receive(&mut buffer).await {
                Ok(received) => received,
                Err(error) => {
                    log::warn!("multicast not received error={error}");
                    return smol::future::pending().await;
                }
            };
            if let Some(instance) = buffer.get(..length).and_then(Instance::read) {
                self.note(instance, from);
            }
            // However fast they come, the links get their turns.
            smol::future::yield_now().await;
        }
    }

    fn note(&mut self, instance: Instance, from: Ipv4Addr) {
        let key = (instance.fingerprint, SocketAddrV4::new(from, instance.port));
        if self.nodes.len() < MAX_DISCOVERED || self.nodes.contains_key(&key) {
            self.nodes.insert(key, instance);
        } else {
            self.lost += 1;
        }
    }

    fn view(&self, own: &Fingerprint, registry: &Registry) -> DiscoveryView {
        let others = self.nodes.iter().filter(|((key, _), _)| key != own);
        let mut found: Vec<_> = others
            .map(|((key, address), instance)| FoundView {
                name: instance.name.to_string(),
                role: instance.role.as_str(),
                address: address.to_string(),
                id: key.node_id().to_string(),
                fingerprint: key.to_string(),
                registry: standing(registry, key),
            })
            .collect();
        found.sort_by(|a, b| (&a.name, &a.id, &a.address).cmp(&(&b.name, &b.id, &b.address)));
        DiscoveryView {
            found,
            lost: self.lost,
        }
    }
}

fn standing(registry: &Registry, key: &Fingerprint) -> &'static str {
    if registry.peer(key).is_some() {
        "known"
    } else if registry.tombstone(key).is_some() {
        "removed"
    } else if registry.is_waiting(key) {
        "waiting"
    } else {
        "new"
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::Role;
    use miner_shared::text::Name;

    use super::*;

    #[test]
    fn however_many_answer_the_list_is_bounded_and_says_so() {
        let mut found = Found::default();
        for number in 0..=u16::MAX {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&number.to_be_bytes());
            let instance = Instance {
                name: Name::parse("rig").expect("a name"),
                role: Role::Worker,
                fingerprint: Fingerprint(key),
                port: 9091,
            };
            found.note(instance.clone(), Ipv4Addr::LOCALHOST);
            found.note(instance, Ipv4Addr::LOCALHOST);
        }
        assert_eq!(found.nodes.len(), MAX_DISCOVERED);
        assert_eq!(found.lost, 2 * (65_536 - 1_024));
    }
}
