//! Reading a manifest: signature first, then everything at once, so that what is left cannot fail.

use core::fmt;

use super::{DOMAIN, SIGNATURE_WORD, Version};
use crate::crypto::{ed25519_verify, sha256};
use crate::json::{Items, Value};
use crate::limits::{
    MAX_MANIFEST, MAX_NAME, MAX_RELEASE_FILES, MAX_RELEASE_NAME, MAX_RELEASE_PACKAGES,
};
use crate::mining::hex;
use crate::text::Text;

/// A manifest whose signature is right.
#[derive(Clone, Debug)]
pub struct Manifest<'a> {
    /// What it is: `image`, `agent`.
    pub product: Text<MAX_NAME>,
    /// What it runs on: `x86_64`, `aarch64`, …
    pub arch: Text<MAX_NAME>,
    /// Its version; an update goes to a higher one.
    pub version: Version,
    /// The lowest version that can be updated from.
    pub min_from: Version,
    files: Value<'a>,
    packages: Value<'a>,
}

/// A file of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Its name, without a path.
    pub name: Text<MAX_RELEASE_NAME>,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// A package that a release was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasePackage {
    /// Its name.
    pub name: Text<MAX_RELEASE_NAME>,
    /// Its version, as its distribution writes it.
    pub version: Text<MAX_RELEASE_NAME>,
}

impl<'a> Manifest<'a> {
    /// Reads a manifest file that this release key signed.
    pub fn verify(file: &'a [u8], key: &[u8; 32]) -> Result<Self, ManifestError> {
        if file.len() > MAX_MANIFEST {
            return Err(ManifestError::TooLong(file.len()));
        }
        let (line, signature) = split(file).ok_or(ManifestError::NotAManifest)?;
        if !ed25519_verify(key, &[DOMAIN, line], &signature) {
            return Err(ManifestError::BadSignature);
        }
        let value = Value::parse(line).map_err(|_| ManifestError::NotAManifest)?;
        Self::read(value)
    }

    fn read(value: Value<'a>) -> Result<Self, ManifestError> {
        let text = |field| {
            let text = value.get(field).and_then(Value::text);
            text.ok_or(ManifestError::BadField(field))
        };
        let version = |field| {
            let text: Text<MAX_NAME> = text(field)?;
            let version = text.as_str().parse();
            version.map_err(|_| ManifestError::BadField(field))
        };
        let list = |field, max, is_good: fn(Value<'_>) -> bool| {
            let list = value.get(field).filter(|list| list.is_array());
            list.filter(|list| list.items().all(is_good) && list.items().count() <= max)
                .ok_or(ManifestError::BadField(field))
        };
        Ok(Self {
            product: text("product")?,
            arch: text("arch")?,
            version: version("version")?,
            min_from: version("min_from")?,
            files: list("files", MAX_RELEASE_FILES, |item| read_file(item).is_some())?,
            packages: list("packages", MAX_RELEASE_PACKAGES, |item| {
                read_package(item).is_some()
            })?,
        })
    }

    /// Its files, in order.
    pub fn files(&self) -> Files<'a> {
        Files(self.files.items())
    }

    /// What it was made of, in order.
    pub fn packages(&self) -> Packages<'a> {
        Packages(self.packages.items())
    }

    /// Whether a device of this kind, which runs `installed`, may take it.
    pub fn suits(&self, product: &str, arch: &str, installed: Version) -> Result<(), Refusal> {
        if self.product.as_str() != product {
            return Err(Refusal::OtherProduct);
        }
        if self.arch.as_str() != arch {
            return Err(Refusal::OtherArch);
        }
        if self.version <= installed {
            return Err(Refusal::NotNewer { installed });
        }
        if installed < self.min_from {
            return Err(Refusal::TooOld {
                installed,
                min_from: self.min_from,
            });
        }
        Ok(())
    }

    /// Whether these bytes are the file of this name.
    pub fn holds(&self, name: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let file = self
            .files()
            .find(|file| file.name.as_str() == name)
            .ok_or(Refusal::UnknownFile)?;
        if file.size != bytes.len() as u64 || file.sha256 != sha256(&[bytes]) {
            return Err(Refusal::OtherFile);
        }
        Ok(())
    }
}

/// The first line with its end, and the signature in the second.
fn split(file: &[u8]) -> Option<(&[u8], [u8; 64])> {
    let end = file.iter().position(|byte| *byte == b'\n')? + 1;
    let (line, rest) = file.split_at_checked(end)?;
    let rest = core::str::from_utf8(rest).ok()?;
    let digits = rest.strip_prefix(SIGNATURE_WORD)?.strip_suffix('\n')?;
    Some((line, hex::array(digits)?))
}

fn read_file(item: Value<'_>) -> Option<ReleaseFile> {
    let name: Text<MAX_RELEASE_NAME> = item.get("name")?.text()?;
    let digits: Text<MAX_NAME> = item.get("sha256")?.text()?;
    let is_plain =
        !matches!(name.as_str(), "" | "." | "..") && !name.as_str().contains(['/', '\\']);
    is_plain.then_some(ReleaseFile {
        name,
        size: item.get("size")?.as_u64()?,
        sha256: hex::array(digits.as_str())?,
    })
}

fn read_package(item: Value<'_>) -> Option<ReleasePackage> {
    Some(ReleasePackage {
        name: item.get("name")?.text()?,
        version: item.get("version")?.text()?,
    })
}

/// Iterates over the files of a [`Manifest`].
#[derive(Clone, Debug)]
pub struct Files<'a>(Items<'a>);

impl Iterator for Files<'_> {
    type Item = ReleaseFile;

    fn next(&mut self) -> Option<ReleaseFile> {
        self.0.next().and_then(read_file)
    }
}

/// Iterates over the packages of a [`Manifest`].
#[derive(Clone, Debug)]
pub struct Packages<'a>(Items<'a>);

impl Iterator for Packages<'_> {
    type Item = ReleasePackage;

    fn next(&mut self) -> Option<ReleasePackage> {
        self.0.next().and_then(read_package)
    }
}

/// Why a file is no manifest to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestError {
    /// A field is missing, or not what it must be.
    BadField(&'static str),
    /// Changed, or signed by another key.
    BadSignature,
    /// Not a line of JSON and a signature.
    NotAManifest,
    /// More than [`MAX_MANIFEST`] bytes: this many.
    TooLong(usize),
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadField(field) => {
                write!(f, "the manifest's field `{field}` is missing or wrong")
            }
            Self::BadSignature => f.write_str(
                "the manifest is not signed by this release key: do not use what came with it",
            ),
            Self::NotAManifest => f.write_str("this is not a release manifest"),
            Self::TooLong(len) => {
                write!(
                    f,
                    "a manifest has at most {MAX_MANIFEST} bytes, this has {len}"
                )
            }
        }
    }
}

impl core::error::Error for ManifestError {}

/// Why a device does not take a release, or a file of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The release is not of a higher version.
    NotNewer {
        /// What the device runs.
        installed: Version,
    },
    /// For another architecture.
    OtherArch,
    /// Not the file that the manifest names: its length or its hash differs.
    OtherFile,
    /// Another product.
    OtherProduct,
    /// The device must be updated to another release first.
    TooOld {
        /// What the device runs.
        installed: Version,
        /// The lowest version that can be updated from.
        min_from: Version,
    },
    /// The manifest names no such file.
    UnknownFile,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNewer { installed } => {
                write!(
                    f,
                    "the release is not newer than {installed}, which is installed"
                )
            }
            Self::OtherArch => f.write_str("the release is for another architecture"),
            Self::OtherFile => f.write_str("the file is not the one that the manifest names"),
            Self::OtherProduct => f.write_str("the release is of another product"),
            Self::TooOld {
                installed,
                min_from,
            } => write!(
                f,
                "{installed} is too old for the release: update to {min_from} first"
            ),
            Self::UnknownFile => f.write_str("the manifest names no such file"),
        }
    }
}

impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::ReleaseKey;
    use std::string::String;
    use std::vec::Vec;
    use std::{format, vec};

    const LINE: &str = concat!(
        r#"{"product":"image","arch":"x86_64","version":"1.2.3","min_from":"1.0.0","#,
        r#""files":[{"name":"initrd","size":3,"#,
        r#""sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}],"#,
        r#""packages":[{"name":"linux","version":"6.1"}]}"#,
        "\n"
    );

    fn key() -> ReleaseKey {
        ReleaseKey::from_seed(&[7; 32])
    }

    fn signed(line: &str) -> Vec<u8> {
        let mut digits = [0; 128];
        let digits = hex::encode(&key().sign(line.as_bytes()), &mut digits).unwrap();
        format!("{line}ed25519 {digits}\n").into_bytes()
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn a_signed_manifest_reads_as_what_was_signed() {
        let file = signed(LINE);
        let manifest = Manifest::verify(&file, &key().public()).unwrap();
        assert_eq!(manifest.product.as_str(), "image");
        assert_eq!(manifest.arch.as_str(), "x86_64");
        assert_eq!(manifest.version, version("1.2.3"));
        assert_eq!(manifest.files().count(), 1);
        let linux = manifest.packages().next().unwrap();
        assert_eq!(
            (linux.name.as_str(), linux.version.as_str()),
            ("linux", "6.1")
        );
        assert_eq!(manifest.holds("initrd", b"abc"), Ok(()));
        assert_eq!(manifest.holds("initrd", b"abd"), Err(Refusal::OtherFile));
        assert_eq!(manifest.holds("other", b"abc"), Err(Refusal::UnknownFile));
    }

    #[test]
    fn any_changed_byte_and_any_other_key_are_refused() {
        let file = signed(LINE);
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(Manifest::verify(&changed, &key().public()).is_err(), "{at}");
            assert!(Manifest::verify(&file[..at], &key().public()).is_err());
        }
        let other = ReleaseKey::from_seed(&[8; 32]).public();
        let error = Manifest::verify(&file, &other).unwrap_err();
        assert_eq!(error, ManifestError::BadSignature);
        // A key of small order would verify anything.
        assert!(Manifest::verify(&file, &[0; 32]).is_err());
    }

    #[test]
    fn the_same_seed_as_a_nodes_gives_another_key() {
        let node = crate::identity::NodeKeys::from_seed(&[7; 32]);
        assert_ne!(node.public().ed25519, key().public());
    }

    #[test]
    fn a_signature_does_not_save_a_manifest_that_is_none() {
        for (from, to, field) in [
            ("\"1.2.3\"", "\"1.2\"", "version"),
            ("\"image\"", "7", "product"),
            ("\"initrd\"", "\"../initrd\"", "files"),
            ("ba7816", "ba781", "files"),
            ("\"size\":3", "\"size\":-3", "files"),
            ("\"packages\"", "\"pakete\"", "packages"),
        ] {
            let file = signed(&LINE.replace(from, to));
            let error = Manifest::verify(&file, &key().public()).unwrap_err();
            assert_eq!(error, ManifestError::BadField(field), "{to}");
        }
        let many = vec![r#"{"name":"a","version":"1"}"#; MAX_RELEASE_PACKAGES + 1].join(",");
        let line = LINE.replace(r#"{"name":"linux","version":"6.1"}"#, &many);
        let file = signed(&line);
        let error = Manifest::verify(&file, &key().public()).unwrap_err();
        assert_eq!(error, ManifestError::BadField("packages"));
        let blank: String = " ".repeat(MAX_MANIFEST);
        let file = signed(&format!("{blank}{LINE}"));
        let error = Manifest::verify(&file, &key().public()).unwrap_err();
        assert_eq!(error, ManifestError::TooLong(file.len()));
    }

    #[test]
    fn a_version_only_rises() {
        let file = signed(LINE);
        let manifest = Manifest::verify(&file, &key().public()).unwrap();
        let suits = |text| manifest.suits("image", "x86_64", version(text));
        assert_eq!(suits("1.2.2"), Ok(()));
        for installed in ["1.2.3", "1.10.0"].map(version) {
            let refused = manifest.suits("image", "x86_64", installed);
            assert_eq!(refused, Err(Refusal::NotNewer { installed }));
        }
        let too_old = Refusal::TooOld {
            installed: version("0.9.9"),
            min_from: version("1.0.0"),
        };
        assert_eq!(suits("0.9.9"), Err(too_old));
        let installed = version("1.0.0");
        let other = manifest.suits("agent", "x86_64", installed);
        assert_eq!(other, Err(Refusal::OtherProduct));
        let other = manifest.suits("image", "aarch64", installed);
        assert_eq!(other, Err(Refusal::OtherArch));
    }
}
