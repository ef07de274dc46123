//! The boot folder: from its files and `rigs.toml` to what each rig boots, again whenever they change.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miner_agent::cli::Failure;
use miner_boot::files::{BootFile, Content, Patch, Recipe, Table};
use miner_images::recipe::changed_line;
use miner_images::uki::Place;

use super::rigs::{self, Rigs, Section};

/// What the kernel is told if the folder does not say: to start again ten seconds after a panic.
const COMMAND_LINE: &str = "panic=10 quiet";
/// The file that says it.
const COMMAND_LINE_FILE: &str = "cmdline";

/// What a folder came to.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) table: Table,
    /// The files that somebody is served.
    pub(super) files: Vec<BootFile>,
    /// Sections of `rigs.toml`.
    pub(super) sections: usize,
    /// How all that was read looked before it was read.
    pub(super) seen: Seen,
}

/// Files by how they look from outside: another look means that they are to be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen(Vec<(PathBuf, Option<Look>)>);

/// Device, inode, length, and when it was written.
type Look = (u64, u64, u64, i64, i64);

impl Seen {
    fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let look = |path: &PathBuf| {
            let seen = fs::metadata(path).ok()?;
            Some((
                seen.dev(),
                seen.ino(),
                seen.len(),
                seen.mtime(),
                seen.mtime_nsec(),
            ))
        };
        let paths = paths.into_iter();
        Self(paths.map(|path| (path.clone(), look(&path))).collect())
    }

    /// The same files now.
    fn again(&self) -> Self {
        Self::of(self.0.iter().map(|(path, _)| path.clone()))
    }
}

/// Whether a folder is to be read again.
#[derive(Debug)]
pub(super) struct Watch {
    taken: Seen,
    before: Seen,
}

impl Watch {
    pub(super) fn new(taken: Seen) -> Self {
        Self {
            before: taken.clone(),
            taken,
        }
    }

    /// Whether it looks other than what was taken, and as it did at the last call: then it is whole.
    pub(super) fn is_due(&mut self) -> bool {
        let now = self.before.again();
        let is_still = now == self.before;
        self.before = now;
        is_still && self.before != self.taken
    }

    /// It was read, and looked so before; `None` if nothing could be made of it.
    pub(super) fn taken(&mut self, seen: Option<Seen>) {
        self.taken = seen.unwrap_or_else(|| self.before.clone());
        self.before = self.taken.clone();
    }
}

/// Reads a folder.
///
/// # Errors
/// One line about the first thing that is wrong. Nothing of a folder that is partly wrong is served.
pub(super) fn load(folder: &Path) -> Result<Loaded, Failure> {
    let mut seen = Seen::of([folder.join(rigs::FILE)]);
    let rigs = Rigs::read(folder)?;
    seen.0.extend(Seen::of(rigs.tokens.iter().cloned()).0);
    let (mut sets, mut table) = (BTreeMap::new(), Table::default());
    let mut files = Vec::new();
    for (of, told) in rigs.kinds() {
        let name = told.files.clone().unwrap_or_default();
        if !sets.contains_key(&name) {
            let below = folder.join(&name);
            seen.0.extend(Seen::of(paths(&below)).0);
            let set = FileSet::read(&below)?;
            if set.files.is_empty() && !name.is_empty() {
                return Err(nothing_in(&below));
            }
            sets.insert(name.clone(), set);
        }
        let recipe = match (told.boot, sets.get(&name)) {
            (Some(false), _) | (_, None) => None,
            (_, Some(set)) => {
                let recipe = set.recipe(&told).map_err(|why| {
                    let file = folder.join(rigs::FILE);
                    Failure::new(format!("{}: [{of}]: {why}", file.display()))
                })?;
                files.extend(BootFile::ALL.into_iter().filter(|file| recipe.has(*file)));
                Some(Arc::new(recipe))
            }
        };
        table.set(of, recipe).map_err(Failure::new)?;
    }
    if files.is_empty() {
        return Err(nothing_in(folder));
    }
    files.sort_unstable();
    files.dedup();
    Ok(Loaded {
        table,
        files,
        sections: rigs.len(),
        seen,
    })
}

fn nothing_in(folder: &Path) -> Failure {
    let folder = folder.display();
    Failure::new(format_args!(
        "{folder} has nothing that boots; it needs x64.efi, arm64.efi, or vmlinuz and initrd"
    ))
}

fn paths(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let names = BootFile::ALL.into_iter().map(BootFile::name);
    names
        .chain([COMMAND_LINE_FILE])
        .map(|name| folder.join(name))
}

/// The files of one folder, which many rigs share.
struct FileSet {
    command_line: String,
    /// With the place of their own command line, those that have one.
    files: Vec<(BootFile, Content, Option<Place>)>,
}

impl FileSet {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let failed =
            |path: &Path, error: io::Error| Failure::new(format!("{}: {error}", path.display()));
        let path = folder.join(COMMAND_LINE_FILE);
        let command_line = match fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => COMMAND_LINE.to_owned(),
            Err(error) => return Err(failed(&path, error)),
        };
        Recipe::default()
            .with_command_line(&command_line)
            .map_err(|error| failed(&path, io::Error::other(error)))?;
        let mut files = Vec::new();
        for file in BootFile::ALL {
            let path = folder.join(file.name());
            let opened = Content::disk(&path).and_then(|content| {
                let place = match file.is_uki() {
                    true => Place::find(&content.bytes()?).ok(),
                    false => None,
                };
                Ok((file, content, place))
            });
            match opened {
                Ok(opened) => files.push(opened),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&path, error)),
            }
        }
        Ok(Self {
            command_line,
            files,
        })
    }

    /// What rigs boot that are told this. The files stay one; each recipe has its own few bytes of a UKI.
    fn recipe(&self, told: &Section) -> Result<Recipe, Box<dyn std::error::Error>> {
        let line = |base: &str| {
            let words = told.kernel_words.as_deref().unwrap_or_default();
            changed_line(base, words, &told.settings)
        };
        let mut recipe = Recipe::default();
        for (file, content, place) in &self.files {
            let content = match place {
                _ if told.is_silent() || !file.is_uki() => content.clone(),
                None => {
                    return Err(
                        format!("{file} has no command line to change; build it again").into(),
                    );
                }
                Some(place) => {
                    let changes = place.replacing(&line(place.text())?)?.into_iter();
                    content.patched(changes.map(|(at, bytes)| Patch { at, bytes }).collect())?
                }
            };
            recipe = recipe.with(*file, content);
        }
        let script = match told.is_silent() {
            true => self.command_line.clone(),
            false => line(&self.command_line)?,
        };
        Ok(recipe.with_command_line(&script)?)
    }
}

#[cfg(test)]
mod tests {
    use miner_boot::files::FileName;
    use miner_shared::dhcp::Mac;

    use super::*;

    const RIG: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        folder
    }

    const NETBOOT: [(&str, &str); 3] = [
        ("vmlinuz", "kernel"),
        ("initrd", "initramfs"),
        ("cmdline", "quiet miner.owner=Ada\n"),
    ];

    fn served(table: &Table, mac: Mac, file: BootFile) -> String {
        let content = table.open(FileName { mac, file }).expect("served");
        String::from_utf8(content.bytes().expect("read")).expect("text")
    }

    fn refused(folder: &tempfile::TempDir) -> String {
        load(folder.path()).expect_err("refused").line
    }

    #[test]
    fn what_is_in_the_folder_is_served_and_nothing_else() {
        let folder = folder(&[
            ("vmlinuz", "kernel"),
            ("initrd", "initramfs"),
            ("x64.efi", "uki"),
            ("private.key", "secret"),
        ]);
        let loaded = load(folder.path()).expect("loaded");
        let names: Vec<_> = loaded.files.iter().map(|file| file.name()).collect();
        assert_eq!(names, ["boot.ipxe", "vmlinuz", "initrd", "x64.efi"]);
    }

    #[test]
    fn a_file_that_cannot_be_served_is_named() {
        let empty = folder(&[("x64.efi", "")]);
        assert!(refused(&empty).contains("x64.efi: a boot file has 1 to"));
        let commands = folder(&[("cmdline", "quiet || shell\n")]);
        assert!(refused(&commands).contains("cmdline: iPXE would"));
        let nothing = folder(&[("rigs.toml", "[all]\nname = \"x\"\n")]);
        assert!(refused(&nothing).contains("has nothing that boots"));
        let gone = folder(&[("x64.efi", "uki"), ("rigs.toml", "[02]\nfiles = \"old\"\n")]);
        assert!(refused(&gone).contains("/old has nothing that boots"));
    }

    #[test]
    fn a_rig_gets_its_words_and_its_files_and_the_others_theirs() {
        let folder = folder(&NETBOOT);
        fs::create_dir(folder.path().join("old")).expect("made");
        for (name, text) in [
            ("old/vmlinuz", "older"),
            ("old/initrd", "older"),
            (
                "rigs.toml",
                "[52-54]\nname = \"rig-7\"\nfiles = \"old\"\n[02-00]\nboot = false\n",
            ),
        ] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let loaded = load(folder.path()).expect("loaded");
        assert_eq!(loaded.sections, 2);
        assert_eq!(served(&loaded.table, RIG, BootFile::Kernel), "older");
        let script = served(&loaded.table, RIG, BootFile::Script);
        assert!(
            script.contains("initrd=initrd panic=10 quiet miner.name=rig-7 ||"),
            "{script}"
        );
        assert!(loaded.table.recipe(OTHER).is_none(), "it is not answered");
        let script = served(&loaded.table, Mac([4; 6]), BootFile::Script);
        assert!(script.contains("quiet miner.owner=Ada ||"), "{script}");
    }

    /// An EFI program that does nothing, with room for more sections.
    fn program() -> Vec<u8> {
        let mut pe = vec![0; 0x400];
        let mut put = |at: usize, bytes: &[u8]| pe[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(0x3c, &[0x40]);
        put(0x40, b"PE\0\0\x64\x86");
        put(0x54, &240_u16.to_le_bytes());
        put(0x58, &0x20b_u16.to_le_bytes());
        for (at, number) in [(32, 4096_u32), (36, 512), (56, 0x1000), (60, 0x400)] {
            put(0x58 + at, &number.to_le_bytes());
        }
        pe
    }

    fn uki(command_line: &str) -> Vec<u8> {
        let parts = miner_images::uki::Parts {
            stub: &program(),
            os_release: "ID=miner\n",
            cmdline: command_line,
            kernel: &program(),
            initramfs: &[7; 5_000],
        };
        miner_images::uki::build(miner_images::arch::Arch::X86_64, &parts).expect("a UKI")
    }

    #[test]
    fn a_rig_gets_the_uki_as_if_it_had_been_built_with_its_words() {
        let folder = folder(&[(
            "rigs.toml",
            "[52-54-00-12-34-56]\nname = \"rig-seven\"\nowner = \"Bob B.\"\n",
        )]);
        fs::write(folder.path().join("x64.efi"), uki("quiet miner.owner=Ada")).expect("written");
        let table = load(folder.path()).expect("loaded").table;
        let file = BootFile::UkiX64;
        let open = |mac| table.open(FileName { mac, file }).expect("served");
        assert!(open(OTHER).bytes().expect("read") == uki("quiet miner.owner=Ada"));
        let own = uki("quiet miner.owner=Bob%20B. miner.name=rig-seven");
        let served = open(RIG);
        assert_eq!(served.len(), own.len() as u64);
        assert!(served.bytes().expect("read") == own);
        for from in (0..own.len()).step_by(97) {
            let mut piece = [0; 100];
            let read = served.read_at(from as u64, &mut piece).expect("read");
            assert_eq!(piece[..read], own[from..from + read], "{from}");
        }
    }

    #[test]
    fn words_for_a_uki_without_a_place_for_them_are_refused() {
        let folder = folder(&[
            ("x64.efi", "uki"),
            ("rigs.toml", "[52-54]\nname = \"rig-7\"\n"),
        ]);
        let line = refused(&folder);
        assert!(
            line.contains("rigs.toml: [52-54]: x64.efi has no command line"),
            "{line}"
        );
    }

    #[test]
    fn any_change_shows_and_none_does_not() {
        let folder = folder(&NETBOOT);
        let seen = load(folder.path()).expect("loaded").seen;
        assert_eq!(seen.again(), seen);
        for (name, text) in [
            ("rigs.toml", "[all]\n"),
            ("x64.efi", "uki"),
            ("vmlinuz", "newer"),
        ] {
            let before = seen.again();
            fs::write(folder.path().join(name), text).expect("written");
            assert_ne!(before.again(), before, "{name}");
        }
    }
}
