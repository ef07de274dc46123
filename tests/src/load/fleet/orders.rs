//! What the owner tells all rigs, and what the controller says came of it.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::crowd::name;
use crate::clock::{Deadline, eventually};
use crate::http::{self, Api};

/// Requests that are open at a time: below what the controller's API takes.
const OPEN: u32 = 64;
/// After the last link is up, each rig's first report is a moment away.
const REPORTS: Duration = Duration::from_secs(30);
/// The profile that all mine with.
const PROFILE: &str = "rx";

/// What came of an order to all.
#[derive(Debug)]
pub(super) struct Answers {
    /// From the first request to the last answer.
    pub(super) took: Duration,
    /// Rigs of which no receipt came back.
    pub(super) missing: u64,
}

/// Makes the profile.
pub(super) fn profile(api: &Api) -> Result<(), String> {
    let pools = json!([{"url": "pool.example:3333", "user": "farm"}]);
    let body = json!({"name": PROFILE, "pools": pools}).to_string();
    let answer = http::ask(api, "POST", "/api/v1/mining/profiles", &body)?;
    match answer.status {
        201 => Ok(()),
        status => Err(format!("no profile: {status} {}", answer.body)),
    }
}

/// Tells all rigs to start or to stop, and waits for what becomes of it.
pub(super) fn give(api: &Api, verb: &str, rigs: u32) -> Answers {
    let watch = Deadline::after(Duration::MAX);
    let missing = AtomicU64::new(0);
    let body = match verb {
        "start" => json!({"profileId": PROFILE}),
        _ => json!({}),
    };
    let body = body.to_string();
    thread::scope(|scope| {
        for first in 0..OPEN.min(rigs) {
            let (missing, body) = (&missing, &body);
            scope.spawn(move || {
                for n in (first..rigs).step_by(OPEN.try_into().unwrap_or(1)) {
                    let path = format!("/api/v1/mining/remote/{}/{verb}", name(n));
                    let answer = http::ask(api, "POST", &path, body);
                    let applied = |answer: http::Answer| answer.body.contains("\"applied\"");
                    if !answer.is_ok_and(applied) {
                        missing.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Answers {
        took: watch.elapsed(),
        missing: missing.load(Ordering::Relaxed),
    }
}

/// Rigs whose state is not what was wished of them, after the time that they take to say so.
pub(super) fn not_as_wished(api: &Api, rigs: u32) -> Result<u64, String> {
    let wanted = usize::try_from(rigs).unwrap_or(usize::MAX);
    let mut applied = 0;
    // Whoever is not as wished by then is what is counted.
    let _all = eventually("all rigs as wished", REPORTS, || {
        let answer = http::ask(api, "GET", "/api/v1/mining/peers", "").ok()?;
        let peers: Value = serde_json::from_str(&answer.body).ok()?;
        let is = |peer: &&Value| peer.pointer("/desired/status") == Some(&json!("applied"));
        applied = peers.as_array()?.iter().filter(is).count();
        (applied == wanted).then_some(())
    });
    u64::try_from(wanted - applied).map_err(|error| error.to_string())
}
