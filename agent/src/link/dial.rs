//! Dialling the controller, again and again: opens no port, so it works behind any router.

use std::rc::Rc;

use log::{debug, info, warn};
use miner_shared::identity::Fingerprint;
use miner_shared::limits::{HANDSHAKE_MS, REDIAL_MS};
use miner_shared::smsg::{Dial, Expect, Link};
use miner_shared::text::Address;
use smol::future;
use smol::net::TcpStream;

use super::session::{End, Session};
use super::socket::Socket;
use crate::pool::full_jitter;
use crate::rig::Rig;
use crate::store::system_rng;

/// A rig that waits for approval comes again after this long, in milliseconds.
const PENDING_MS: u64 = 60_000;

/// How often a rig looks whether a controller that is not pinned is so again, in milliseconds.
const UNPINNED_MS: u64 = 1_000;

/// Keeps a link to the controller with this fingerprint while it is pinned, until the program ends.
pub(crate) async fn dial_for_ever(rig: Rc<Rig>, address: Address, controller: Fingerprint) {
    let mut failures = 0;
    loop {
        // A list that cannot be read obeys nobody.
        let managers = rig.store.managers().unwrap_or_default();
        if !managers.contains(&controller) {
            debug!(
                "not dialled: controller={} is not pinned",
                controller.node_id()
            );
            rig.clock.timer_at(rig.clock.now() + UNPINNED_MS).await;
            continue;
        }
        let (was_up, end) = attempt(&rig, &address, controller).await;
        if was_up {
            failures = 0;
        }
        let pause_ms = match &end {
            // New keys are wanted while the old ones still hold: nothing is wrong.
            Some(End::Renew) => 0,
            Some(End::Pending) => PENDING_MS,
            _ => full_jitter(REDIAL_MS, failures, &mut system_rng()),
        };
        match &end {
            Some(End::Stopping) => return,
            Some(end) if was_up => info!("link down reason=\"{end}\" retry_ms={pause_ms}"),
            Some(end) => warn!("link refused reason=\"{end}\" retry_ms={pause_ms}"),
            // The first failure is news, the rest is not.
            None if failures == 0 => {
                warn!("controller away controller={address} retry_ms={pause_ms}");
            }
            None => debug!("controller away controller={address} retry_ms={pause_ms}"),
        }
        failures += 1;
        rig.clock.timer_at(rig.clock.now() + pause_ms).await;
    }
}

/// One connection from its dialling to its end; no end if there was no connection.
async fn attempt(rig: &Rc<Rig>, address: &Address, controller: Fingerprint) -> (bool, Option<End>) {
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
        return (false, None);
    };
    let memory = rig.sessions.memory(&controller);
    let expect = Expect::Fingerprint(controller);
    let link = Link::dial(Dial::WorkerDials, expect, None, memory, clock.now());
    let session = Session::new(Rc::clone(rig), socket, link, Box::new(|| ()));
    let (was_up, end) = session.run().await;
    (was_up, Some(end))
}
