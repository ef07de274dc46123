//! `image`: what rigs boot, made here and written to sticks.
//!
//! ```text
//! image build --recipe R … --out F       Debian's packages, the static agent ──▶ a disk, or boot files
//! image flash F --to /dev/sdX            a disk ──▶ a stick, card or disk, read back
//! image inspect F                        what is in a disk, a UKI or a manifest
//! image verify MANIFEST --public-key K  whether files are those that the farm's release key signed
//! image key --out F                      a release key
//! ```
//! Nothing here asks the controller: images can be made on any machine. No private key goes into an image, which is
//! [searched](search) for that; a rig makes its own when it starts for the first time.

mod build;
mod flash;
mod inspect;
mod manifest;
mod progress;
mod search;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::Failure;

/// Boot images for rigs: build one, write it to a stick, look into it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "image")]
pub(super) struct Image {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
#[expect(clippy::large_enum_variant, reason = "one, for the time of parsing")]
enum Verb {
    Build(build::Build),
    Flash(flash::Flash),
    Inspect(inspect::Inspect),
    Key(manifest::Key),
    Verify(manifest::Verify),
}

impl Image {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Verb::Build(build) => build.run(),
            Verb::Flash(flash) => flash.run(),
            Verb::Inspect(inspect) => inspect.run(),
            Verb::Key(key) => key.run(),
            Verb::Verify(verify) => verify.run(),
        }
    }
}
