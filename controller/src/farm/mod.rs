//! The farm as a service: everything that REST, page and CLI do with rigs goes through [`Farm`].
//!
//! ```text
//!   REST, page, CLI ──▶ Farm (async, deadlines) ──▶ Mutex { hub (sans-I/O), store } ◀── net (sockets)
//!                         ◀── oneshot answers ───────┘  never held across an await
//! ```

mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use miner_shared::identity::{Fingerprint, NodeId, PairingCode};
use miner_shared::smsg::LocalNode;
use miner_shared::text::{Address, MinerName, Name};
use miner_shared::wire::Profile;

pub use self::view::{
    ActivityView, AppliedView, DesiredStatus, DesiredView, ExchangesView, IdentityView,
    LogLineView, LogsView, MinerView, NodeInfoView, PeerView, PoolView, ProfileView, StatsView,
    WindowsView,
};
use crate::clock::Clock;
use crate::error::FarmError;
use crate::hub::Event;
use crate::registry::Store;

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
    /// Not at all yet: answered by [`crate::error::Code::FingerprintUnconfirmed`] with the fingerprint found.
    None,
    /// By the one-time code that the rig shows on its console.
    Pairing(PairingCode),
    /// By the fingerprint that the rig shows on its console.
    Fingerprint(Fingerprint),
    /// By trusting whoever answers, which the registry remembers for ever.
    Tofu,
}

/// Heart of the controller: registry, links and the commands over them.
#[derive(Debug)]
pub struct Farm {}

impl Farm {
    /// Opens the farm on this registry, as this node. Nothing runs before [`Farm::run`].
    pub fn open(store: Box<dyn Store>, me: LocalNode, clock: Clock) -> Arc<Self> {
        let _ = (store, me, clock);
        todo!()
    }

    /// Starts the timer and the diallers of all peers with an address, on the caller's executor.
    /// Call once, before any method that talks to a rig.
    pub fn run(self: &Arc<Self>, executor: &Arc<smol::Executor<'static>>) {
        let _ = executor;
        todo!()
    }

    /// Listens for rigs that dial in; returns the address bound (port 0 picks one).
    pub fn listen(self: &Arc<Self>, address: SocketAddr) -> io::Result<SocketAddr> {
        let _ = address;
        todo!()
    }

    /// Ends listener, diallers and links. Rigs go on mining.
    pub fn close(&self) {
        todo!()
    }

    /// The local node and its farm in numbers.
    pub fn node_info(&self) -> Result<NodeInfoView, FarmError> {
        todo!()
    }

    /// All peers, by name.
    pub fn peers(&self) -> Result<Vec<PeerView>, FarmError> {
        todo!()
    }

    /// One peer.
    pub fn peer(&self, id: NodeId) -> Result<PeerView, FarmError> {
        let _ = id;
        todo!()
    }

    /// The peer that this text names: node ID, unique prefix of one, fingerprint, or name.
    pub fn resolve(&self, text: &str) -> Result<NodeId, FarmError> {
        let _ = text;
        todo!()
    }

    /// Registers a peer, after its key was confirmed as [`Proof`] says. See docs/SMSG.md section 5.
    pub async fn add_peer(self: &Arc<Self>, peer: AddPeer) -> Result<PeerView, FarmError> {
        let _ = peer;
        todo!()
    }

    /// Removes a peer: cuts its link and refuses its key until it is added again.
    pub fn remove_peer(&self, id: NodeId) -> Result<(), FarmError> {
        let _ = id;
        todo!()
    }

    /// Round trip on the link, in milliseconds. Waits up to 5 s, for a link too.
    pub async fn ping(&self, id: NodeId) -> Result<u64, FarmError> {
        let _ = id;
        todo!()
    }

    /// Last known statistics of every peer that ever sent some, by name.
    pub fn stats(&self) -> Result<Vec<StatsView>, FarmError> {
        todo!()
    }

    /// Statistics of one peer, asked of it now if it can be reached within 10 s, else the last known.
    pub async fn stats_of(&self, id: NodeId) -> Result<StatsView, FarmError> {
        let _ = id;
        todo!()
    }

    /// Wishes that a rig mines with this profile (id or name), and waits up to 30 s for its receipt.
    pub async fn start(&self, id: NodeId, profile: &str) -> Result<AppliedView, FarmError> {
        let _ = (id, profile);
        todo!()
    }

    /// Wishes that a rig mines nothing, and waits up to 30 s for its receipt. A miner that is named
    /// must be one that the rig reports.
    pub async fn stop(
        &self,
        id: NodeId,
        miner: Option<&MinerName>,
    ) -> Result<AppliedView, FarmError> {
        let _ = (id, miner);
        todo!()
    }

    /// The last `lines` (at most 10,000) records of a miner's log, within 10 s.
    pub async fn logs(
        &self,
        id: NodeId,
        miner: &MinerName,
        lines: u16,
    ) -> Result<LogsView, FarmError> {
        let _ = (id, miner, lines);
        todo!()
    }

    /// All profiles, by id.
    pub fn profiles(&self) -> Result<Vec<ProfileView>, FarmError> {
        todo!()
    }

    /// One profile, by id or name.
    pub fn profile(&self, text: &str) -> Result<ProfileView, FarmError> {
        let _ = text;
        todo!()
    }

    /// Stores a new profile; its id is the slug of its name. It needs at least one pool.
    pub fn create_profile(&self, profile: Profile) -> Result<ProfileView, FarmError> {
        let _ = profile;
        todo!()
    }

    /// Deletes a profile that no rig is told to mine with.
    pub fn delete_profile(&self, text: &str) -> Result<(), FarmError> {
        let _ = text;
        todo!()
    }

    /// Events from now on. A subscriber that does not keep up loses the newest and is told how many.
    pub fn subscribe(&self) -> smol::channel::Receiver<Event> {
        todo!()
    }

    /// The last events, oldest first, and how many older ones have fallen out.
    pub fn events(&self) -> (Vec<Event>, u64) {
        todo!()
    }
}
