//! The folder of releases: what the command line copies in, and the controller reads.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use miner_shared::crypto::sha256;
use miner_shared::limits::MAX_MANIFEST;
use miner_shared::release::Manifest;
use sha2::{Digest, Sha256};

use super::{FILES, Release, ReleaseId, Untaken};

/// Name of a manifest's file, in a release.
pub(super) const MANIFEST: &str = "manifest";
const FOLDER: &str = "releases";
const KEY: &str = "key";
/// Digits of a key, and the end of their line.
const KEY_LEN: u64 = 65;

/// The folder.
#[derive(Clone, Debug)]
pub struct Shelf(PathBuf);

impl Shelf {
    /// That of a controller with this data directory.
    pub fn of(data: &Path) -> Self {
        Self(data.join(FOLDER))
    }

    /// Where a release is.
    pub(super) fn folder(&self, id: &ReleaseId) -> PathBuf {
        self.0.join(HEXLOWER.encode(id))
    }

    /// The farm's release key.
    pub fn key(&self) -> Result<[u8; 32], Untaken> {
        let path = self.0.join(KEY);
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(KEY_LEN).read_to_string(&mut text));
        match read {
            Ok(_) => parse_key(text.trim()).ok_or(Untaken::NoKey),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Untaken::NoKey),
            Err(error) => Err(Untaken::Io { path, error }),
        }
    }

    /// The key to check by: the one that is known, which may be said too, or the one that is said and noted
    /// from now on.
    fn agree(&self, said: Option<[u8; 32]>) -> Result<[u8; 32], Untaken> {
        match (self.key(), said) {
            (Ok(known), Some(said)) if known != said => Err(Untaken::OtherKey(self.0.join(KEY))),
            (Err(Untaken::NoKey), Some(said)) => Ok(said),
            (known, _) => known,
        }
    }

    /// Releases that are here and signed by the key. Whether their files are whole was checked when they
    /// came, and is by every rig.
    pub(super) fn load(&self) -> Vec<Release> {
        let Ok(key) = self.key() else {
            return Vec::new();
        };
        let Ok(folders) = fs::read_dir(&self.0) else {
            return Vec::new();
        };
        let names = folders.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let ids = names.filter_map(|name| parse_key(&name));
        ids.filter_map(|id| match read(&self.folder(&id).join(MANIFEST), &key) {
            Ok((_, release)) if release.id == id => Some(release),
            Ok(_) => None,
            Err(error) => {
                log::warn!("release left out reason=\"{error}\"");
                None
            }
        })
        .take(super::MAX_RELEASES)
        .collect()
    }

    /// Copies a release in from another folder: checked there by its key, and again where it was written.
    /// One that is not above those that are here is refused.
    pub fn copy_in(&self, from: &Path, said: Option<[u8; 32]>) -> Result<Release, Untaken> {
        let key = self.agree(said)?;
        let written = manifest_of(from);
        let release = check(&written, from, &key)?;
        let same_arch = |it: &Release| it.arch == release.arch && it.id != release.id;
        let here = self.load();
        let above = here.iter().filter(|it| same_arch(it));
        if let Some(there) = above.map(|it| it.version).max()
            && release.version <= there
        {
            return Err(Untaken::NotAbove {
                version: release.version,
                there,
                arch: release.arch,
            });
        }
        let to = self.folder(&release.id);
        if !to.exists() {
            let unfinished = self.0.join(format!(".{}", HEXLOWER.encode(&release.id)));
            copy(&written, from, &release, &unfinished)?;
            check(&unfinished.join(MANIFEST), &unfinished, &key)?;
            fs::rename(&unfinished, &to).map_err(|error| failed(&to, error))?;
        }
        if self.key().is_err() {
            let path = self.0.join(KEY);
            let line = format!("{}\n", HEXLOWER.encode(&key));
            write(&path, line.as_bytes()).map_err(|error| failed(&path, error))?;
        }
        sync(&self.0)?;
        Ok(release)
    }

    /// The release of this name, if all of it is what the key signed.
    pub(super) fn check(&self, id: &ReleaseId) -> Result<Release, Untaken> {
        let folder = self.folder(id);
        let release = check(&folder.join(MANIFEST), &folder, &self.key()?)?;
        match release.id == *id {
            true => Ok(release),
            false => Err(Untaken::OtherFile(folder.join(MANIFEST))),
        }
    }

    /// Removes a release with its files.
    pub(super) fn remove(&self, id: &ReleaseId) -> Result<(), Untaken> {
        let folder = self.folder(id);
        fs::remove_dir_all(&folder).map_err(|error| failed(&folder, error))?;
        sync(&self.0)
    }
}

/// 64 hexadecimal digits: a key, or a release's name.
pub fn parse_key(text: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Where the manifest of files in this folder is: among them, or beside the folder, as `image build` leaves it.
fn manifest_of(folder: &Path) -> PathBuf {
    let within = folder.join(MANIFEST);
    if within.exists() {
        return within;
    }
    let mut beside = folder.as_os_str().to_owned();
    beside.push(".manifest");
    let beside = PathBuf::from(beside);
    if beside.exists() { beside } else { within }
}

fn copy(manifest: &Path, folder: &Path, release: &Release, to: &Path) -> Result<(), Untaken> {
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(to, error)),
        Ok(()) | Err(_) => {}
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(to);
    made.map_err(|error| failed(to, error))?;
    let files = release.files.iter();
    let files = files.map(|(name, _)| (folder.join(name), to.join(name)));
    for (from, to) in files.chain([(manifest.to_owned(), to.join(MANIFEST))]) {
        let copied = File::open(&from).and_then(|mut source| {
            let mut target = new_file(&to)?;
            io::copy(&mut source, &mut target)?;
            target.sync_all()
        });
        copied.map_err(|error| failed(&from, error))?;
    }
    sync(to)
}

/// The release of this manifest, if all of it is what the key signed.
fn check(manifest: &Path, folder: &Path, key: &[u8; 32]) -> Result<Release, Untaken> {
    let (bytes, release) = read(manifest, key)?;
    for file in verified(manifest, &bytes, key)?.files() {
        let path = folder.join(file.name.as_str());
        let (len, hash) = hash(&path).map_err(|error| failed(&path, error))?;
        if len != file.size || hash != file.sha256 {
            return Err(Untaken::OtherFile(path));
        }
    }
    Ok(release)
}

/// A manifest's bytes, and what it says, without a look at its files.
fn read(path: &Path, key: &[u8; 32]) -> Result<(Vec<u8>, Release), Untaken> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(1 + MAX_MANIFEST as u64).read_to_end(&mut bytes));
    read.map_err(|error| failed(path, error))?;
    let manifest = verified(path, &bytes, key)?;
    if manifest.product.as_str() != "image" {
        return Err(Untaken::OtherProduct(manifest.product.as_str().to_owned()));
    }
    let files: Vec<_> = manifest
        .files()
        .map(|file| (file.name.as_str().to_owned(), file.size))
        .collect();
    let has = |name: &&str| files.iter().any(|(file, _)| file == name);
    if files.len() != FILES.len() || !FILES.iter().all(has) {
        return Err(Untaken::OtherFiles);
    }
    let release = Release {
        id: sha256(&[&bytes]),
        arch: manifest.arch.as_str().to_owned(),
        version: manifest.version,
        min_from: manifest.min_from,
        // Not longer than a manifest may be.
        manifest_size: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        files,
    };
    Ok((bytes, release))
}

fn verified<'a>(path: &Path, bytes: &'a [u8], key: &[u8; 32]) -> Result<Manifest<'a>, Untaken> {
    Manifest::verify(bytes, key).map_err(|error| Untaken::Manifest {
        path: path.to_owned(),
        error,
    })
}

fn hash(path: &Path) -> io::Result<(u64, [u8; 32])> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let (mut len, mut buffer) = (0, vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((len, hash.finalize().into())),
            count => {
                hash.update(buffer.get(..count).unwrap_or_default());
                len += count as u64;
            }
        }
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = new_file(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync(folder: &Path) -> Result<(), Untaken> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| failed(folder, error))
}

fn failed(path: &Path, error: io::Error) -> Untaken {
    Untaken::Io {
        path: path.to_owned(),
        error,
    }
}
