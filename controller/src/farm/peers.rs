//! Who belongs to the farm.
//!
//! | [`Proof`] | a rig that is dialled | a rig that dials in |
//! |---|---|---|
//! | `Pairing` | suite 02 with the code; who knows it is registered | (its token does that: `enrol`) |
//! | `Fingerprint` | probed, compared, registered, dialled | registered |
//! | `Tofu` | probed, believed, registered, dialled | - |
//! | `None` | probed; error with the fingerprint found | - |
//!
//! A probe reads who is there and tells nobody who asks.

use std::sync::Arc;

use miner_shared::identity::{Fingerprint, NodeId, PairingCode};
use miner_shared::text::{Address, Name};

use super::view::{IdentityView, NodeInfoView, PeerView};
use super::{Farm, errors, show};
use crate::error::{Code, FarmError};
use crate::hub::{Ask, EventKind, NewPeer, Reply, Target};
use crate::net;
use crate::registry::{PeerRecord, RegistryError, SCHEMA, Trust};

/// How long a ping may take, the making of a link included, in milliseconds.
const PING_MS: u64 = 5_000;

/// A peer to add.
#[derive(Clone, Debug)]
pub struct AddPeer {
    /// Where to dial it; `None` for a rig that dials in, which needs [`Proof::Fingerprint`].
    pub address: Option<Address>,
    /// Its name in the registry; without one, the name that the rig gives itself.
    pub name: Option<Name>,
    /// How its key is confirmed.
    pub proof: Proof,
}

/// How the owner confirms a peer's key.
#[derive(Clone, Debug)]
pub enum Proof {
    /// Not at all yet: answered by [`Code::FingerprintUnconfirmed`] with the fingerprint found.
    None,
    /// By the one-time code that the rig shows on its console.
    Pairing(PairingCode),
    /// By the fingerprint that the rig shows on its console.
    Fingerprint(Fingerprint),
    /// By trusting whoever answers, which the registry remembers for ever.
    Tofu,
}

impl Farm {
    /// The local node and its farm in numbers.
    pub fn node_info(&self) -> Result<NodeInfoView, FarmError> {
        let core = self.lock();
        let key = self.me.fingerprint();
        Ok(NodeInfoView {
            has_identity: true,
            identity: IdentityView {
                id: key.node_id().to_string(),
                name: self.me.card().name.as_str().to_owned(),
                public_key: show::base64(&self.me.keys().public().x25519),
                fingerprint: key.to_string(),
                role: self.me.role().as_str(),
            },
            registered_peers: core.registry.peers().len(),
            connected_peers: core.hub.live(),
            statements: self.me.chain().len(),
            listen: core.listen.map(|address| address.to_string()),
            uptime: self.clock.now().mono.0 / 1000,
            orders_lost: core.registry.orders_lost(),
            schema: SCHEMA,
        })
    }

    /// All peers, by name.
    pub fn peers(&self) -> Result<Vec<PeerView>, FarmError> {
        let core = self.lock();
        let now = self.clock.now();
        let mut views: Vec<_> = core
            .registry
            .peers()
            .map(|(key, row)| show::peer(key, row, &core.registry, &core.hub, now))
            .collect();
        views.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(views)
    }

    /// One peer.
    pub fn peer(&self, id: NodeId) -> Result<PeerView, FarmError> {
        let core = self.lock();
        let (key, row) = core.registry.by_id(id).ok_or_else(|| unknown(id))?;
        let now = self.clock.now();
        Ok(show::peer(&key, row, &core.registry, &core.hub, now))
    }

    /// The peer that this text means: node ID, unique prefix of one, fingerprint, or name.
    pub fn resolve(&self, text: &str) -> Result<NodeId, FarmError> {
        let key = self.lock().registry.resolve(text);
        key.map(|key| key.node_id())
            .map_err(|error| errors::registry(error, text))
    }

    /// Registers a peer, after its key was confirmed as [`Proof`] says. A peer with an address is
    /// dialled too: `connected` in the answer says whether it has let this controller in.
    pub async fn add_peer(self: &Arc<Self>, peer: AddPeer) -> Result<PeerView, FarmError> {
        let AddPeer {
            address,
            name,
            proof,
        } = peer;
        let key = match (address, proof) {
            (None, Proof::Fingerprint(key)) => {
                self.register(key, None, name, Trust::Fingerprint)?
            }
            (None, _) => {
                return Err(FarmError::new(
                    Code::InvalidInput,
                    "a peer without an address needs its fingerprint",
                )
                .field("address"));
            }
            (Some(address), Proof::Pairing(code)) => self.pair(address, name, &code).await?,
            (Some(address), proof) => {
                let found = self.probe(&address).await?;
                let trust = confirmed(&proof, found, &address)?;
                self.register(found, Some(address), name, trust)?
            }
        };
        self.keep_dialled(&key);
        let view = self.peer(key.node_id())?;
        if view.address.is_none() || view.connected {
            return Ok(view);
        }
        // Registered whatever comes of this; the view says whether the rig let us in.
        let _answer = self.ask(key, Ask::Ping, PING_MS).await;
        self.peer(key.node_id())
    }

    /// Who is at this address?
    async fn probe(self: &Arc<Self>, address: &Address) -> Result<Fingerprint, FarmError> {
        self.reach(address, Target::Probe, false).await
    }

    async fn pair(
        self: &Arc<Self>,
        address: Address,
        name: Option<Name>,
        code: &PairingCode,
    ) -> Result<Fingerprint, FarmError> {
        // The code is good once: whether the name can be had is to be known before it is spent.
        let taken = name
            .as_ref()
            .and_then(|name| Some((name, self.lock().registry.by_name(name)?)));
        if let Some((name, other)) = taken
            && self.probe(&address).await? != other
        {
            return Err(errors::name_taken(name, other));
        }
        let new = NewPeer {
            enrolment: code.enrolment(),
            name,
            address: address.clone(),
        };
        self.reach(&address, Target::Pair(Box::new(new)), true)
            .await
    }

    async fn reach(
        self: &Arc<Self>,
        address: &Address,
        target: Target,
        pairing: bool,
    ) -> Result<Fingerprint, FarmError> {
        let ws = net::connect(address)
            .await
            .map_err(|error| errors::unconnected(&error, address))?;
        match net::run(self, ws, target).recv().await {
            Ok(Ok(key)) => Ok(key),
            Ok(Err(unreached)) => Err(errors::unreached(unreached, address, pairing)),
            Err(_) => Err(FarmError::new(
                Code::ServiceUnavailable,
                "the controller is closing",
            )),
        }
    }

    fn register(
        &self,
        key: Fingerprint,
        address: Option<Address>,
        name: Option<Name>,
        trust: Trust,
    ) -> Result<Fingerprint, FarmError> {
        if key == self.me.fingerprint() {
            return Err(
                FarmError::new(Code::InvalidInput, "this is the node itself").field("fingerprint"),
            );
        }
        let id = key.node_id().to_string();
        let stand_in = Name::parse(&id).ok();
        let Some(name) = name.or(stand_in) else {
            return Err(FarmError::new(Code::InternalError, "a node ID is no name"));
        };
        self.with(|hub, env| {
            let row = PeerRecord {
                name,
                address,
                trust,
                added_at_ms: env.now.wall.0,
                last_seen_ms: None,
                told: None,
            };
            env.registry.add(key, row)?;
            hub.record(env, Some(&key), EventKind::PeerAdded);
            Ok(key)
        })
        .map_err(|error| errors::registry(error, &id))
    }

    /// Removes a peer: cuts its link and refuses its key until it is added again. The token that it
    /// came by is suspended, unless `keep_token`.
    pub fn remove_peer(&self, id: NodeId, keep_token: bool) -> Result<(), FarmError> {
        let (key, _) = self.named(id)?;
        self.with(|hub, env| hub.remove(env, &key, keep_token))
            .map_err(|error| errors::registry(error, &id.to_string()))?;
        let dialler = self.lock().diallers.remove(&key);
        drop(dialler);
        Ok(())
    }

    /// Round trip on the link, in milliseconds. Waits up to 5 s, for a link too.
    pub async fn ping(&self, id: NodeId) -> Result<u64, FarmError> {
        let (key, name) = self.named(id)?;
        match self.ask(key, Ask::Ping, PING_MS).await {
            Ok(Reply::Pong(rtt_ms)) => Ok(rtt_ms),
            Ok(_) => Err(errors::nonsense(&name)),
            Err(error) => Err(errors::failure(error, &name)),
        }
    }

    /// The key and the name of a registered peer.
    pub(super) fn named(&self, id: NodeId) -> Result<(Fingerprint, String), FarmError> {
        let core = self.lock();
        let (key, row) = core.registry.by_id(id).ok_or_else(|| unknown(id))?;
        Ok((key, row.name.as_str().to_owned()))
    }
}

/// What the owner's word on the key that was found comes to.
fn confirmed(proof: &Proof, found: Fingerprint, address: &Address) -> Result<Trust, FarmError> {
    match proof {
        Proof::Fingerprint(expected) if *expected == found => Ok(Trust::Fingerprint),
        Proof::Fingerprint(_) => Err(FarmError::new(
            Code::FingerprintMismatch,
            format!("the node at {address} has another fingerprint: {found}"),
        )
        .field("fingerprint")
        .hint("compare with what the rig's console shows; if that differs too, someone is in between")
        .fingerprint(found)),
        Proof::Tofu => Ok(Trust::Tofu),
        Proof::None | Proof::Pairing(_) => Err(FarmError::new(
            Code::FingerprintUnconfirmed,
            format!("the node at {address} has the fingerprint {found}"),
        )
        .field("fingerprint")
        .hint("compare it with what the rig's console shows, then repeat with this fingerprint or with the pairing code")
        .fingerprint(found)),
    }
}

fn unknown(id: NodeId) -> FarmError {
    errors::registry(RegistryError::NoSuchPeer, &id.to_string())
}
