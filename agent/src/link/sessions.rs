//! Who is connected: at most one live session per manager.
//!
//! | a second connection of a manager | outcome |
//! |---|---|
//! | same process start (boot_id) | it replaces the first: the peer knows best that the first is dead |
//! | another one, the first answers a ping | refused: two processes run under one key |
//! | another one, the first is silent for 5 s | it replaces the first |
//!
//! A session whose manager is not pinned any more ends within a second; when the program ends, all
//! of them do, and it waits until each has told its peer.

use std::cell::RefCell;
use std::convert::Infallible;

use heapless::Vec;
use miner_shared::identity::Fingerprint;
use miner_shared::limits::MAX_MANAGERS;
use miner_shared::smsg::Peer;
use smol::channel::{Receiver, Sender, bounded};

/// What a live session is told by others.
pub(crate) enum Order {
    /// End: another connection takes your place.
    Replaced,
    /// End: your manager is not pinned any more.
    Unpinned,
    /// End: the program does.
    Stop,
    /// Ping the peer, and answer here when its pong comes.
    Prove(Sender<()>),
}

/// The live sessions by manager.
pub(crate) struct Sessions {
    live: RefCell<Vec<Live, MAX_MANAGERS>>,
    /// Gives each session its [`Open`]; `None` once the program ends.
    open: RefCell<Option<Open>>,
    all_closed: Receiver<Infallible>,
}

/// Held by a session until its connection is closed: the program's end waits for it.
pub(crate) type Open = Sender<Infallible>;

impl Default for Sessions {
    fn default() -> Self {
        let (open, all_closed) = bounded(1);
        Self {
            live: RefCell::default(),
            open: RefCell::new(Some(open)),
            all_closed,
        }
    }
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

    /// What a live session holds until its connection is closed; `None` when the program ends.
    pub(crate) fn open(&self) -> Option<Open> {
        self.open.borrow().clone()
    }

    /// Ends the sessions of managers that are none any more.
    pub(crate) fn keep(&self, is_manager: impl Fn(&Fingerprint) -> bool) {
        for live in self.live.borrow().iter() {
            if !is_manager(&live.fingerprint) {
                let _ = live.orders.try_send(Order::Unpinned);
            }
        }
    }

    /// Whether any session is live.
    pub(crate) fn any(&self) -> bool {
        self.live
            .borrow()
            .iter()
            .any(|live| !live.orders.is_closed())
    }

    /// Ends all sessions, and waits until the last of their connections is closed. A connection that
    /// has proven nothing yet is no session, and nobody waits for it.
    pub(crate) async fn stop(&self) {
        *self.open.borrow_mut() = None;
        for live in self.live.borrow().iter() {
            let _ = live.orders.try_send(Order::Stop);
        }
        // Nothing is ever sent: the channel closes with its last sender.
        let _ = self.all_closed.recv().await;
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
            statements: 0,
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
    fn a_session_whose_pin_was_taken_back_is_told_to_end() {
        let sessions = Sessions::default();
        let (kept, unpinned) = (peer(1, 1), peer(2, 1));
        let kept_orders = sessions.enter(&kept).expect("room");
        let orders = sessions.enter(&unpinned).expect("room");
        sessions.keep(|manager| *manager == kept.fingerprint);
        assert!(matches!(orders.try_recv(), Ok(Order::Unpinned)));
        assert!(kept_orders.is_empty());
    }

    #[test]
    fn the_end_waits_for_the_last_connection_and_lets_no_new_one_in() {
        let sessions = Sessions::default();
        let open = sessions.open();
        let orders = sessions.enter(&peer(1, 1)).expect("room");
        let mut stop = std::pin::pin!(sessions.stop());
        let mut once = || smol::block_on(smol::future::poll_once(stop.as_mut()));
        assert!(once().is_none(), "one is open");
        assert!(matches!(orders.try_recv(), Ok(Order::Stop)));
        assert!(sessions.open().is_none());
        drop(open);
        assert!(once().is_some());
    }
}
