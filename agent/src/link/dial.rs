//! Dialling the controller, again and again: opens no port, so it works behind any router.

use std::fmt;
use std::io;
use std::rc::Rc;

use log::{Level, debug, info, log, warn};
use miner_shared::identity::Fingerprint;
use miner_shared::limits::{HANDSHAKE_MS, REDIAL_MS};
use miner_shared::pause::full_jitter;
use miner_shared::smsg::{Dial, Link, LinkError};
use smol::future;
use smol::net::TcpStream;

use super::end::End;
use super::session::Session;
use super::socket::{Socket, SocketError};
use super::way::Way;
use crate::rig::Rig;
use crate::store::system_rng;
use crate::tls::{SpkiPin, TlsError};
use crate::url::ControllerUrls;

/// A rig that waits for approval comes again after this long, in milliseconds.
const PENDING_MS: u64 = 60_000;

/// How often a rig looks whether a controller that is not pinned is so again, in milliseconds.
const UNPINNED_MS: u64 = 1_000;

/// Where the controller is, and how to know it.
pub(crate) struct Target {
    pub(crate) urls: ControllerUrls,
    /// The key that TLS has to prove there.
    pub(crate) tls_pin: Option<SpkiPin>,
    pub(crate) way: Way,
}

/// Keeps a link to the controller while it is pinned, or to be by its token, until the program ends.
pub(crate) async fn dial_for_ever(rig: Rc<Rig>, mut target: Target) {
    let mut failures = 0;
    // What was pinned before is not ours to pin again.
    let mut pins = target.way.enrolment().is_some();
    loop {
        // A list that cannot be read obeys nobody.
        let managers = rig.store.managers().unwrap_or_default();
        target.way.follow(&managers);
        let key = target.way.key();
        if !pins && !key.is_some_and(|key| managers.contains(key)) {
            debug!(
                "not dialled: the controller at {} is not pinned",
                target.urls
            );
            rig.clock.timer_at(rig.clock.now() + UNPINNED_MS).await;
            continue;
        }
        let begun = rig.clock.now();
        let (welcomed, end) = attempt(&rig, &target, pins).await;
        let Target { urls, way, .. } = &mut target;
        let was_up = welcomed.is_some();
        match (welcomed, &end) {
            (Some(controller), _) => {
                pins = false;
                way.welcomed(controller, true);
            }
            (None, Ok(End::Pending(controller))) => way.welcomed(*controller, false),
            (None, Ok(End::Link(LinkError::WrongPeer(other)))) => {
                way.answered_by(*other, &managers);
                way.closed_silently();
            }
            (None, Ok(_)) => way.closed_silently(),
            (None, Err(_)) => {}
        }
        if was_up {
            failures = 0;
        }
        let url = urls.now().clone();
        // Where it was found it is looked for first.
        let is_found = was_up || matches!(end, Ok(End::Pending(_)));
        let is_round_over = is_found || urls.advance();
        let pause_ms = match &end {
            // New keys are wanted, or there: nothing is wrong.
            Ok(End::Renew | End::NewKey) => 0,
            Ok(End::Pending(_)) => PENDING_MS,
            _ if !is_round_over => 0,
            _ => full_jitter(REDIAL_MS, failures, &mut system_rng()),
        };
        rig.note_refusal(&match &end {
            _ if was_up => String::new(),
            Ok(end) => end.to_string(),
            Err(why) => why.to_string(),
        });
        match &end {
            Ok(End::Stopping) => return,
            Ok(end) if was_up => info!("link down reason=\"{end}\" retry_ms={pause_ms}"),
            Ok(end @ End::Pending(_)) => info!("waiting reason=\"{end}\" retry_ms={pause_ms}"),
            Ok(end) => warn!("link refused reason=\"{end}\" retry_ms={pause_ms}"),
            Err(why) if why.is_another() => {
                warn!("controller refused controller={url} reason=\"{why}\" retry_ms={pause_ms}");
            }
            // The first failure is news, the rest is not.
            Err(why) => {
                let level = if failures == 0 {
                    Level::Warn
                } else {
                    Level::Debug
                };
                log!(
                    level,
                    "controller away controller={url} reason=\"{why}\" retry_ms={pause_ms}"
                );
            }
        }
        failures += u32::from(is_round_over);
        // From the beginning of an attempt that came to nothing: one into a dead network takes time, and
        // the next shall begin half a minute after it at the latest.
        let from = if was_up { rig.clock.now() } else { begun };
        rig.clock.timer_at(from + pause_ms).await;
    }
}

/// Why there was no connection. For the local log.
#[derive(Debug)]
enum Away {
    Late,
    Nobody,
    Tcp(io::Error),
    Socket(SocketError),
}

impl Away {
    /// Whether somebody else than the controller answered: news each time.
    fn is_another(&self) -> bool {
        matches!(self, Self::Socket(SocketError::Tls(TlsError::OtherKey(_))))
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("no answer in time"),
            Self::Nobody => f.write_str("nobody is expected there"),
            Self::Tcp(error) => error.fmt(f),
            Self::Socket(error) => error.fmt(f),
        }
    }
}

/// One connection from its dialling to its end, or why there was none; and whose session it was, if
/// it was up.
async fn attempt(
    rig: &Rc<Rig>,
    target: &Target,
    pins: bool,
) -> (Option<Fingerprint>, Result<End, Away>) {
    let Target { urls, tls_pin, way } = target;
    let url = urls.now();
    let Some(expect) = way.expect() else {
        return (None, Err(Away::Nobody));
    };
    let (clock, start) = (rig.clock, rig.clock.now());
    let late = async {
        clock.timer_at(start + HANDSHAKE_MS).await;
        Err(Away::Late)
    };
    let opened = async {
        let stream = TcpStream::connect(url.address.host_port()).await;
        let socket = Socket::dial(stream.map_err(Away::Tcp)?, url, *tls_pin).await;
        socket.map_err(Away::Socket)
    };
    let socket = match future::or(opened, late).await {
        Ok(socket) => socket,
        Err(away) => return (None, Err(away)),
    };
    let me = rig.me();
    let memory = way.key().and_then(|key| me.numbers(key));
    let enrolment = way.enrolment();
    let link = Link::dial(Dial::WorkerDials, expect, enrolment, memory, clock.now());
    let session = Session::new(Rc::clone(rig), me, socket, link, Box::new(|| ()));
    let session = session.dialling(expect, pins);
    let (manager, end) = session.run().await;
    (manager, Ok(end))
}
