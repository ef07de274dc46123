//! What a page and a few scripts ask all the time, and how long they wait for it.

use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::Figures;
use super::super::controller::Controller;
use super::super::owner::Times;
use super::Plan;
use super::crowd::name;
use crate::clock::Deadline;
use crate::http::{self, Api};

/// A page is looked at, and asked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// 99 of 100 are to be answered within this, in milliseconds.
const LIMIT_MS: f64 = 50.0;

/// What is asked, and its path.
type Query = (&'static str, String);

/// Asks each query again and again while nothing else is wanted of the controller, and one of them while
/// somebody else reads the longest list all the time.
pub(super) fn measure(
    plan: &Plan,
    controller: &Controller,
    figures: &mut Figures,
    progress: &impl Fn(&str),
) {
    let api = &controller.http;
    let path = |path: &str| format!("/api/v1/mining/{path}");
    let one = name(plan.rigs / 2);
    let queries: [Query; 7] = [
        ("numbers of the farm", path("node/info")),
        ("one rig", path(&format!("peers/{one}"))),
        ("a page of 100 rigs", path("peers?limit=100")),
        (
            "a window of the table",
            path("table?sort=-hashrate&limit=60"),
        ),
        ("what is not as wished", path("drift?limit=100")),
        ("all rigs", path("peers")),
        ("statistics of all rigs", path("remote/stats")),
    ];
    for query in &queries {
        progress(&format!("query: {}", query.0));
        ask(plan, api, query, figures);
    }
    progress("query: one while another reads all rigs");
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                // Whether it is answered is measured above.
                let _read = http::ask(api, "GET", &path("peers"), "");
            }
        });
        let what = "a page of 100 rigs while all are read";
        ask(plan, api, &(what, path("peers?limit=100")), figures);
        ended.store(true, Ordering::Relaxed);
    });
}

#[expect(clippy::cast_precision_loss, reason = "some megabytes")]
fn ask(plan: &Plan, api: &Api, (what, path): &Query, figures: &mut Figures) {
    let watch = Deadline::after(Duration::from_secs(plan.seconds));
    let mut times = Times::default();
    let mut bytes = 0;
    while !watch.left().is_zero() {
        let asked = Deadline::after(Duration::MAX);
        let answer = http::ask(api, "GET", path, "");
        let took = asked.elapsed();
        bytes = answer.as_ref().map_or(bytes, |answer| answer.body.len());
        times.note(took, answer, "");
        thread::park_timeout(PAUSE);
    }
    let size = bytes as f64 / 1024.0;
    figures.add(&format!("query: {what}, size"), size, "KiB");
    figures.add(&format!("query: {what}, half within"), times.ms(0.5), "ms");
    let label = format!("query: {what}, 99 % within");
    figures.at_most(LIMIT_MS, &label, times.ms(0.99), "ms");
    let lost = times.lost.len() as f64;
    figures.at_most(0.0, &format!("query: {what}, not answered"), lost, "");
}
