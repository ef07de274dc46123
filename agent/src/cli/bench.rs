//! `miner bench`: a hash rate, and the proof that this machine hashes right.

use argh::FromArgs;

use super::Failure;

/// Hash the standard benchmark and compare its check sum.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "bench")]
pub(super) struct Bench {
    /// how many hashes, such as 10000
    #[argh(option)]
    hashes: u32,
    /// hash threads; default: as many as suit the processor
    #[argh(option)]
    threads: Option<u16>,
    /// use 256 MiB instead of 2.3 GiB: several times slower
    #[argh(switch)]
    light: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Bench {
    pub(super) fn run(self) -> Result<(), Failure> {
        let _ = (self.hashes, self.threads, self.light, self.json);
        Err(Failure::new("the engine is not merged yet"))
    }
}
