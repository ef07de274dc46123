//! The two nodes of a link: the one that runs this code, and what is known of the other.

use heapless::Vec;

use crate::identity::{Fingerprint, NodeKeys, PublicKeys, Role, Statement};
use crate::limits::MAX_STATEMENTS;
use crate::wire::{MAX_VERSION, NodeCard};

/// This node, as all of its links show it. Made once per process start.
#[derive(Debug)]
pub struct LocalNode {
    keys: NodeKeys,
    fingerprint: Fingerprint,
    role: Role,
    boot_id: [u8; 16],
    card: NodeCard,
    cert: [u8; 64],
    chain: Vec<Statement, MAX_STATEMENTS>,
    highest: u8,
}

impl LocalNode {
    /// A node with these keys. `boot_id` is random and new at each start of the process: it keeps
    /// what was said to an earlier process from being said to this one.
    pub fn new(keys: NodeKeys, role: Role, boot_id: [u8; 16], card: NodeCard) -> Self {
        let cert = keys.sign(&[LINK_KEY, &[role.to_byte()], &keys.public().x25519]);
        let fingerprint = keys.fingerprint();
        Self {
            keys,
            fingerprint,
            role,
            boot_id,
            card,
            cert,
            chain: Vec::new(),
            highest: MAX_VERSION,
        }
    }

    /// The same node, which speaks no version above this one: what an older program is.
    #[must_use]
    pub fn up_to_version(mut self, highest: u8) -> Self {
        self.highest = highest.min(MAX_VERSION);
        self
    }

    /// The same node, which shows on its links how its key came to be its key: statements of
    /// succession, oldest first, the last of which names this key.
    #[must_use]
    pub fn with_chain(mut self, chain: Vec<Statement, MAX_STATEMENTS>) -> Self {
        self.chain = chain;
        self
    }

    /// The keys.
    pub fn keys(&self) -> &NodeKeys {
        &self.keys
    }

    /// The identity.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What the node may be on a link.
    pub fn role(&self) -> Role {
        self.role
    }

    /// 16 random bytes of this process start.
    pub fn boot_id(&self) -> &[u8; 16] {
        &self.boot_id
    }

    /// How the node introduces itself.
    pub fn card(&self) -> &NodeCard {
        &self.card
    }

    /// The statements of succession that it shows.
    pub fn chain(&self) -> &[Statement] {
        &self.chain
    }

    /// Highest protocol version that it speaks.
    pub(crate) fn highest(&self) -> u8 {
        self.highest
    }

    /// The Ed25519 key's word for role and X25519 key.
    pub(crate) fn cert(&self) -> &[u8; 64] {
        &self.cert
    }
}

/// What a node signs to bind its X25519 key and role to its Ed25519 key.
pub(crate) const LINK_KEY: &[u8] = b"SMSG/1 link-key\0";

/// Which part dials; the other listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    /// A rig dials its controller.
    WorkerDials,
    /// A controller dials a rig that listens.
    ControllerDials,
}

/// Whom the dialler expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Whoever knows the token's secret: suite 02 proves it. Refused without an enrolment.
    Anyone,
    /// The node with this identity.
    Fingerprint(Fingerprint),
    /// The node whose fingerprint begins with these bytes, as an enrolment token says.
    Prefix([u8; 16]),
    /// Nobody: learn who is there, and close without telling who asks.
    Probe,
}

/// The node at the other end, proven by the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// Its public keys.
    pub keys: PublicKeys,
    /// What it may be on a link.
    pub role: Role,
    /// Its process start.
    pub boot_id: [u8; 16],
    /// Statements of succession that it announces, at most [`MAX_STATEMENTS`].
    pub statements: u8,
    /// Version that both speak on this link.
    pub version: u8,
}
