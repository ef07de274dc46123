//! Nothing secret goes into an image: searched before it is written, and disks afterwards as well.
//!
//! | what | found secret by |
//! |---|---|
//! | the agent, the user's files, the owner's word, the parts | their form, and what this machine knows: its node's key, its machine-id, the release key |
//! | a finished disk | the same |
//!
//! The one thing that an owner may ask for is an enrolment token: in the parts, and on a disk in its state
//! partition alone. An image without one is for everybody: there it is refused like anything else.

use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use miner_agent::cli::Failure;
use miner_agent::store::Dirs;
use miner_agent::store::file::{self, Access};
use miner_images::secrets::{self, Finding, Secret};
use miner_shared::identity::key_file;
use miner_shared::release::ReleaseKey;
use zeroize::Zeroizing;

/// Where systemd keeps the machine's id.
const MACHINE_ID: &str = "/etc/machine-id";

/// What this machine knows that nobody else should.
pub(super) struct Known(Vec<(&'static str, Zeroizing<Vec<u8>>)>);

impl Known {
    pub(super) fn of_this_machine(release_key: Option<&ReleaseKey>) -> Self {
        let id = fs::read_to_string(MACHINE_ID).ok();
        let id = id.and_then(|text| HEXLOWER.decode(text.trim().as_bytes()).ok());
        // A machine that has yet to get its own may have zeros.
        let id = id.filter(|id| id.len() >= 8 && id.iter().any(|byte| *byte != 0));
        let release = release_key.map(|key| key.seed().to_vec());
        let all = [
            ("this machine's id", id),
            ("this node's private key", node_seed()),
            ("the release key", release),
        ];
        let known = all.into_iter();
        Self(
            known
                .filter_map(|(name, bytes)| Some((name, Zeroizing::new(bytes?))))
                .collect(),
        )
    }

    fn secrets(&self) -> Vec<Secret<'_>> {
        let known = self.0.iter();
        known.map(|(name, bytes)| Secret { name, bytes }).collect()
    }

    /// Refuses the first part with something secret in it.
    pub(super) fn refuse<'p>(
        &self,
        parts: impl IntoIterator<Item = (&'p str, &'p [u8])>,
        token_wanted: bool,
    ) -> Result<(), Failure> {
        let known = self.secrets();
        for (name, bytes) in parts {
            let mut found = secrets::search(bytes, &known).into_iter();
            let secret = found.find(|finding| !(finding.is_token && token_wanted));
            refused(name, secret)?;
        }
        Ok(())
    }

    /// The same of a disk that is written; a disk that is refused is removed.
    pub(super) fn refuse_disk(&self, path: &Path, token_wanted: bool) -> Result<(), Failure> {
        let name = path.display().to_string();
        let failed = |error| Failure::new(format!("{name}: {error}"));
        let disk = fs::read(path).map_err(failed)?;
        let found = secrets::check(&disk, &self.secrets(), token_wanted).err();
        if found.is_some() {
            fs::remove_file(path).map_err(failed)?;
        }
        refused(&name, found)
    }
}

fn refused(name: &str, found: Option<Finding>) -> Result<(), Failure> {
    match found {
        Some(finding) => Err(Failure::new(format!("{name}: {finding}"))),
        None => Ok(()),
    }
}

/// The seed of this user's node, if there is one.
fn node_seed() -> Option<Vec<u8>> {
    let path = Dirs::from_env().ok()?.private_key();
    let bytes = file::read(&path, Access::Private, key_file::LEN as u64).ok()??;
    let seed = key_file::decode(&bytes).ok()?;
    Some(seed.to_vec())
}

#[cfg(test)]
mod tests {
    use miner_agent::store::system_rng;
    use miner_shared::identity::{EnrolToken, Fingerprint};

    use super::*;

    const PEM: &[u8] =
        b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIH0aGx0aGx0aGx0aGx0aGx0aGx0aGx0a\n";

    fn known() -> Known {
        Known(vec![("the release key", Zeroizing::new((0..32).collect()))])
    }

    fn refused(bytes: &[u8], token_wanted: bool) -> Option<String> {
        let parts = [("first", &b"nothing"[..]), ("second", bytes)];
        known()
            .refuse(parts, token_wanted)
            .err()
            .map(|failure| failure.line)
    }

    fn token() -> String {
        EnrolToken::generate(&mut system_rng(), &Fingerprint([3; 32])).to_string()
    }

    #[test]
    fn a_part_with_a_secret_is_refused_by_its_name() {
        assert_eq!(refused(b"quiet panic=10", false), None);
        let line = refused(PEM, true).expect("refused");
        assert!(
            line.starts_with("second: the image holds a private key in PEM at byte 0"),
            "{line}"
        );
        let seed: Vec<u8> = (0..32).collect();
        let line = refused(&seed, true).expect("refused");
        assert!(line.contains("the release key"), "{line}");
    }

    #[test]
    fn a_token_is_refused_unless_the_owner_asked_for_one() {
        let text = format!("quiet miner.token={}", token());
        assert_eq!(refused(text.as_bytes(), true), None);
        let line = refused(text.as_bytes(), false).expect("refused");
        assert!(
            line.contains("an enrolment token") && !line.contains("ENR1-"),
            "{line}"
        );
    }

    #[test]
    fn a_disk_that_is_refused_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk.img");
        fs::write(&path, [&[0; 512], PEM].concat()).expect("written");
        let line = known().refuse_disk(&path, true).expect_err("refused").line;
        assert!(
            line.contains("disk.img: the image holds a private key"),
            "{line}"
        );
        assert!(!path.exists());
        fs::write(&path, [1; 512]).expect("written");
        known().refuse_disk(&path, false).expect("nothing secret");
        assert!(path.exists());
    }
}
