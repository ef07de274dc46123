//! The tasks of process 1, and the life of the worker.
//!
//! ```text
//!   state there, randomness there, address there or 10 s over ─▶ start ─▶ runs ─▶ ended
//!                                                                  ▲               │ code 10, 11 ─▶ end of
//!                                                                  └─ 1, 2, 4 ..30 s ◀┘              machine
//!   end of the machine: SIGTERM to the worker, 5 s, SIGKILL ─▶ watchdog off ─▶ volume unmounted ─▶ reboot(2)
//! ```
//! A worker that ran for a minute is started anew after a second. Every process that lost its parent is
//! process 1's child, and is reaped as the worker is.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::rc::Rc;

use async_signal::{Signal, Signals};
use log::{error, info, warn};
use miner_shared::cmdline::Key;
use miner_shared::time::Millis;
use rustix::process::{Pid, Signal as Kill, WaitOptions, WaitStatus, kill_process, waitpid};
use smol::LocalExecutor;
use smol::channel::{Receiver, Sender, bounded};
use smol::future;
use smol::stream::StreamExt;

use super::net::Net;
use super::screen::{Screen, Shown};
use super::settings::{self, Told};
use super::slots::{self, Next, Slots};
use super::state::{self, Home};
use super::watchdog::{PET_MS, Pulse, STALE_MS, Watchdog, pulse};
use super::worker::Orders;
use super::{Root, console, entropy, hostname};
use crate::cli::Exit;
use crate::clock::Clock;
use crate::platform;
use crate::platform::machine::{self, MachineEnd};
use crate::report::Report;

/// How long the worker's first start waits for an address, which may bring the machine's name.
const ADDRESS_MS: u64 = 10_000;
/// How long a worker has to end by itself.
const LAST_MS: u64 = 5_000;
/// Shortest and longest time between two starts of the worker.
const REST_MS: u64 = 1_000;
const LONGEST_REST_MS: u64 = 30_000;
/// A worker that ran for so long had begun well.
const RAN_WELL_MS: u64 = 60_000;
/// Between two looks at what the console shows.
const LOOK_MS: u64 = 1_000;
/// From the last word about an update until the machine starts anew.
const FAREWELL_MS: u64 = 5_000;
/// Between two attempts to end a machine that goes on.
const AGAIN_MS: u64 = 10_000;

/// What the tasks of process 1 share.
pub(super) struct Supervisor {
    root: Root,
    early: Told,
    clock: Clock,
    net: Net,
    worker: Cell<Option<Running>>,
    /// Where the worker reports, once it was started.
    report: RefCell<Option<File>>,
    shown: RefCell<Shown>,
    home: RefCell<Option<Home>>,
    /// Taken by the task that keeps them.
    slots: RefCell<Option<Slots>>,
    watchdog: RefCell<Watchdog>,
    ended: (Sender<WaitStatus>, Receiver<WaitStatus>),
    /// Whether the machine is on its way to its end: no worker is started any more.
    ending: Cell<bool>,
    /// A person or the worker wants the machine to end.
    ends: (Sender<MachineEnd>, Receiver<MachineEnd>),
}

#[derive(Clone, Copy, Debug)]
struct Running {
    pid: Pid,
    since: Millis,
}

impl Supervisor {
    pub(super) fn new(root: Root, early: Told, clock: Clock) -> Self {
        let watchdog = RefCell::new(Watchdog::open(&root));
        let slots = RefCell::new(Some(Slots::begin(&root, clock.now())));
        Self {
            root,
            early,
            clock,
            net: Net::default(),
            worker: Cell::default(),
            report: RefCell::default(),
            shown: RefCell::default(),
            home: RefCell::default(),
            slots,
            watchdog,
            ended: bounded(1),
            ending: Cell::default(),
            ends: bounded(1),
        }
    }

    /// Runs all tasks, for ever.
    pub(super) fn run(self: Rc<Self>) {
        let executor = LocalExecutor::new();
        let on = || Rc::clone(&self);
        let (net, worker, watch, show, signals) = (on(), on(), on(), on(), on());
        let update = on();
        executor
            .spawn(async move { net.net.keep(&net.root, net.early.ip(), net.clock).await })
            .detach();
        executor.spawn(async move { worker.work().await }).detach();
        executor.spawn(async move { watch.watch().await }).detach();
        executor.spawn(async move { show.show().await }).detach();
        executor
            .spawn(async move { update.update().await })
            .detach();
        executor.spawn(async move { signals.hear().await }).detach();
        smol::block_on(executor.run(self.wait_for_end()));
    }

    async fn sleep(&self, ms: u64) {
        self.clock.timer_at(self.clock.now() + ms).await;
    }

    /// Reaps every child, and takes Ctrl-Alt-Del for the wish to start anew.
    async fn hear(&self) {
        let mut signals = match Signals::new([Signal::Child, Signal::Int]) {
            Ok(signals) => Some(signals),
            Err(error) => {
                warn!("no signals: {error}; looking each second instead");
                None
            }
        };
        loop {
            self.reap();
            let signal = async {
                match &mut signals {
                    Some(signals) => signals.next().await.and_then(Result::ok),
                    None => future::pending().await,
                }
            };
            let second = async {
                self.sleep(LOOK_MS).await;
                None
            };
            if future::or(signal, second).await == Some(Signal::Int) {
                warn!("Ctrl-Alt-Del: the machine starts anew");
                let _ = self.ends.0.try_send(MachineEnd::Reboot);
            }
        }
    }

    fn reap(&self) {
        while let Ok(Some((pid, status))) = waitpid(None, WaitOptions::NOHANG) {
            if self.worker.get().is_some_and(|worker| worker.pid == pid) {
                self.worker.set(None);
                let _ = self.ended.0.try_send(status);
            }
        }
    }

    /// The worker's life.
    async fn work(&self) {
        self.shown.borrow_mut().controller = self.early.controllers().next().map(str::to_owned);
        let home = state::settle(&self.root, self.clock).await;
        self.shown.borrow_mut().kept = home.kept.to_string();
        let told = settings::read(&self.root, home.volume());
        entropy::seeded(self.clock).await;
        let address = async {
            while !self.net.is_up() {
                self.sleep(100).await;
            }
        };
        future::or(address, self.sleep(ADDRESS_MS)).await;
        hostname::set(
            home.volume(),
            told.get(Key::Name),
            self.net.host_name().as_deref(),
            self.net.mac(),
        );
        self.shown.borrow_mut().host = platform::host_name().to_string();
        *self.home.borrow_mut() = Some(home.clone());
        let mut failures = 0;
        loop {
            let begun = self.clock.now();
            let why = match self.start(&told, &home) {
                Ok(()) => match self.ended.1.recv().await {
                    Ok(status) => self.ended_with(status),
                    Err(_) => String::from("the worker is gone"),
                },
                Err(error) => format!("the worker cannot be started: {error}"),
            };
            if self.ending.get() {
                return;
            }
            if self.clock.now().since(begun) >= RAN_WELL_MS {
                failures = 0;
            }
            let rest = rest_ms(failures);
            failures += 1;
            warn!("{why}; next start in {} s", rest / 1_000);
            self.shown.borrow_mut().without_worker = Some(why);
            self.sleep(rest).await;
            if self.ending.get() {
                return;
            }
        }
    }

    fn start(&self, told: &Told, home: &Home) -> std::io::Result<()> {
        let (orders, report) = Orders::prepare(&self.root, told, home)?;
        let pid = orders.start(&self.root)?;
        let since = self.clock.now();
        self.worker.set(Some(Running { pid, since }));
        *self.report.borrow_mut() = Some(report);
        let mut shown = self.shown.borrow_mut();
        shown.controller = orders.controller.as_ref().map(ToString::to_string);
        (shown.owned, shown.without_worker) = (Some(orders.owned), None);
        info!("worker started pid={}", pid.as_raw_nonzero());
        Ok(())
    }

    /// What a worker's end means, in words.
    fn ended_with(&self, status: WaitStatus) -> String {
        let code = status.exit_status();
        if let Some(how) = code.and_then(asked_for) {
            self.ending.set(true);
            let _ = self.ends.0.try_send(how);
        }
        match (code, status.terminating_signal()) {
            (Some(code), _) => format!("the worker ended with code {code}"),
            (None, Some(signal)) => format!("the worker was ended by signal {signal}"),
            (None, None) => String::from("the worker ended"),
        }
    }

    fn report(&self) -> Option<Report> {
        self.report.borrow().as_ref().and_then(Report::read)
    }

    /// Pets the watchdog as long as the worker lives, and kills a worker that hangs.
    async fn watch(&self) {
        loop {
            let running = self.worker.get();
            let started = running.map(|worker| self.clock.now().since(worker.since));
            let now = Millis(platform::uptime_ms().unwrap_or_default());
            let reported = self.report().map(|report| now.since(report.at));
            match (pulse(started, reported), running) {
                (Pulse::Stale, Some(worker)) => {
                    error!("the worker hangs: it is ended");
                    let _ = kill_process(worker.pid, Kill::KILL);
                }
                _ => self.watchdog.borrow_mut().pet(),
            }
            self.sleep(PET_MS).await;
        }
    }

    /// Keeps the slots of a disk image.
    async fn update(&self) {
        let Some(mut slots) = self.slots.take() else {
            return;
        };
        loop {
            self.sleep(LOOK_MS).await;
            let now = Millis(platform::uptime_ms().unwrap_or_default());
            let report = self
                .report()
                .filter(|report| now.since(report.at) < STALE_MS);
            let is_good =
                self.worker.get().is_some() && report.as_ref().is_some_and(slots::is_good);
            let home = self.home.borrow().clone();
            let home = home.as_ref().map(|home| &*home.folder);
            if slots.look(self.clock.now(), is_good, home).await == Next::StartAnew {
                // The worker can still say so.
                self.sleep(FAREWELL_MS).await;
                let _ = self.ends.0.try_send(MachineEnd::Reboot);
                return;
            }
        }
    }

    /// Keeps the console up to date.
    async fn show(&self) {
        let mut screen = Screen::default();
        self.shown.borrow_mut().host = platform::host_name().to_string();
        loop {
            let shown = Shown {
                report: self.report().or_else(|| self.shown.borrow().report.clone()),
                address: self.net.words(),
                ..self.shown.borrow().clone()
            };
            if let Some(block) = screen.due(&shown, self.clock.now()) {
                console::print(&self.root, &block);
            }
            #[cfg(feature = "boot-test")]
            self.end_after_test(&shown);
            // A record that is being written is none: the last one stays.
            self.shown.borrow_mut().report = shown.report;
            self.sleep(LOOK_MS).await;
        }
    }

    /// `miner.test=poweroff`: off once a controller is linked.
    #[cfg(feature = "boot-test")]
    fn end_after_test(&self, shown: &Shown) {
        let asked = self.early.get(Key::Test) == Some("poweroff");
        if asked && shown.report.as_ref().is_some_and(|report| report.linked) {
            let _ = self.ends.0.try_send(MachineEnd::PowerOff);
        }
    }

    /// Ends the machine when somebody says so. Returns only if nobody can any more.
    async fn wait_for_end(&self) {
        let Ok(mut how) = self.ends.1.recv().await else {
            return;
        };
        loop {
            self.end(how).await;
            // Better a machine that starts anew than one that does nothing.
            how = MachineEnd::Reboot;
            self.sleep(AGAIN_MS).await;
        }
    }

    async fn end(&self, how: MachineEnd) {
        self.ending.set(true);
        info!("the machine ends: {how:?}");
        if let Some(worker) = self.worker.get() {
            let _ = kill_process(worker.pid, Kill::TERM);
            let ended = async {
                while self.worker.get().is_some() {
                    self.sleep(50).await;
                }
            };
            future::or(ended, self.sleep(LAST_MS)).await;
            if let Some(worker) = self.worker.get() {
                warn!("the worker does not end: it is killed");
                let _ = kill_process(worker.pid, Kill::KILL);
                self.sleep(REST_MS).await;
            }
        }
        self.watchdog.borrow_mut().stop();
        if let Some(home) = self.home.borrow().as_ref() {
            state::leave(home);
        }
        let error = machine::end(how);
        error!("the machine goes on: {error}");
    }
}

/// What a worker asks for by its exit code.
fn asked_for(code: i32) -> Option<MachineEnd> {
    const REBOOT: i32 = Exit::Reboot as i32;
    const POWER_OFF: i32 = Exit::PowerOff as i32;
    match code {
        REBOOT => Some(MachineEnd::Reboot),
        POWER_OFF => Some(MachineEnd::PowerOff),
        _ => None,
    }
}

/// How long to wait after so many workers that did not begin well.
fn rest_ms(failures: u32) -> u64 {
    let doubled = 2_u64.saturating_pow(failures).saturating_mul(REST_MS);
    doubled.min(LONGEST_REST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_do_not_begin_well_are_started_ever_more_rarely() {
        let rests: Vec<u64> = (0..7).map(|n| rest_ms(n) / 1_000).collect();
        assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(rest_ms(63), LONGEST_REST_MS);
        assert_eq!(rest_ms(u32::MAX), LONGEST_REST_MS);
    }

    #[test]
    fn only_two_exit_codes_end_the_machine() {
        let asked: Vec<_> = (0..=255)
            .filter(|code| asked_for(*code).is_some())
            .collect();
        assert_eq!(asked, [10, 11]);
        assert_eq!(asked_for(10), Some(MachineEnd::Reboot));
        assert_eq!(asked_for(11), Some(MachineEnd::PowerOff));
    }
}
