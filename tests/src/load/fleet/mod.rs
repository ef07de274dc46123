//! S1 and S2: a whole farm of simulated rigs on one controller, from power-on to a restart of the
//! controller, in figures.
//!
//! ```text
//!   this process, the second processor                     a process of its own, the first processor
//!   ┌ crowd   a task per rig, real links ────────────────▶ miner-ctrl node serve
//!   │         10,000 addresses of 127.64.0.0/10              registry.rs wrote its rows beforehand
//!   └ owner   REST: what a page asks, start, stop ───────▶   RSS and CPU from /proc
//! ```
//! | phase | what happens | figures |
//! |---|---|---|
//! | power-on | all rigs dial at the same moment | until all are online, dials, processor time, memory |
//! | start | all are told to mine, with one request | until each has done it, and the controller knows |
//! | steady | nothing but reports and pings | processor time, memory, links lost |
//! | page | the owner looks, again and again | latency of each query |
//! | stop | all are told to stop, with one request | the same, done twice, not done |
//! | restart | the controller ends and comes back | until 95 % and all are back, dials, wishes lost |
//!
//! What the controller admits, by address and in all, is what it admits from anybody: nothing is
//! switched off for the test.

mod crowd;
mod curve;
mod mixed;
mod orders;
mod queries;
mod registry;
mod report;
mod rig;
mod show;
mod tally;

use core::time::Duration;
use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use self::crowd::Crowd;
use self::curve::Curve;
pub use self::show::Show;
use super::Figures;
use super::controller::{Controller, any_port};
use super::gauge::Gauge;
use crate::clock::Deadline;
use crate::home::Home;

/// How large a farm, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Simulated rigs.
    pub rigs: u32,
    /// Loopback addresses that they come from.
    pub sources: u32,
    /// Whether the controller knows these addresses: rigs came from them within a day.
    pub known: bool,
    /// How long the steady phase is measured, and again the queries.
    pub seconds: u64,
    /// The controller gets the first processor for itself, the rigs the others.
    pub pinned: bool,
}

impl Plan {
    /// Most rigs: each takes a descriptor here and one in the controller, which has a bound of its own.
    pub const MAX_RIGS: u32 = 12_000;

    /// Runs all phases on a controller made for it. `progress` hears what is being done, often.
    ///
    /// # Errors
    /// The programs cannot be built or started, or the farm does not come online: nothing was measured.
    pub fn run(&self, progress: impl Fn(&str)) -> Result<Figures, String> {
        let mut figures = Figures::default();
        figures.add("rigs", self.rigs.into(), "");
        figures.add("addresses that they come from", self.sources.into(), "");
        figures.add(
            "of these known",
            if self.known { self.sources.into() } else { 0.0 },
            "",
        );
        figures.add("load of the machine before", load(), "");
        progress("a registry of known rigs");
        let home = Home::new("controller").map_err(|error| error.to_string())?;
        Controller::init(&home)?;
        let known = if self.known { self.sources } else { 0 };
        let known: Vec<_> = (0..known).map(crowd::source).collect();
        registry::write(&home, self.rigs, &known)?;
        let processors = Processors::of(self.pinned);
        let controller = processors.start(|| Controller::start(&home, any_port(), any_port()))?;
        let fleet = Fleet {
            plan: *self,
            progress,
        };
        fleet.run(&home, controller, processors, &mut figures)?;
        figures.add("load of the machine after", load(), "");
        Ok(figures)
    }
}

/// What the phases share.
struct Fleet<P> {
    plan: Plan,
    progress: P,
}

/// The whole farm is online within this, or never.
const PATIENCE: Duration = Duration::from_secs(300);
impl<P: Fn(&str)> Fleet<P> {
    fn run(
        &self,
        home: &Home,
        controller: Controller,
        processors: Processors,
        figures: &mut Figures,
    ) -> Result<(), String> {
        let Plan { rigs, sources, .. } = self.plan;
        let empty_kib = controller.gauge.rss_kib();
        figures.add("memory before the first link", empty_kib, "KiB");
        (self.progress)("keys of the rigs");
        let crowd = Crowd::start(
            rigs,
            sources,
            controller.smsg,
            controller.key,
            processors,
            false,
        );
        self.power_on(&crowd, &controller, figures)?;
        (self.progress)("start");
        orders::profile(&controller.http)?;
        self.order("start", &crowd, &controller, figures);
        self.steady(&crowd, &controller, figures);
        queries::measure(&self.plan, &controller, figures, &self.progress);
        self.order("stop", &crowd, &controller, figures);
        self.restart(home, &crowd, controller, processors, figures)
    }

    fn power_on(
        &self,
        crowd: &Crowd,
        controller: &Controller,
        figures: &mut Figures,
    ) -> Result<(), String> {
        let (cpu, own) = (controller.gauge.cpu_secs(), Gauge::own().cpu_secs());
        let curve = self.come_online(crowd, "power-on")?;
        let cpu = controller.gauge.cpu_secs() - cpu;
        let own = Gauge::own().cpu_secs() - own;
        let all = u64::from(self.plan.rigs);
        figures.add(
            "power-on: 95 % online",
            curve.seconds_to(all * 95 / 100),
            "s",
        );
        figures.at_most(60.0, "power-on: all online", curve.seconds_to(all), "s");
        self.dials("power-on", crowd, &curve, figures);
        figures.add("power-on: processor time of the controller", cpu, "s");
        figures.add("power-on: processor time of the rigs", own, "s");
        figures.add("power-on: memory", controller.gauge.rss_kib(), "KiB");
        Ok(())
    }

    fn come_online(&self, crowd: &Crowd, phase: &str) -> Result<Curve, String> {
        let all = u64::from(self.plan.rigs);
        let mut curve = Curve::new(&crowd.tally);
        curve.follow(&crowd.tally, all, PATIENCE, |online| {
            (self.progress)(&format!("{phase}: {online} of {all} rigs are online"));
        })?;
        Ok(curve)
    }

    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    fn dials(&self, phase: &str, crowd: &Crowd, curve: &Curve, figures: &mut Figures) {
        let turned_away = crowd.tally.turned_away.get() as f64;
        figures.add(
            &format!("{phase}: dials turned away until then"),
            turned_away,
            "",
        );
        let dials = curve.most_dials() as f64;
        figures.add(&format!("{phase}: most dials in a second"), dials, "");
        let links = curve.most_links() as f64;
        figures.add(&format!("{phase}: most links in a second"), links, "");
    }

    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    fn steady(&self, crowd: &Crowd, controller: &Controller, figures: &mut Figures) {
        (self.progress)("steady: settling");
        // What the orders left behind is done.
        Deadline::after(Duration::from_secs(self.plan.seconds) / 2).wait();
        let gauge = controller.gauge;
        (self.progress)("steady: measuring");
        let before = (
            gauge.cpu_secs(),
            crowd.tally.heartbeats.get(),
            crowd.tally.ended.get(),
        );
        let watch = Deadline::after(Duration::from_secs(self.plan.seconds));
        watch.wait();
        let secs = watch.elapsed().as_secs_f64();
        let percent = (gauge.cpu_secs() - before.0) / secs * 100.0;
        let reports = (crowd.tally.heartbeats.get() - before.1) as f64 / secs;
        figures.at_most(60.0, "steady: part of one core", percent, "%");
        figures.add("steady: reports in a second", reports, "");
        let lost = crowd.tally.ended.get() - before.2;
        figures.at_most(0.0, "steady: links lost", lost as f64, "");
        let rss = gauge.rss_kib();
        figures.add("steady: memory", rss, "KiB");
        let of_a_rig = rss / f64::from(self.plan.rigs);
        figures.at_most(32.0, "steady: memory by rigs", of_a_rig, "KiB");
    }

    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    fn order(&self, verb: &str, crowd: &Crowd, controller: &Controller, figures: &mut Figures) {
        let tally = &crowd.tally;
        (self.progress)(&format!("{verb} to all"));
        let (begun, effects) = (tally.now_ms(), tally.effects.get());
        let (cpu, own) = (controller.gauge.cpu_secs(), Gauge::own().cpu_secs());
        let answers = orders::give(&controller.http, verb, self.plan.rigs);
        let cpu = controller.gauge.cpu_secs() - cpu;
        let own = Gauge::own().cpu_secs() - own;
        let mut took = tally.obeyed_since(begun);
        took.sort_unstable();
        let done = u64::try_from(took.len()).unwrap_or(u64::MAX);
        let lost = u64::from(self.plan.rigs).saturating_sub(done);
        let twice = (tally.effects.get() - effects).saturating_sub(done);
        let part = |part: usize| {
            let at = (took.len() * part / 100).min(took.len().saturating_sub(1));
            took.get(at)
                .map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
        };
        figures.add(
            &format!("{verb}: half of the rigs have done it"),
            part(50),
            "ms",
        );
        figures.at_most(
            3_000.0,
            &format!("{verb}: 99 % of the rigs have done it"),
            part(99),
            "ms",
        );
        let known = answers.known.as_secs_f64() * 1e3;
        figures.at_most(
            3_000.0,
            &format!("{verb}: 99 % of the receipts are known"),
            known,
            "ms",
        );
        let last = answers.took.as_secs_f64() * 1e3;
        figures.add(&format!("{verb}: the request is answered"), last, "ms");
        figures.add(
            &format!("{verb}: processor time of the controller"),
            cpu,
            "s",
        );
        figures.add(&format!("{verb}: processor time of the rigs"), own, "s");
        figures.at_most(
            0.0,
            &format!("{verb}: receipts missing"),
            answers.missing as f64,
            "",
        );
        figures.at_most(
            0.0,
            &format!("{verb}: rigs that have not done it"),
            lost as f64,
            "",
        );
        figures.at_most(0.0, &format!("{verb}: done twice"), twice as f64, "");
    }

    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    fn restart(
        &self,
        home: &Home,
        crowd: &Crowd,
        controller: Controller,
        processors: Processors,
        figures: &mut Figures,
    ) -> Result<(), String> {
        (self.progress)("restart");
        let tally = &crowd.tally;
        let all = u64::from(self.plan.rigs);
        let effects = tally.effects.get();
        let (http, smsg) = (controller.http.at, controller.smsg);
        let own = Gauge::own().cpu_secs();
        let down = Deadline::after(PATIENCE);
        let mut curve = Curve::new(tally);
        controller.end()?;
        let controller = processors.start(|| Controller::start(home, http, smsg))?;
        figures.add(
            "restart: controller away",
            down.elapsed().as_secs_f64(),
            "s",
        );
        curve.follow(tally, all, PATIENCE, |online| {
            (self.progress)(&format!("restart: {online} of {all} rigs are back"));
        })?;
        figures.at_most(
            30.0,
            "restart: 95 % are back",
            curve.seconds_to(all * 95 / 100),
            "s",
        );
        figures.at_most(90.0, "restart: all are back", curve.seconds_to(all), "s");
        self.dials("restart", crowd, &curve, figures);
        figures.add(
            "restart: processor time of the controller",
            controller.gauge.cpu_secs(),
            "s",
        );
        let own = Gauge::own().cpu_secs() - own;
        figures.add("restart: processor time of the rigs", own, "s");
        figures.add("restart: memory", controller.gauge.rss_kib(), "KiB");
        let behind = orders::not_as_wished(&controller.http, self.plan.rigs)?;
        figures.at_most(0.0, "restart: rigs not as wished", behind as f64, "");
        let again = tally.effects.get() - effects;
        figures.at_most(0.0, "restart: commands done again", again as f64, "");
        Ok(())
    }
}

/// Which processors whoever runs may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Processors {
    all: Option<CpuSet>,
}

impl Processors {
    /// Those of this process, if there are two at least and the controller is to have its own.
    fn of(pinned: bool) -> Self {
        let all = sched_getaffinity(None).ok();
        Self {
            all: all.filter(|all| pinned && all.count() > 1),
        }
    }

    fn first(all: &CpuSet) -> Option<usize> {
        (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu))
    }

    /// Starts a program that stays on the first processor.
    fn start<T>(self, start: impl FnOnce() -> T) -> T {
        let Some((all, first)) = self.all.and_then(|all| Some((all, Self::first(&all)?))) else {
            return start();
        };
        let mut one = CpuSet::new();
        one.set(first);
        // A child gets what its parent has. It fails only for processors that there are not.
        let _narrow = sched_setaffinity(None, &one);
        let started = start();
        let _wide = sched_setaffinity(None, &all);
        started
    }

    /// Keeps this thread off the first processor.
    fn for_rigs(self) {
        if let Some((mut rest, first)) = self.all.and_then(|all| Some((all, Self::first(&all)?))) {
            rest.unset(first);
            let _others = sched_setaffinity(None, &rest);
        }
    }
}

/// The kernel's average of runnable programs over the last minute: what else the machine did.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
}
