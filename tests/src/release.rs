//! Releases of an image, signed by a key that all tests share.

use std::fs;
use std::path::Path;

use miner_images::manifest::{Draft, File};
use miner_shared::release::{ReleaseKey, Version};

/// What a release for a machine with slots consists of.
pub const FILES: [&str; 2] = ["vmlinuz", "initrd"];

/// The farm's release key.
pub fn key() -> ReleaseKey {
    ReleaseKey::from_seed(&[7; 32])
}

/// The same for `--public-key`.
pub fn public_key() -> String {
    let digits = key().public();
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a release for x86-64 to a folder, as `image build` leaves it; its files are nothing that starts.
///
/// # Errors
/// A file cannot be written.
pub fn write(folder: &Path, version: Version, files: &[Vec<u8>; 2]) -> Result<(), String> {
    let draft = Draft {
        product: "image".to_owned(),
        arch: "x86_64".to_owned(),
        version,
        min_from: Version::default(),
        files: FILES
            .iter()
            .zip(files)
            .map(|(name, it)| File::of(name, it))
            .collect(),
        packages: Vec::new(),
    };
    let manifest = draft.sign(&key()).map_err(|error| error.to_string())?;
    let all = FILES.iter().copied().zip(files.iter().map(Vec::as_slice));
    let failed = |error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    for (name, bytes) in all.chain([("manifest", manifest.as_bytes())]) {
        fs::write(folder.join(name), bytes).map_err(failed)?;
    }
    Ok(())
}
