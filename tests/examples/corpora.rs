//! Writes the seeds of every fuzz target to `tests/fuzz/corpus/`; what fuzzing found stays there.

use std::{fs, io};

use farm_tests::fuzz::{TARGETS, seeds};
use farm_tests::sources::root;

fn main() -> io::Result<()> {
    for target in TARGETS {
        let folder = root().join("tests/fuzz/corpus").join(target.name);
        fs::create_dir_all(&folder)?;
        for seed in seeds(target.name) {
            fs::write(folder.join(seed.name), seed.data)?;
        }
    }
    Ok(())
}
