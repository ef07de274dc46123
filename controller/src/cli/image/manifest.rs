//! `image key` and `image verify`: the farm's release key, and what it has signed.

use std::fs;
use std::path::Path;

use argh::{ArgsInfo, FromArgs};
use data_encoding::HEXLOWER;
use miner_agent::cli::{Failure, say};
use miner_agent::store::file::{self, Access};
use miner_agent::store::system_rng;
use miner_shared::identity::key_file;
use miner_shared::limits::MAX_MANIFEST;
use miner_shared::release::{Manifest, ReleaseKey};

/// Make the farm's release key, which signs what rigs boot. Keep it away from the controller.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "key")]
pub(super) struct Key {
    /// new file for the key, mode 0600
    #[argh(option)]
    out: String,
}

/// Check that files are those of a manifest, and that the farm's release key has signed it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "verify")]
pub(super) struct Verify {
    /// the manifest; the files lie beside it
    #[argh(positional)]
    manifest: String,
    /// the public key that `image key` printed, 64 hexadecimal digits
    #[argh(option)]
    public_key: String,
}

impl Key {
    pub(super) fn run(self) -> Result<(), Failure> {
        let key = ReleaseKey::generate(&mut system_rng());
        // A bare name has the empty parent; the folder is the current one.
        let path = Path::new(".").join(&self.out);
        file::create(&path, &*key_file::encode(key.seed()), Access::Private)?;
        say(format_args!("{}", HEXLOWER.encode(&key.public())));
        Ok(())
    }
}

/// The release key in this file.
pub(super) fn read_key(path: &str) -> Result<ReleaseKey, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("{path}: {error}"));
    let bytes = file::read(Path::new(path), Access::Private, key_file::LEN as u64)?;
    let bytes = bytes.ok_or_else(|| failed(&"no such file; `miner-ctrl image key` makes one"))?;
    let seed = key_file::decode(&bytes).map_err(|error| failed(&error))?;
    Ok(ReleaseKey::from_seed(&seed))
}

impl Verify {
    pub(super) fn run(self) -> Result<(), Failure> {
        let key = HEXLOWER.decode(self.public_key.as_bytes()).ok();
        let key: [u8; 32] = key.and_then(|key| key.try_into().ok()).ok_or_else(|| {
            Failure::usage("--public-key: not 64 hexadecimal digits; copy it again")
        })?;
        let path = Path::new(&self.manifest);
        let text = read_manifest(path)?;
        let failed =
            |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", self.manifest));
        let manifest = Manifest::verify(&text, &key).map_err(|error| failed(&error))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let mut count = 0_u32;
        for entry in manifest.files() {
            let file = folder.join(entry.name.as_str());
            let bytes = fs::read(&file)
                .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
            manifest
                .holds(entry.name.as_str(), &bytes)
                .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
            count += 1;
        }
        say(format_args!(
            "{} {} for {}: signed, and its {count} files are as listed",
            manifest.product, manifest.version, manifest.arch
        ));
        Ok(())
    }
}

/// A manifest's bytes, not more than one may have.
pub(super) fn read_manifest(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    let len = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if len > MAX_MANIFEST as u64 {
        return Err(failed(&"too long for a manifest"));
    }
    fs::read(path).map_err(|error| failed(&error))
}
