//! What the owner tells all rigs, and what the controller says came of it.

use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::clock::{Deadline, eventually};
use crate::http::{self, Api};

/// Between two looks at how many rigs have yet to answer.
const LOOK: Duration = Duration::from_millis(100);
/// After the last link is up, each rig's first report is a moment away.
const REPORTS: Duration = Duration::from_secs(30);
/// The profile that all mine with.
const PROFILE: &str = "rx";

/// What came of an order to all.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// From the request to its answer, which has what came of it on each rig.
    pub(super) took: Duration,
    /// From the request to the moment after which the controller knew the receipts of 99 rigs of 100.
    pub(super) known: Duration,
    /// Rigs of which the answer does not say that they have done it.
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

/// Tells all rigs to start or to stop with one request, and waits for what becomes of it.
pub(super) fn give(api: &Api, verb: &str, rigs: u32) -> Answers {
    let action = match verb {
        "start" => json!({"type": "start", "profileId": PROFILE}),
        _ => json!({"type": "stop"}),
    };
    let body = json!({"select": "all", "action": action, "expect": rigs}).to_string();
    let watch = Deadline::after(Duration::MAX);
    let answered = AtomicBool::new(false);
    thread::scope(|scope| {
        let answer = scope.spawn(|| {
            let answer = http::ask(api, "POST", "/api/v1/mining/bulk", &body);
            let took = watch.elapsed();
            answered.store(true, Ordering::Release);
            (took, answer.map_or(0, |answer| applied(&answer)))
        });
        let known = scope.spawn(|| known_within(api, (verb, rigs), &watch, &answered));
        let (took, applied) = answer.join().unwrap_or_default();
        Answers {
            took,
            known: known.join().ok().flatten().unwrap_or(took),
            missing: u64::from(rigs).saturating_sub(applied),
        }
    })
}

/// Rigs that have done it, as the answer says.
fn applied(answer: &http::Answer) -> u64 {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body.pointer("/counts/applied")
        .and_then(Value::as_u64)
        .unwrap_or(0)
}

/// When the controller first knew of 99 rigs of 100 that they do as told; `None` if the answer came before.
fn known_within(
    api: &Api,
    (verb, rigs): (&str, u32),
    watch: &Deadline,
    answered: &AtomicBool,
) -> Option<Duration> {
    // A rig reports what it does, and then says that it has done it.
    let does = if verb == "start" { "mining" } else { "stopped" };
    let allowed = u64::from(rigs / 100);
    while !answered.load(Ordering::Acquire) {
        let answer = http::ask(api, "GET", "/api/v1/mining/summary", "").ok()?;
        let at = watch.elapsed();
        let body: Value = serde_json::from_str(&answer.body).ok()?;
        let count = |what: &str| body.get("rigs")?.get(what)?.as_u64();
        if count("pending")? <= allowed && count(does)? + allowed >= rigs.into() {
            return Some(at);
        }
        thread::park_timeout(LOOK);
    }
    None
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
