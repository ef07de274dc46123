//! How a slot is started: the two small files that are written behind its kernel and initramfs.
//!
//! ```text
//!   a/boot.cfg, GRUB's                        loader/entries/miner-1.2.3.conf, the Boot Loader Specification's
//!   if linux /a/vmlinuz 'quiet' miner.slot=a; then   title    miner 1.2.3
//!     if initrd /a/initrd; then boot; fi             sort-key miner
//!   fi                                               version  1.2.3
//!                                                    initrd   /a/initrd
//!                                                    options  quiet miner.slot=a
//!                                                    linux    /a/vmlinuz
//! ```
//! The kernel comes last: an entry that was cut short by a power cut names none, and is passed over.
//! systemd-boot takes the highest version of a sort key. The kernel's words go from slot to slot: an update
//! reads the entry of the slot that runs, and writes the files of the other.

use core::fmt::{self, Display};

use super::{INITRAMFS_FILE, KERNEL_FILE, Slot};
use crate::release::Version;

/// The word of the kernel's command line that says which slot runs; the slot's name follows.
pub const SLOT_WORD: &str = "miner.slot=";

/// What starts a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start<'a> {
    slot: Slot,
    version: Version,
    words: &'a str,
}

impl<'a> Start<'a> {
    /// `words` are for the kernel; `None` if they could say something else to a boot loader: they must be
    /// printable ASCII without `"`, `'`, `\`, `$`, and a backtick.
    pub fn new(slot: Slot, version: Version, words: &'a str) -> Option<Self> {
        let plain = |byte: u8| (b' '..0x7F).contains(&byte) && !b"'\"\\$`".contains(&byte);
        let start = Self {
            slot,
            version,
            words: words.trim_ascii(),
        };
        words.bytes().all(plain).then_some(start)
    }

    /// Reads the entry of a slot, as [`Self::entry`] writes it.
    pub fn read(entry: &'a str) -> Option<Self> {
        let value = |name: &str| {
            let mut values = entry.lines().filter_map(|line| {
                let (key, value) = line.split_once(' ')?;
                (key == name).then(|| value.trim_ascii())
            });
            values.next()
        };
        let folder = value("linux")?.strip_prefix('/')?;
        let slot = Slot::parse(folder.strip_suffix(KERNEL_FILE)?.strip_suffix('/')?)?;
        let words = value("options")?.strip_suffix(slot.as_str())?;
        Self::new(
            slot,
            value("version")?.parse().ok()?,
            words.strip_suffix(SLOT_WORD)?,
        )
    }

    /// The slot.
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// What is in it.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The same words for another slot with another version.
    pub const fn of(&self, slot: Slot, version: Version) -> Self {
        Self {
            slot,
            version,
            words: self.words,
        }
    }

    /// GRUB's script: it starts the slot, or does nothing if its files cannot be loaded.
    pub fn script(&self) -> impl Display {
        Script(*self)
    }

    /// systemd-boot's entry.
    pub fn entry(&self) -> impl Display {
        Entry(*self)
    }
}

struct Script<'a>(Start<'a>);

impl Display for Script<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Start { slot, words, .. } = self.0;
        write!(f, "if linux /{slot}/{KERNEL_FILE}")?;
        for word in words.split_ascii_whitespace() {
            write!(f, " '{word}'")?;
        }
        writeln!(f, " {SLOT_WORD}{slot}; then")?;
        writeln!(f, "  if initrd /{slot}/{INITRAMFS_FILE}; then boot; fi\nfi")
    }
}

struct Entry<'a>(Start<'a>);

impl Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Start {
            slot,
            version,
            words,
        } = self.0;
        writeln!(
            f,
            "title    miner {version}\nsort-key miner\nversion  {version}\n\
             initrd   /{slot}/{INITRAMFS_FILE}"
        )?;
        f.write_str("options ")?;
        for word in words.split_ascii_whitespace() {
            write!(f, " {word}")?;
        }
        writeln!(f, " {SLOT_WORD}{slot}\nlinux    /{slot}/{KERNEL_FILE}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn version() -> Version {
        "1.2.3".parse().unwrap()
    }

    #[test]
    fn a_slot_starts_its_own_files_with_its_name() {
        let start = Start::new(Slot::B, version(), "console=ttyS0  panic=10").unwrap();
        let script = start.script().to_string();
        let line = "if linux /b/vmlinuz 'console=ttyS0' 'panic=10' miner.slot=b; then\n";
        assert!(script.starts_with(line), "{script}");
        assert!(script.contains("initrd /b/initrd;"), "{script}");
        let want = "title    miner 1.2.3\nsort-key miner\nversion  1.2.3\ninitrd   /b/initrd\n\
                    options  console=ttyS0 panic=10 miner.slot=b\nlinux    /b/vmlinuz\n";
        assert_eq!(start.entry().to_string(), want);
    }

    #[test]
    fn an_entry_is_read_as_it_was_written_and_gives_its_words_to_the_other_slot() {
        for words in ["", "console=ttyS0 panic=10 miner.hugepages=off"] {
            let start = Start::new(Slot::A, version(), words).unwrap();
            let entry = start.entry().to_string();
            let read = Start::read(&entry).unwrap();
            assert_eq!(read, start);
            assert_eq!((read.slot(), read.version()), (Slot::A, version()));
            let newer = "1.2.4".parse().unwrap();
            let other = Start::new(Slot::B, newer, words).unwrap();
            assert_eq!(read.of(Slot::B, newer), other);
        }
    }

    #[test]
    fn what_is_cut_or_of_another_is_no_entry() {
        let start = Start::new(Slot::A, version(), "quiet").unwrap();
        let entry = start.entry().to_string();
        for end in 0..entry.len() - 1 {
            assert_eq!(Start::read(&entry[..end]), None, "{}", &entry[..end]);
        }
        for (from, to) in [
            ("linux    /a/", "linux    /c/"),
            ("vmlinuz", "bzImage"),
            ("slot=a", "slot=b"),
            ("version  1.2.3", "version  1.2"),
            ("quiet", "$root"),
        ] {
            assert_eq!(Start::read(&entry.replace(from, to)), None, "{to}");
        }
    }

    #[test]
    fn the_words_cannot_say_anything_else_to_a_boot_loader() {
        for words in ["a'b", "a\nreboot", "$root", "a\"", "`", "\\", "ä"] {
            assert_eq!(Start::new(Slot::A, version(), words), None, "{words:?}");
        }
        let words = "miner.pool=stratum+tcp://h:1;x";
        assert!(Start::new(Slot::A, version(), words).is_some());
    }
}
