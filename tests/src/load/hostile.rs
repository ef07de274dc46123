//! D4: registered rigs that report as fast as their sockets take it, and what the others feel of it.

use core::time::Duration;
use std::thread;

use super::figures::Figures;
use super::owner::{Seen, commands_for};
use super::rig::Rig;
use super::{Extent, Farm, Stop, seconds};
use crate::clock::Deadline;

/// Turns of peace and attack: a shared machine changes its pace within one run.
const ROUNDS: u32 = 4;
/// Messages that a hostile rig has for a second; how many it gets rid of is the controller's matter.
const MESSAGES: u64 = 10_000;
/// Hostile rigs have numbers from here on.
const FIRST: u64 = 2_000;

#[expect(clippy::cast_precision_loss, reason = "some millions at most")]
pub(super) fn run(
    farm: &mut Farm,
    extent: &Extent,
    progress: impl Fn(&str),
) -> Result<Figures, String> {
    let gauge = farm.gauge;
    let names = farm.names();
    let nodes: Result<Vec<_>, _> = (FIRST..)
        .take(extent.count as usize)
        .map(|n| farm.register(n))
        .collect();
    let mut hostile: Vec<_> = nodes?.into_iter().map(Rig::new).collect();
    commands_for(&farm.http, &names, Duration::from_secs(1));
    let (effects, links) = farm.deeds();
    let (mut peace, mut attack) = (Seen::default(), Seen::default());
    let (mut sent, mut attacked, mut cpu) = (0, 0.0, 0.0);
    let phase = seconds(extent) / ROUNDS;
    let rss = gauge.rss_kib();
    let mut highest = rss;
    for round in 1..=ROUNDS {
        progress(&format!("round {round} of {ROUNDS}"));
        peace.add(commands_for(&farm.http, &names, phase));
        let count = MESSAGES * phase.as_secs().max(1);
        let loaded: Result<Vec<_>, _> = hostile
            .iter_mut()
            .map(|rig| rig.loads(farm.smsg, farm.controller, count))
            .collect();
        let loaded = loaded.map_err(|error| format!("a hostile rig is turned away: {error}"))?;
        let stop = Stop::default();
        let before = gauge.cpu_secs();
        let watch = Deadline::after(Duration::MAX);
        let (seen, messages, peak) = thread::scope(|scope| {
            let stop = &stop;
            let floods: Vec<_> = loaded
                .into_iter()
                .map(|rig| scope.spawn(move || rig.fires(stop)))
                .collect();
            let memory = scope.spawn(move || gauge.highest_rss(stop));
            let seen = commands_for(&farm.http, &names, phase);
            stop.set();
            let messages = floods.into_iter().filter_map(|flood| flood.join().ok());
            (
                seen,
                messages.sum::<u64>(),
                memory.join().unwrap_or(f64::NAN),
            )
        });
        attacked += watch.elapsed().as_secs_f64();
        cpu += gauge.cpu_secs() - before;
        attack.add(seen);
        sent += messages;
        highest = highest.max(peak);
    }
    let (effects_now, links_now) = farm.deeds();

    let mut figures = Figures::default();
    figures.add("hostile rigs", extent.count.into(), "");
    figures.add(
        "messages that they got rid of",
        sent as f64 / attacked,
        "/s",
    );
    peace.figures(&mut figures, "before");
    attack.figures(&mut figures, "during");
    for what in ["command", "ping"] {
        let p99 = |phase| figures.of(&format!("{what} p99 {phase}"));
        let ratio = p99("during") / p99("before");
        figures.at_most(2.0, &format!("{what} p99, during to before"), ratio, "");
    }
    let lost = peace.lost() + attack.lost();
    figures.at_most(0.0, "commands and pings lost", lost as f64, "");
    let made = (peace.commands.count() + attack.commands.count()) as u64;
    let doubled = (effects_now - effects).abs_diff(made);
    figures.at_most(0.0, "effects that differ from commands", doubled as f64, "");
    figures.at_most(
        0.0,
        "links of the others lost",
        (links_now - links) as f64,
        "",
    );
    figures.add("memory growth at its highest", highest - rss, "KiB");
    figures.add(
        "processor time during",
        cpu / attacked * 100.0,
        "% of a core",
    );
    Ok(figures)
}
