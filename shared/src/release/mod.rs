//! Releases: what rigs boot or run, described by a manifest that the farm's release key has signed.
//!
//! ```text
//! {"product":"image","arch":"x86_64","version":"1.2.3","min_from":"1.0.0",
//!  "files":[{"name":"initrd","size":2369933,"sha256":"9f86…"}],
//!  "packages":[{"name":"linux-image-6.1.0-56-amd64","version":"6.1.192-2"}]}⏎      one line of JSON
//! ed25519 41c7…⏎                                                            128 digits over that line
//! ```
//! The signature covers the bytes of the line, its end included, so that nobody has to agree on how JSON
//! is written. It is checked by the controller before it hands a file out, and by the rig before it writes
//! one: a controller that was taken over can withhold releases, but not make them.

mod image;
mod key;
mod manifest;
mod version;

pub use image::{IMAGE_FILE, IMAGE_SIZE, Image};
pub use key::ReleaseKey;
pub use manifest::{
    Files, Manifest, ManifestError, Packages, Refusal, ReleaseFile, ReleasePackage,
};
pub use version::{NotAVersion, Version};

/// The product that machines boot.
pub const IMAGE_PRODUCT: &str = "image";

/// What the release key signs before the line.
const DOMAIN: &[u8] = b"SMSG/1 release\0";
/// What the second line begins with.
const SIGNATURE_WORD: &str = "ed25519 ";
