//! Who is connected: at most one live session per manager, and the numbers that outlive it.
//!
//! | a second connection of a manager | outcome |
//! |---|---|
//! | same process start (boot_id) | it replaces the first: the peer knows best that the first is dead |
//! | another one, the first answers a ping | refused: two processes run under one key |
//! | another one, the first is silent for 5 s | it replaces the first |

use std::cell::RefCell;

use heapless::Vec;
use miner_shared::identity::Fingerprint;
use miner_shared::limits::MAX_MANAGERS;
use miner_shared::smsg::{Peer, SeqMemory};
use smol::channel::{Receiver, Sender, bounded};

/// What a live session is told by others.
pub(crate) enum Order {
    /// End: another connection takes your place.
    Replaced,
    /// Ping the peer, and answer here when its pong comes.
    Prove(Sender<()>),
}

/// The live sessions by manager, and the sequence numbers of all managers seen by this process.
#[derive(Default)]
pub(crate) struct Sessions {
    live: RefCell<Vec<Live, MAX_MANAGERS>>,
    memory: RefCell<Vec<(Fingerprint, SeqMemory), MAX_MANAGERS>>,
}

struct Live {
    fingerprint: Fingerprint,
    boot_id: [u8; 16],
    orders: Sender<Order>,
}

/// What to do about a session that is live already.
pub(crate) enum Rival {
    /// There is none, or it gives way.
    None,
    /// Ask it by this channel whether its peer is alive.
    Ask(Sender<Order>),
}

impl Sessions {
    /// Whether a live session stands in the way of a new one with this peer.
    pub(crate) fn rival(&self, peer: &Peer) -> Rival {
        let live = self.live.borrow();
        match live
            .iter()
            .find(|live| live.fingerprint == peer.fingerprint)
        {
            Some(rival) if rival.boot_id != peer.boot_id => Rival::Ask(rival.orders.clone()),
            _ => Rival::None,
        }
    }

    /// Makes the session with this peer the live one, ending another. `None` if as many as may be
    /// are live.
    pub(crate) fn enter(&self, peer: &Peer) -> Option<Receiver<Order>> {
        let mut live = self.live.borrow_mut();
        live.retain(|other| {
            let same = other.fingerprint == peer.fingerprint;
            if same {
                let _ = other.orders.try_send(Order::Replaced);
            }
            !same && !other.orders.is_closed()
        });
        let (orders, receiver) = bounded(4);
        let entry = Live {
            fingerprint: peer.fingerprint,
            boot_id: peer.boot_id,
            orders,
        };
        live.push(entry).ok().map(|()| receiver)
    }

    /// The sequence numbers of this manager.
    pub(crate) fn memory(&self, of: &Fingerprint) -> Option<SeqMemory> {
        let memory = self.memory.borrow();
        let found = memory.iter().find(|(fingerprint, _)| fingerprint == of);
        found.map(|(_, memory)| *memory)
    }

    /// Keeps the sequence numbers where a session has got to.
    pub(crate) fn remember(&self, of: Fingerprint, now: SeqMemory) {
        let mut memory = self.memory.borrow_mut();
        if let Some((_, known)) = memory
            .iter_mut()
            .find(|(fingerprint, _)| *fingerprint == of)
        {
            *known = known.merge(now);
            return;
        }
        if memory.is_full() {
            // More managers than may be pinned at a time: a pin was taken back and another made.
            memory.remove(0);
        }
        let _ = memory.push((of, now));
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::{PublicKeys, Role};

    use super::*;

    fn peer(key: u8, boot: u8) -> Peer {
        Peer {
            fingerprint: Fingerprint([key; 32]),
            keys: PublicKeys {
                x25519: [key; 32],
                ed25519: [key; 32],
            },
            role: Role::Controller,
            boot_id: [boot; 16],
            capabilities: 0,
            version: 1,
        }
    }

    #[test]
    fn the_same_process_replaces_its_session() {
        let sessions = Sessions::default();
        let first = sessions.enter(&peer(1, 1)).expect("room");
        assert!(matches!(sessions.rival(&peer(1, 1)), Rival::None));
        let _second = sessions.enter(&peer(1, 1)).expect("room");
        assert!(matches!(first.try_recv(), Ok(Order::Replaced)));
    }

    #[test]
    fn another_process_under_the_same_key_has_to_ask() {
        let sessions = Sessions::default();
        let first = sessions.enter(&peer(1, 1)).expect("room");
        let Rival::Ask(orders) = sessions.rival(&peer(1, 2)) else {
            panic!("asks");
        };
        let (answer, _receiver) = bounded(1);
        orders.try_send(Order::Prove(answer)).expect("listens");
        assert!(matches!(first.try_recv(), Ok(Order::Prove(_))));
        assert!(
            matches!(sessions.rival(&peer(2, 2)), Rival::None),
            "another key"
        );
    }

    #[test]
    fn an_ended_session_makes_room() {
        let sessions = Sessions::default();
        let kept: std::vec::Vec<_> = (1..=4).map(|key| sessions.enter(&peer(key, 1))).collect();
        assert!(kept.iter().all(Option::is_some));
        assert!(sessions.enter(&peer(5, 1)).is_none());
        drop(kept);
        assert!(sessions.enter(&peer(5, 1)).is_some());
    }

    #[test]
    fn sequence_numbers_outlive_a_session_and_never_fall() {
        let (sessions, of) = (Sessions::default(), Fingerprint([1; 32]));
        let at = |tx, rx| SeqMemory {
            peer_boot: [1; 16],
            tx,
            rx,
        };
        sessions.remember(of, at(5, 7));
        sessions.remember(of, at(4, 9));
        assert_eq!(sessions.memory(&of), Some(at(5, 9)));
        assert_eq!(sessions.memory(&Fingerprint([2; 32])), None);
    }
}
