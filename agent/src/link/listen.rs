//! Waiting for managers: at most [`MAX_RIG_LINKS`] connections, few of them unproven, and few new ones
//! per second, since each may make us do three X25519 operations for nobody knows whom.

use std::cell::Cell;
use std::rc::{Rc, Weak};

use log::{debug, info, warn};
use miner_shared::gate::Bucket;
use miner_shared::limits::{HANDSHAKE_MS, MAX_RIG_LINKS, MAX_RIG_PENDING, RIG_RATE};
use miner_shared::smsg::{Dial, Link};
use miner_shared::time::Millis;
use smol::LocalExecutor;
use smol::future;
use smol::net::{TcpListener, TcpStream};

use super::end::End;
use super::session::Session;
use super::socket::Socket;
use crate::rig::Rig;

/// Between two warnings about refused links, in milliseconds; the others are logged as DEBUG.
const WARN_MS: u64 = 10_000;
/// Pause after a failed accept, such as "too many open files", in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 1_000;

/// Accepts for ever; each connection becomes a task on `executor`, which is weak because the tasks
/// must not keep alive what keeps them.
pub(crate) async fn listen_for_ever(
    rig: Rc<Rig>,
    listener: TcpListener,
    executor: Weak<LocalExecutor<'static>>,
) {
    let places = Rc::new(Places::default());
    let mut accepts = Bucket::default();
    loop {
        match listener.accept().await {
            Ok((_, from)) if !accepts.take(RIG_RATE, rig.clock.now()) => {
                debug!("link refused from={from}: too many per second");
            }
            Ok((stream, from)) => {
                let (Some(executor), Some(place)) = (executor.upgrade(), Place::take(&places))
                else {
                    debug!("link refused from={from}: no place free");
                    continue;
                };
                debug!("link accepted from={from}");
                executor
                    .spawn(serve(Rc::clone(&rig), stream, place))
                    .detach();
            }
            Err(error) => {
                warn!("accept failed: {error}");
                rig.clock.timer_at(rig.clock.now() + ACCEPT_PAUSE_MS).await;
            }
        }
    }
}

/// Deadline from accept to the verified Hello: the opening of the WebSocket shares it with the link.
async fn serve(rig: Rc<Rig>, stream: TcpStream, place: Rc<Place>) {
    let (clock, accepted) = (rig.clock, rig.clock.now());
    let late = async {
        clock.timer_at(accepted + HANDSHAKE_MS).await;
        None
    };
    let opened = async {
        let socket = Socket::accept(stream).await;
        socket
            .map_err(|error| debug!("link not opened: {error}"))
            .ok()
    };
    let Some(socket) = future::or(opened, late).await else {
        return;
    };
    let link = Link::listen(Dial::ControllerDials, accepted);
    let proven = Rc::clone(&place);
    let me = rig.me();
    let session = Session::new(rig, me, socket, link, Box::new(move || proven.proven()));
    match session.run().await {
        (Some(_), end) => info!("link down reason=\"{end}\""),
        (None, end @ (End::NotAManager(_) | End::Store(_))) if place.may_warn(clock.now()) => {
            warn!("link refused: {end}");
        }
        (None, end) => debug!("link refused: {end}"),
    }
}

/// How many connections there are, and how many of them are unproven.
#[derive(Debug, Default)]
struct Places {
    all: Cell<usize>,
    pending: Cell<usize>,
    warned_at: Cell<Option<Millis>>,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
struct Place {
    places: Rc<Places>,
    pending: Cell<bool>,
}

impl Place {
    fn take(places: &Rc<Places>) -> Option<Rc<Self>> {
        let (all, pending) = (places.all.get(), places.pending.get());
        if all >= MAX_RIG_LINKS || pending >= MAX_RIG_PENDING {
            return None;
        }
        places.all.set(all + 1);
        places.pending.set(pending + 1);
        Some(Rc::new(Self {
            places: Rc::clone(places),
            pending: Cell::new(true),
        }))
    }

    /// Whether a warning about strangers is due: they must not wash everything else out of the log.
    fn may_warn(&self, now: Millis) -> bool {
        let last = &self.places.warned_at;
        let due = last.get().is_none_or(|at| now.since(at) >= WARN_MS);
        if due {
            last.set(Some(now));
        }
        due
    }

    fn proven(&self) {
        if self.pending.replace(false) {
            let pending = &self.places.pending;
            pending.set(pending.get().saturating_sub(1));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.proven();
        let all = &self.places.all;
        all.set(all.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_fill_four_places_and_managers_eight() {
        let places = Rc::new(Places::default());
        let take = || Place::take(&places);
        let strangers: Vec<_> = (0..MAX_RIG_PENDING)
            .map(|_| take().expect("free"))
            .collect();
        assert!(take().is_none());
        strangers.iter().for_each(|place| place.proven());
        let more: Vec<_> = (0..MAX_RIG_PENDING)
            .map(|_| take().expect("free"))
            .collect();
        more.iter().for_each(|place| place.proven());
        assert!(take().is_none(), "eight in all");
        drop(strangers);
        assert!(take().is_some());
    }

    #[test]
    fn ten_connections_may_come_at_once_and_then_five_per_second() {
        let mut accepts = Bucket::default();
        let mut allowed = |now| {
            (0..1_000)
                .filter(|_| accepts.take(RIG_RATE, Millis(now)))
                .count()
        };
        assert_eq!(allowed(7), 10);
        assert_eq!(allowed(206), 0);
        assert_eq!(allowed(207), 1);
        let minute: usize = (0..60).map(|second| allowed(1_207 + 1_000 * second)).sum();
        assert_eq!(minute, 60 * 5);
        assert_eq!(allowed(3_600_000), 10, "no more after a long rest");
    }

    #[test]
    fn strangers_cannot_flood_the_log() {
        let place = Place::take(&Rc::new(Places::default())).expect("free");
        assert!(place.may_warn(Millis(0)));
        assert!(!place.may_warn(Millis(9_999)));
        assert!(place.may_warn(Millis(10_000)));
    }
}
