//! `image flash`: a disk image onto a stick, card or disk.

use std::path::Path;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say, terminal};
use miner_images::flash::System;

use super::progress::Teller;

/// Write a disk image to a stick, card or disk, and read it back. Refuses disks that are in use or built in.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "flash")]
pub(super) struct Flash {
    /// the image
    #[argh(positional)]
    image: String,
    /// the device, such as /dev/sdb; all that is on it is lost
    #[argh(option)]
    to: String,
    /// allow a disk that is built into this machine
    #[argh(switch)]
    fixed_disk: bool,
    /// do not ask
    #[argh(switch)]
    yes: bool,
}

impl Flash {
    pub(super) fn run(self) -> Result<(), Failure> {
        let image = Path::new(&self.image);
        let of_image = |error| Failure::new(format!("{}: {error}", self.image));
        let bytes = std::fs::metadata(image).map_err(of_image)?.len();
        let system = System {
            sys: Path::new("/sys"),
            proc: Path::new("/proc"),
        };
        let target = system.examine(Path::new(&self.to), bytes, self.fixed_disk);
        let target = target.map_err(Failure::new)?;
        if !self.yes {
            terminal::confirm(
                &format!(
                    "Write {} to {} ({}, {} MB)? All that is on it is lost.",
                    self.image,
                    target.path.display(),
                    target.model,
                    target.bytes / 1_000_000
                ),
                "nothing was written",
                || "flashing destroys what is on the device; say --yes".to_owned(),
            )?;
        }
        let mut teller = Teller::new();
        teller.step("writing");
        let written = target.write(image, &mut |progress| {
            teller.bytes("writing and reading back", progress)
        });
        drop(teller);
        written.map_err(Failure::new)?;
        say(format_args!(
            "{}: {} is on it, {bytes} bytes, read back without a difference",
            target.path.display(),
            self.image
        ));
        Ok(())
    }
}
