//! D1: strangers from many addresses connect, say a valid first message, and go.

use core::time::Duration;
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;

use smol::{LocalExecutor, Timer, future};

use super::connect::{connect, opens, says, source};
use super::figures::Figures;
use super::owner::{commands, commands_for};
use super::rig::Rig;
use super::{Extent, Farm, Stop, seconds};
use crate::clock::Deadline;

/// Sockets that are open at a time; the rest of the rate is left out and counted.
const OPEN: u32 = 4_000;
/// Between two handfuls of connections.
const STEP: Duration = Duration::from_millis(2);
/// A connection is given up after this.
const PATIENCE: Duration = Duration::from_secs(6);
/// First messages in stock, each with a key of its own.
const STOCK: usize = 256;
/// A registered rig of which nobody asks anything: it comes back all the time.
const RETURNING: u64 = 1_000;

/// What became of the attackers' connections.
#[derive(Debug, Default)]
struct Counts {
    begun: Cell<u64>,
    answered: Cell<u64>,
    refused: Cell<u64>,
    failed: Cell<u64>,
    left_out: Cell<u64>,
    open: Cell<u32>,
}

/// The same when it is over.
#[derive(Clone, Copy, Debug, Default)]
struct Flooded {
    begun: u64,
    answered: u64,
    refused: u64,
    failed: u64,
    left_out: u64,
    seconds: f64,
}

#[expect(clippy::cast_precision_loss, reason = "some millions at most")]
pub(super) fn run(
    farm: &mut Farm,
    extent: &Extent,
    progress: impl Fn(&str),
) -> Result<Figures, String> {
    let gauge = farm.gauge;
    let mut returning = Rig::new(farm.register(RETURNING)?);
    let names = farm.names();
    let mut figures = Figures::default();
    // Its first link makes its address known, and both phases find warm programs.
    farm.connects(&mut returning)
        .ok_or("the returning rig is turned away")?;
    commands_for(&farm.http, &names, Duration::from_secs(1));
    let (effects, links) = farm.deeds();

    progress("commands in peace");
    let cpu = gauge.cpu_secs();
    let peace = commands_for(&farm.http, &names, seconds(extent));
    let peace_cpu = (gauge.cpu_secs() - cpu) / seconds(extent).as_secs_f64();
    let rss = gauge.rss_kib();

    progress("flood");
    let (stop, stop_commands) = (Stop::default(), Stop::default());
    let stock: Vec<_> = (0..STOCK).map(|_| farm.first_message()).collect();
    let cpu = gauge.cpu_secs();
    let (flooded, flood, highest, mut returns) = thread::scope(|scope| {
        let attackers = scope.spawn(|| flood(farm.smsg, extent, &stock, &stop));
        let owner = scope.spawn(|| commands(&farm.http, &names, &stop_commands));
        let memory = scope.spawn(|| gauge.highest_rss(&stop_commands));
        let limit = Deadline::after(seconds(extent));
        let mut returns = Vec::new();
        while !limit.left().is_zero() {
            returns.push(farm.connects(&mut returning));
            Deadline::after(limit.left().min(Duration::from_millis(500))).wait();
        }
        stop.set();
        let flooded = attackers.join().unwrap_or_default();
        stop_commands.set();
        let flood = owner.join().unwrap_or_default();
        (flooded, flood, memory.join().unwrap_or(f64::NAN), returns)
    });
    let flood_cpu = (gauge.cpu_secs() - cpu) / flooded.seconds;
    let (effects_now, links_now) = farm.deeds();

    figures.add("sources", extent.sources.into(), "");
    figures.add("rate asked for", extent.rate.into(), "/s");
    figures.add("rate reached", flooded.begun as f64 / flooded.seconds, "/s");
    figures.add("handshakes answered", flooded.answered as f64, "");
    let answered = flooded.answered as f64 / flooded.seconds;
    figures.add("handshakes answered in a second", answered, "/s");
    figures.add("connections refused", flooded.refused as f64, "");
    figures.add("connections without an answer", flooded.failed as f64, "");
    figures.add(
        "connections left out, too many open",
        flooded.left_out as f64,
        "",
    );
    peace.figures(&mut figures, "before");
    flood.figures(&mut figures, "during");
    for name in ["command p99 during", "ping p99 during"] {
        promise(&mut figures, name, 250.0);
    }
    let lost = peace.lost() + flood.lost();
    figures.at_most(0.0, "commands and pings lost", lost as f64, "");
    let made = (peace.commands.count() + flood.commands.count()) as u64;
    let doubled = (effects_now - effects).abs_diff(made);
    figures.at_most(0.0, "effects that differ from commands", doubled as f64, "");
    figures.at_most(
        0.0,
        "links of registered rigs lost",
        (links_now - links) as f64,
        "",
    );
    let turned_away = returns.iter().filter(|took| took.is_none()).count();
    returns.sort_unstable();
    figures.add("returns of a registered rig", returns.len() as f64, "");
    figures.at_most(0.0, "returns turned away", turned_away as f64, "");
    let slowest = returns.last().copied().flatten().unwrap_or_default();
    figures.at_most(1_000.0, "slowest return", slowest.as_secs_f64() * 1e3, "ms");
    figures.add("memory before", rss, "KiB");
    figures.at_most(
        16_384.0,
        "memory growth at its highest",
        highest - rss,
        "KiB",
    );
    figures.add("processor time before", peace_cpu * 100.0, "% of a core");
    figures.add("processor time during", flood_cpu * 100.0, "% of a core");
    note_lost(&peace, &flood, &progress);
    Ok(figures)
}

/// A figure that is there already gets its limit.
pub(super) fn promise(figures: &mut Figures, what: &str, limit: f64) {
    if let Some(figure) = figures.0.iter_mut().find(|figure| figure.what == what) {
        figure.limit = Some(limit);
    }
}

fn note_lost(peace: &super::owner::Seen, flood: &super::owner::Seen, progress: &impl Fn(&str)) {
    for seen in [peace, flood] {
        for times in [&seen.pings, &seen.commands] {
            times.lost.iter().take(3).for_each(|lost| progress(lost));
        }
    }
}

/// Connects at the rate, from all sources in turn, until told to stop and all are gone.
fn flood(to: SocketAddr, extent: &Extent, stock: &[Vec<u8>], stop: &Stop) -> Flooded {
    let executor = LocalExecutor::new();
    let counts = Rc::<Counts>::default();
    let watch = Deadline::after(Duration::MAX);
    let attack = async {
        let mut due = 0;
        while !stop.is_set() {
            Timer::after(STEP).await;
            let until = watch.elapsed().as_micros() * u128::from(extent.rate) / 1_000_000;
            while due < until {
                due += 1;
                if counts.open.get() >= OPEN {
                    add(&counts.left_out);
                    continue;
                }
                add(&counts.begun);
                counts.open.set(counts.open.get() + 1);
                let from = source(u32::try_from(due).unwrap_or(0) % extent.sources);
                let first = usize::try_from(due).ok().and_then(|n| stock.get(n % STOCK));
                let first = first.map_or(&[][..], Vec::as_slice);
                let counts = Rc::clone(&counts);
                executor
                    .spawn(async move {
                        let late = async {
                            Timer::after(PATIENCE).await;
                            Err(io::ErrorKind::TimedOut.into())
                        };
                        let told = future::or(one(from, to, first), late).await;
                        add(match told {
                            Ok(true) => &counts.answered,
                            Ok(false) => &counts.refused,
                            Err(error) if error.kind() == io::ErrorKind::TimedOut => &counts.failed,
                            // A reset is how a refusal with unread bytes looks.
                            Err(_) => &counts.refused,
                        });
                        counts.open.set(counts.open.get() - 1);
                    })
                    .detach();
            }
        }
        let seconds = watch.elapsed().as_secs_f64();
        while counts.open.get() > 0 {
            Timer::after(STEP).await;
        }
        seconds
    };
    let seconds = smol::block_on(executor.run(attack));
    Flooded {
        begun: counts.begun.get(),
        answered: counts.answered.get(),
        refused: counts.refused.get(),
        failed: counts.failed.get(),
        left_out: counts.left_out.get(),
        seconds,
    }
}

/// One connection; whether its handshake was answered.
async fn one(from: std::net::Ipv4Addr, to: SocketAddr, first: &[u8]) -> io::Result<bool> {
    let mut stream = connect(from, to).await?;
    Ok(opens(&mut stream).await? && says(&mut stream, first, b"SMSG").await?)
}

fn add(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}
