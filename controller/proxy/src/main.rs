//! `miner-proxy`: the parts of this crate as a program of its own.

use std::net::SocketAddr;
use std::process::ExitCode;

use argh::FromArgs;
use async_signal::{Signal, Signals};
use miner_proxy::practice::{PracticeConfig, PracticePool};
use miner_shared::mining::Difficulty;
use smol::future::or;
use smol::stream::StreamExt;

/// Stratum for the farm.
#[derive(Debug, FromArgs)]
struct Args {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(Debug, FromArgs)]
#[argh(subcommand)]
enum Verb {
    Practice(Practice),
}

/// Run a practice pool: real stratum, every share verified, blocks that lead nowhere.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "practice")]
struct Practice {
    /// address to listen on (default 127.0.0.1:3333)
    #[argh(option)]
    listen: Option<SocketAddr>,
    /// seconds from block to block (default 30)
    #[argh(option)]
    block_secs: Option<u32>,
    /// height of the first block (default 3500000)
    #[argh(option)]
    height: Option<u64>,
    /// difficulty of a miner's first job (default 100)
    #[argh(option)]
    difficulty: Option<u64>,
}

fn main() -> ExitCode {
    let Args {
        verb: Verb::Practice(args),
    } = argh::from_env();
    if let Err(error) = simple_logger::init_with_level(log::Level::Info) {
        eprintln!("miner-proxy: no log: {error}");
    }
    match smol::block_on(practice(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("miner-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn practice(args: &Practice) -> std::io::Result<()> {
    let defaults = PracticeConfig::default();
    let config = PracticeConfig {
        listen: args.listen.unwrap_or(defaults.listen),
        block_ms: args
            .block_secs
            .map_or(defaults.block_ms, |secs| u64::from(secs) * 1_000),
        first_height: args.height.unwrap_or(defaults.first_height),
        start_difficulty: args
            .difficulty
            .map_or(defaults.start_difficulty, Difficulty),
    };
    let pool = PracticePool::bind(config).await?;
    log::info!("practice pool listens address={}", pool.address());
    let events = pool.events();
    let print = async {
        while let Ok(event) = events.recv().await {
            log::info!("{event}");
        }
        Ok(())
    };
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])?;
    let told = async {
        signals.next().await;
    };
    or(
        pool.run(rand_core::UnwrapErr(getrandom::SysRng), told),
        print,
    )
    .await
}
