//! Writing a release manifest; [`miner_shared::release`] says what it looks like, and checks it.

use miner_shared::crypto::sha256;
use miner_shared::json::Writer;
use miner_shared::limits::MAX_MANIFEST;
use miner_shared::release::{Manifest, ManifestError, ReleaseKey, Version};

/// What a release consists of.
#[derive(Clone, Debug)]
pub struct Draft {
    /// `image` or `agent`.
    pub product: String,
    /// `x86_64`, `aarch64`, …
    pub arch: String,
    /// The release's version, higher than that of every release before it.
    pub version: Version,
    /// The lowest version that can be updated from.
    pub min_from: Version,
    /// Its files, in the order in which they are listed.
    pub files: Vec<File>,
    /// Names and versions of the packages that it was made of.
    pub packages: Vec<(String, String)>,
}

/// A file of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without a path.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

impl File {
    /// The entry of a file with these bytes.
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            size: bytes.len() as u64,
            sha256: sha256(&[bytes]),
        }
    }
}

impl Draft {
    /// The manifest file. An error says what the readers would refuse.
    pub fn sign(&self, key: &ReleaseKey) -> Result<String, ManifestError> {
        let line = self.line();
        let digits: String = key
            .sign(line.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let file = format!("{line}ed25519 {digits}\n");
        Manifest::verify(file.as_bytes(), &key.public())?;
        Ok(file)
    }

    /// The line that is signed; longer than a manifest may be if it does not fit.
    fn line(&self) -> String {
        let mut buffer = vec![0; MAX_MANIFEST];
        let mut json = Writer::new(&mut buffer);
        json.open_object();
        json.key("product").string(&self.product);
        json.key("arch").string(&self.arch);
        json.key("version").string(&self.version.to_string());
        json.key("min_from").string(&self.min_from.to_string());
        json.key("files").open_array();
        for file in &self.files {
            json.open_object();
            json.key("name").string(&file.name);
            json.key("size").number(file.size);
            json.key("sha256").hex(&file.sha256);
            json.close_object();
        }
        json.close_array().key("packages").open_array();
        for (name, version) in &self.packages {
            json.open_object();
            json.key("name").string(name);
            json.key("version").string(version);
            json.close_object();
        }
        json.close_array().close_object();
        let length = json.finish().unwrap_or(MAX_MANIFEST);
        buffer.truncate(length);
        buffer.push(b'\n');
        String::from_utf8_lossy(&buffer).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use miner_shared::release::Refusal;

    fn draft() -> Draft {
        Draft {
            product: "image".to_owned(),
            arch: "x86_64".to_owned(),
            version: "1.2.3".parse().unwrap(),
            min_from: "1.0.0".parse().unwrap(),
            files: vec![File::of("initrd", b"abc"), File::of("vmlinuz", b"")],
            packages: vec![("linux-image".to_owned(), "6.1.192-2".to_owned())],
        }
    }

    #[test]
    fn a_signed_draft_reads_back() {
        let key = ReleaseKey::from_seed(&[7; 32]);
        let file = draft().sign(&key).unwrap();
        let line = r#"{"product":"image","arch":"x86_64","version":"1.2.3","min_from":"1.0.0","files":[{"name":"initrd","size":3,"sha256":"ba78"#;
        assert!(file.starts_with(line), "{file}");
        assert_eq!(file.lines().count(), 2);
        let manifest = Manifest::verify(file.as_bytes(), &key.public()).unwrap();
        assert_eq!(manifest.holds("initrd", b"abc"), Ok(()));
        assert_eq!(manifest.holds("vmlinuz", b"x"), Err(Refusal::OtherFile));
        assert_eq!(manifest.packages().count(), 1);
    }

    #[test]
    fn the_same_draft_and_key_make_the_same_file() {
        let key = ReleaseKey::from_seed(&[7; 32]);
        assert_eq!(draft().sign(&key), draft().sign(&key));
    }

    #[test]
    fn what_readers_would_refuse_is_not_signed() {
        let key = ReleaseKey::from_seed(&[7; 32]);
        let mut path = draft();
        path.files[0].name = "a/b".to_owned();
        assert_eq!(path.sign(&key), Err(ManifestError::BadField("files")));
        let mut long = draft();
        long.packages = vec![("p".repeat(100), "v".repeat(100)); 200];
        let refused = long.sign(&key);
        assert!(
            matches!(refused, Err(ManifestError::TooLong(_))),
            "{refused:?}"
        );
    }
}
