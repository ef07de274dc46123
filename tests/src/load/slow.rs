//! D2: strangers that connect and stay: idle, a byte a second, or stuck after the first message.

use core::time::Duration;
use std::net::SocketAddr;
use std::thread;

use smol::io::AsyncWriteExt as _;
use smol::{LocalExecutor, Timer, future};

use super::connect::{OPENING, connect, ended, opens, source};
use super::figures::Figures;
use super::rig::Rig;
use super::{Extent, Farm, Stop};
use crate::clock::Deadline;

/// Longer than any of them may stay.
const PATIENCE: Duration = Duration::from_secs(30);
/// Rigs that connect meanwhile have these numbers: one came before, the other never.
const KNOWN: u64 = 1_000;
const NEW: u64 = 1_001;

/// How a stranger stays.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Idle,
    ByteASecond,
    Stuck,
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
pub(super) fn run(
    farm: &mut Farm,
    extent: &Extent,
    progress: impl Fn(&str),
) -> Result<Figures, String> {
    let gauge = farm.gauge;
    let mut known = Rig::new(farm.register(KNOWN)?);
    farm.connects(&mut known)
        .ok_or("the known rig is turned away")?;
    progress("sockets that stay");
    let stock: Vec<_> = (0..extent.count).map(|_| farm.first_message()).collect();
    let rss = gauge.rss_kib();
    let all_open = Stop::default();
    let gone = Stop::default();
    let (stays, mut returns, highest) = thread::scope(|scope| {
        let strangers = scope.spawn(|| stay(farm.smsg, extent, &stock, &all_open));
        let memory = scope.spawn(|| gauge.highest_rss(&gone));
        let limit = Deadline::after(PATIENCE);
        while !all_open.is_set() && limit.pause() {}
        let mut returns = Vec::new();
        while !strangers.is_finished() && limit.pause() {
            returns.push(farm.connects(&mut known));
        }
        gone.set();
        let stays = strangers.join().unwrap_or_default();
        (stays, returns, memory.join().unwrap_or(f64::NAN))
    });
    progress("a rig that was never seen");
    let mut new = Rig::new(farm.register(NEW)?);
    let took = farm.connects(&mut new);

    let mut figures = Figures::default();
    figures.add("sockets that stay", f64::from(extent.count) * 3.0, "");
    figures.add("sources", extent.sources.into(), "");
    let open = stays.iter().filter(|stay| stay.is_none()).count();
    figures.at_most(0.0, "never closed", open as f64, "");
    let at_once = stays
        .iter()
        .flatten()
        .filter(|took| took.as_millis() < 1_000);
    figures.add(
        "closed within a second: no place for them",
        at_once.count() as f64,
        "",
    );
    let longest = stays.iter().flatten().max().copied().unwrap_or_default();
    // The deadline itself, and a moment to close hundreds of them in.
    figures.at_most(5_250.0, "longest stay", longest.as_secs_f64() * 1e3, "ms");
    let turned_away = returns.iter().filter(|took| took.is_none()).count();
    returns.sort_unstable();
    figures.add(
        "connects of a known rig meanwhile",
        returns.len() as f64,
        "",
    );
    figures.at_most(0.0, "connects turned away", turned_away as f64, "");
    let slowest = returns.last().copied().flatten().unwrap_or_default();
    figures.at_most(
        1_000.0,
        "slowest connect",
        slowest.as_secs_f64() * 1e3,
        "ms",
    );
    let took = took.ok_or("a new rig is turned away after the attack")?;
    figures.add(
        "connect of a new rig afterwards",
        took.as_secs_f64() * 1e3,
        "ms",
    );
    figures.add("memory before", rss, "KiB");
    figures.add("memory growth at its highest", highest - rss, "KiB");
    Ok(figures)
}

/// Opens all sockets and waits until the controller has closed them; how long each was open, if it
/// was closed at all.
fn stay(
    to: SocketAddr,
    extent: &Extent,
    stock: &[Vec<u8>],
    all_open: &Stop,
) -> Vec<Option<Duration>> {
    let executor = LocalExecutor::new();
    let all = async {
        let kinds = [Kind::Idle, Kind::ByteASecond, Kind::Stuck];
        let mut tasks = Vec::new();
        for (n, first) in (0..).zip(stock) {
            for (k, kind) in (0..).zip(kinds) {
                let from = source((n * 3 + k) % extent.sources);
                tasks.push(executor.spawn(one(from, to, kind, first)));
            }
            // A moment for the controller: what is measured is the staying.
            Timer::after(Duration::from_millis(1)).await;
        }
        all_open.set();
        let mut stays = Vec::new();
        for task in tasks {
            stays.push(task.await);
        }
        stays
    };
    smol::block_on(executor.run(all))
}

async fn one(
    from: std::net::Ipv4Addr,
    to: SocketAddr,
    kind: Kind,
    first: &[u8],
) -> Option<Duration> {
    let watch = Deadline::after(PATIENCE);
    let Ok(mut stream) = connect(from, to).await else {
        // Reset before it was open.
        return Some(watch.elapsed());
    };
    if matches!(kind, Kind::Stuck) && !opens(&mut stream).await.unwrap_or(false) {
        return Some(watch.elapsed());
    }
    let send = async {
        let mut stream = &stream;
        match kind {
            Kind::Idle => {}
            // What cannot be written any more was closed: the reader says so.
            Kind::Stuck => drop(stream.write_all(first).await),
            Kind::ByteASecond => {
                for byte in OPENING.bytes().cycle() {
                    if stream.write_all(&[byte]).await.is_err() {
                        break;
                    }
                    Timer::after(Duration::from_secs(1)).await;
                }
            }
        }
        future::pending().await
    };
    let closed = async {
        ended(&stream).await;
        Some(watch.elapsed())
    };
    let late = async {
        Timer::after(PATIENCE).await;
        None
    };
    future::or(closed, future::or(late, send)).await
}
