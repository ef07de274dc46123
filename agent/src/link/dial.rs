//! Dialling the controller, again and again: opens no port, so it works behind any router.

use std::rc::Rc;

use log::{debug, info, warn};
use miner_shared::identity::Fingerprint;
use miner_shared::limits::{HANDSHAKE_MS, REDIAL_MS};
use miner_shared::smsg::{Dial, Link};
use miner_shared::text::Address;
use smol::future;
use smol::net::TcpStream;

use super::session::{End, Session};
use super::socket::Socket;
use super::way::Way;
use crate::pool::full_jitter;
use crate::rig::Rig;
use crate::store::system_rng;

/// A rig that waits for approval comes again after this long, in milliseconds.
const PENDING_MS: u64 = 60_000;

/// How often a rig looks whether a controller that is not pinned is so again, in milliseconds.
const UNPINNED_MS: u64 = 1_000;

/// Keeps a link to the controller at this address while it is pinned, or to be by its token, until the
/// program ends.
pub(crate) async fn dial_for_ever(rig: Rc<Rig>, address: Address, mut way: Way) {
    let mut failures = 0;
    // What was pinned before is not ours to pin again.
    let mut pins = way.enrolment().is_some();
    loop {
        // A list that cannot be read obeys nobody.
        let managers = rig.store.managers().unwrap_or_default();
        if !pins && !way.key().is_some_and(|key| managers.contains(key)) {
            debug!("not dialled: the controller at {address} is not pinned");
            rig.clock.timer_at(rig.clock.now() + UNPINNED_MS).await;
            continue;
        }
        let begun = rig.clock.now();
        let (welcomed, end) = attempt(&rig, &address, &way, pins).await;
        let was_up = welcomed.is_some();
        match (welcomed, &end) {
            (Some(controller), _) => {
                pins = false;
                way.welcomed(controller, true);
            }
            (None, Some(End::Pending(controller))) => way.welcomed(*controller, false),
            (None, Some(_)) => way.closed_silently(),
            (None, None) => {}
        }
        if was_up {
            failures = 0;
        }
        let pause_ms = match &end {
            // New keys are wanted while the old ones still hold: nothing is wrong.
            Some(End::Renew) => 0,
            Some(End::Pending(_)) => PENDING_MS,
            _ => full_jitter(REDIAL_MS, failures, &mut system_rng()),
        };
        match &end {
            Some(End::Stopping) => return,
            Some(end) if was_up => info!("link down reason=\"{end}\" retry_ms={pause_ms}"),
            Some(end @ End::Pending(_)) => info!("waiting reason=\"{end}\" retry_ms={pause_ms}"),
            Some(end) => warn!("link refused reason=\"{end}\" retry_ms={pause_ms}"),
            // The first failure is news, the rest is not.
            None if failures == 0 => {
                warn!("controller away controller={address} retry_ms={pause_ms}");
            }
            None => debug!("controller away controller={address} retry_ms={pause_ms}"),
        }
        failures += 1;
        // From the beginning of an attempt that came to nothing: one into a dead network takes time, and
        // the next shall begin a minute after it at the latest.
        let from = if was_up { rig.clock.now() } else { begun };
        rig.clock.timer_at(from + pause_ms).await;
    }
}

/// One connection from its dialling to its end; no end if there was no connection.
/// Whose session it was, if it was up.
async fn attempt(
    rig: &Rc<Rig>,
    address: &Address,
    way: &Way,
    pins: bool,
) -> (Option<Fingerprint>, Option<End>) {
    let (clock, start) = (rig.clock, rig.clock.now());
    let late = async {
        clock.timer_at(start + HANDSHAKE_MS).await;
        None
    };
    let opened = async {
        let stream = TcpStream::connect(address.host_port()).await;
        let stream = stream
            .map_err(|error| debug!("dial failed: {error}"))
            .ok()?;
        let socket = Socket::dial(stream, address).await;
        socket.map_err(|error| debug!("dial failed: {error}")).ok()
    };
    let Some(socket) = future::or(opened, late).await else {
        return (None, None);
    };
    let Some(expect) = way.expect() else {
        return (None, None);
    };
    let memory = way.key().and_then(|key| rig.sessions.memory(key));
    let enrolment = way.enrolment();
    let link = Link::dial(Dial::WorkerDials, expect, enrolment, memory, clock.now());
    let session = Session::new(Rc::clone(rig), socket, link, Box::new(|| ())).pinning(pins);
    let (manager, end) = session.run().await;
    (manager, Some(end))
}
