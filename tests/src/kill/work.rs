//! What several threads do to a controller until it is killed, and what was acknowledged of it.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use miner_shared::identity::{EnrolToken, Fingerprint};
use miner_shared::smsg::LocalNode;
use serde_json::{Value, json};

use super::said;
use crate::clock::Deadline;
use crate::http::Api;
use crate::load::connect::node;
use crate::load::rig::Rig;

/// Rigs that come by a token at the same time.
const COMERS: usize = 3;
/// Most deeds of a thread in one life.
const DEEDS: usize = 40;

/// Who works, and on what.
pub(super) struct Crew<'a> {
    pub(super) api: &'a Api,
    pub(super) smsg: SocketAddr,
    pub(super) controller: Fingerprint,
    /// Number of the first rig that comes.
    pub(super) first: u64,
    /// By which rigs come, if any do.
    pub(super) token: Option<EnrolToken>,
    /// Rigs to be removed, in this order.
    pub(super) remove: Vec<u64>,
    /// A request about rollouts: path and body.
    pub(super) steer: Option<(String, Value)>,
}

/// What was asked for, by the number of the rig, and whether it was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    pub(super) added: Vec<(u64, bool)>,
    pub(super) removed: Vec<(u64, bool)>,
    /// Of those added, how many were welcomed by a token.
    pub(super) enrolled: u32,
    /// The answer to the request about rollouts, if there was such a request, and an answer.
    pub(super) steered: Option<Option<Value>>,
    /// Number of the next rig.
    pub(super) next: u64,
}

impl Crew<'_> {
    /// Works until the moment, and through the kill.
    ///
    /// # Errors
    /// The process cannot be killed.
    pub(super) fn work_until(
        &self,
        moment: Duration,
        kill: impl FnOnce() -> Result<(), String>,
    ) -> Result<Deeds, String> {
        let deeds = Mutex::new(Deeds::default());
        let next = AtomicU64::new(self.first);
        let killed = thread::scope(|scope| {
            if self.token.is_some() {
                for _ in 0..COMERS {
                    scope.spawn(|| self.enrol(&next, &deeds));
                }
            }
            scope.spawn(|| self.add(&next, &deeds));
            for half in 0..2 {
                let deeds = &deeds;
                scope.spawn(move || self.remove(half, deeds));
            }
            if let Some((path, body)) = &self.steer {
                let deeds = &deeds;
                scope.spawn(move || {
                    let answer = said(self.api, "POST", path, body).ok();
                    with(deeds, |deeds| deeds.steered = Some(answer));
                });
            }
            Deadline::after(moment).wait();
            kill()
        });
        killed?;
        let deeds = deeds.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Deeds {
            next: next.into_inner(),
            ..deeds
        })
    }

    /// Rigs come by the token, one after the other, until one is not welcomed.
    fn enrol(&self, next: &AtomicU64, deeds: &Mutex<Deeds>) {
        for _ in 0..DEEDS {
            let (Some(token), number) = (self.token.clone(), next.fetch_add(1, Ordering::Relaxed))
            else {
                return;
            };
            let mut rig = Rig::with_token(node(number, &name(number)), token);
            let welcomed = rig.dial(self.smsg, self.controller).is_ok();
            with(deeds, |deeds| {
                deeds.added.push((number, welcomed));
                deeds.enrolled += u32::from(welcomed);
            });
            if !welcomed {
                return;
            }
        }
    }

    /// Rigs are added by their fingerprints.
    fn add(&self, next: &AtomicU64, deeds: &Mutex<Deeds>) {
        for _ in 0..DEEDS {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let body = peer(&node(number, &name(number)));
            let added = said(self.api, "POST", "/peers", &body).is_ok();
            with(deeds, |deeds| deeds.added.push((number, added)));
            if !added {
                return;
            }
        }
    }

    fn remove(&self, half: usize, deeds: &Mutex<Deeds>) {
        for number in self.remove.iter().skip(half).step_by(2).take(DEEDS) {
            let path = format!("/peers/{}", id(*number));
            let removed = said(self.api, "DELETE", &path, &Value::Null).is_ok();
            with(deeds, |deeds| deeds.removed.push((*number, removed)));
            if !removed {
                return;
            }
        }
    }
}

fn with(deeds: &Mutex<Deeds>, note: impl FnOnce(&mut Deeds)) {
    note(&mut deeds.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Name of the rig of this number.
pub(super) fn name(number: u64) -> String {
    format!("rig-{number}")
}

/// Node ID of the rig of this number.
pub(super) fn id(number: u64) -> String {
    let key = node(number, &name(number)).fingerprint();
    key.node_id().to_string()
}

/// What `POST /peers` takes of it.
pub(super) fn peer(node: &LocalNode) -> Value {
    json!({"name": node.card().name.as_str(), "fingerprint": node.fingerprint().to_string()})
}
