//! D3: strangers that send more than anybody may: each is refused before anything is allocated for it.

use core::time::Duration;
use std::net::SocketAddr;
use std::thread;

use smol::io::AsyncWriteExt as _;
use smol::{LocalExecutor, Timer, future};

use super::connect::{OPENING, connect, ended, frame, opens, source};
use super::figures::Figures;
use super::owner::commands_for;
use super::{Extent, Farm, Stop, seconds};

/// Connections of one kind that are open at a time.
const AT_ONCE: u32 = 16;
/// Longer than any of them may stay.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is sent, and what is sent before it.
struct Kind {
    name: &'static str,
    opened: bool,
    bytes: Vec<u8>,
    times: u32,
}

fn kinds() -> Vec<Kind> {
    let opened = |name, bytes, times| Kind {
        name,
        opened: true,
        bytes,
        times,
    };
    let announced = [&[0x82, 0xff][..], &(16_u64 << 20).to_be_bytes(), &[0; 4]].concat();
    let long = [&[0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0][..], &[0; 0xffff]].concat();
    vec![
        Kind {
            name: "a header of 64 KiB",
            opened: false,
            bytes: format!("{OPENING}X: {}", "x".repeat(64 * 1024)).into_bytes(),
            times: 1,
        },
        opened("a frame of 16 MiB, announced", announced, 1),
        opened("a frame of 64 KiB", long, 1),
        opened("text", frame(0x81, b"hello"), 1),
        opened("pings without end", frame(0x89, b""), 4_000),
        opened("fragments of a byte", frame(0x00, b"x"), 4_000),
        opened("a compressed frame", frame(0xc2, b"x"), 1),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
pub(super) fn run(
    farm: &mut Farm,
    extent: &Extent,
    progress: impl Fn(&str),
) -> Result<Figures, String> {
    let gauge = farm.gauge;
    let names = farm.names();
    let mut figures = Figures::default();
    figures.add("connections of each kind", extent.count.into(), "");
    // The first of each kind touch code and arenas that were never used.
    for kind in kinds() {
        attack(farm.smsg, extent, AT_ONCE, &kind);
    }
    let peace = commands_for(&farm.http, &names, seconds(extent));
    let rss = gauge.rss_kib();
    let mut open = 0;
    let mut highest: f64 = 0.0;
    for kind in kinds() {
        progress(kind.name);
        let gone = Stop::default();
        let (left, peak) = thread::scope(|scope| {
            let memory = scope.spawn(|| gauge.highest_rss(&gone));
            let left = attack(farm.smsg, extent, extent.count, &kind);
            gone.set();
            (left, memory.join().unwrap_or(f64::NAN))
        });
        open += left;
        highest = highest.max(peak);
    }
    let after = commands_for(&farm.http, &names, seconds(extent));
    figures.at_most(0.0, "never closed", open as f64, "");
    figures.add("memory before", rss, "KiB");
    figures.at_most(
        1_024.0,
        "memory growth at its highest",
        highest - rss,
        "KiB",
    );
    figures.add("memory growth that stays", gauge.rss_kib() - rss, "KiB");
    let lost = peace.lost() + after.lost();
    figures.at_most(0.0, "commands and pings lost", lost as f64, "");
    Ok(figures)
}

/// Opens so many connections, some at a time; how many the controller did not close.
fn attack(to: SocketAddr, extent: &Extent, count: u32, kind: &Kind) -> usize {
    let executor = LocalExecutor::new();
    let all = async {
        let mut open = 0;
        for first in (0..count).step_by(AT_ONCE as usize) {
            let some = first..count.min(first + AT_ONCE);
            let tasks: Vec<_> = some
                .map(|n| executor.spawn(one(source(n % extent.sources), to, kind)))
                .collect();
            for task in tasks {
                open += usize::from(!task.await);
            }
        }
        open
    };
    smol::block_on(executor.run(all))
}

/// One connection; whether it was closed.
async fn one(from: std::net::Ipv4Addr, to: SocketAddr, kind: &Kind) -> bool {
    let talk = async {
        let Ok(mut stream) = connect(from, to).await else {
            return true;
        };
        if kind.opened {
            // Refused at once is closed too.
            if !opens(&mut stream).await.unwrap_or(false) {
                return true;
            }
        }
        let send = async {
            let mut stream = &stream;
            for _ in 0..kind.times {
                if stream.write_all(&kind.bytes).await.is_err() {
                    break;
                }
            }
            future::pending().await
        };
        let closed = async {
            ended(&stream).await;
            true
        };
        future::or(closed, send).await
    };
    let late = async {
        Timer::after(PATIENCE).await;
        false
    };
    future::or(talk, late).await
}
