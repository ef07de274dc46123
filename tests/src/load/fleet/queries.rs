//! What a page and a few scripts ask all the time, and how long they wait for it.

use core::time::Duration;
use std::thread;

use super::super::Figures;
use super::super::controller::Controller;
use super::super::owner::Times;
use super::Plan;
use super::crowd::name;
use crate::clock::Deadline;
use crate::http;

/// A page is looked at, and asked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks each query again and again while nothing else is wanted of the controller.
#[expect(clippy::cast_precision_loss, reason = "some megabytes")]
pub(super) fn measure(
    plan: &Plan,
    controller: &Controller,
    figures: &mut Figures,
    progress: &impl Fn(&str),
) {
    let one = name(plan.rigs / 2);
    let queries = [
        (
            "numbers of the farm",
            "/api/v1/mining/node/info".to_owned(),
            Some(50.0),
        ),
        ("one rig", format!("/api/v1/mining/peers/{one}"), Some(50.0)),
        (
            "a page of 100 rigs",
            "/api/v1/mining/peers?limit=100".to_owned(),
            Some(50.0),
        ),
        ("all rigs", "/api/v1/mining/peers".to_owned(), Some(50.0)),
        (
            "statistics of all rigs",
            "/api/v1/mining/remote/stats".to_owned(),
            Some(50.0),
        ),
        ("the page's changing part", "/fleet".to_owned(), Some(50.0)),
    ];
    for (what, path, limit) in queries {
        progress(&format!("query: {what}"));
        let watch = Deadline::after(Duration::from_secs(plan.seconds));
        let mut times = Times::default();
        let mut bytes = 0;
        while !watch.left().is_zero() {
            let asked = Deadline::after(Duration::MAX);
            let answer = http::ask(&controller.http, "GET", &path, "");
            let took = asked.elapsed();
            bytes = answer.as_ref().map_or(bytes, |answer| answer.body.len());
            times.note(took, answer, "");
            thread::park_timeout(PAUSE);
        }
        figures.add(
            &format!("query: {what}, size"),
            bytes as f64 / 1024.0,
            "KiB",
        );
        figures.add(&format!("query: {what}, half within"), times.ms(0.5), "ms");
        let label = format!("query: {what}, 99 % within");
        match limit {
            Some(limit) => figures.at_most(limit, &label, times.ms(0.99), "ms"),
            None => figures.add(&label, times.ms(0.99), "ms"),
        }
        let lost = times.lost.len() as f64;
        figures.at_most(0.0, &format!("query: {what}, not answered"), lost, "");
    }
}
