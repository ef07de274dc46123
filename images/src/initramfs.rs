//! The file system that the kernel starts with: the agent as `/init`, modules, and what it is told.
//!
//! ```text
//! /init                 the agent                       /lib/modules/*.ko      in one folder
//! /dev/console  5:1     for the first lines             /lib/modules.order     a name in each line
//! /dev/null     1:3                                     /lib/firmware/…        if the user has some
//! /miner.conf           words of the command line, in order of trust before it
//! ```
//! There is no shell and nothing else. The archive is xz (`RD_XZ` is on in Debian's kernels): the same
//! library that unpacks packages makes it, and it is smaller than zstd -19.

use std::io::Write as _;

use lzma_rust2::{CheckType, XzOptions, XzWriter};
use miner_shared::cmdline::Settings;

use crate::cpio::{Cpio, CpioError};
use crate::modules::Module;

/// The file with the words of [`miner_shared::cmdline`].
pub const SETTINGS_FILE: &str = "miner.conf";
/// Dictionary of xz, in bytes: the kernel takes as much memory for a moment.
const DICTIONARY: u32 = 8 << 20;
/// Effort of xz; its dictionary is ours.
const PRESET: u32 = 9;

/// Why there is no initramfs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitramfsError {
    /// A file cannot go in.
    #[error("initramfs: {0}")]
    Archive(#[from] CpioError),
    /// It could not be compressed.
    #[error("initramfs: compressing it: {0}")]
    Compress(#[from] std::io::Error),
}

/// What goes in.
#[derive(Clone, Debug, Default)]
pub struct Initramfs<'a> {
    /// The agent's program, started as PID 1.
    pub agent: &'a [u8],
    /// Modules in the order of loading.
    pub modules: &'a [&'a Module],
    /// What the agent is told.
    pub settings: Option<&'a Settings>,
    /// Further files by their path without a leading `/`, such as `lib/firmware/rtl_nic/rtl8168h-2.fw`.
    pub files: &'a [(String, Vec<u8>)],
}

impl Initramfs<'_> {
    /// The archive, not compressed; the same bytes for the same parts.
    ///
    /// # Errors
    /// A further file has no plain path, or one that is taken.
    pub fn archive(&self) -> Result<Vec<u8>, CpioError> {
        let mut cpio = Cpio::new();
        cpio.device("dev/console", 0o600, (5, 1))?;
        cpio.device("dev/null", 0o666, (1, 3))?;
        cpio.program("init", self.agent)?;
        let mut order = String::new();
        for module in self.modules {
            cpio.file(&format!("lib/modules/{}", module.file), &module.bytes)?;
            order.extend([&module.file, "\n"]);
        }
        cpio.file("lib/modules.order", order.as_bytes())?;
        if let Some(settings) = self.settings {
            cpio.file(SETTINGS_FILE, format!("{settings}\n").as_bytes())?;
        }
        for (path, bytes) in self.files {
            cpio.file(path, bytes)?;
        }
        Ok(cpio.finish())
    }

    /// The archive as the kernel takes it.
    ///
    /// # Errors
    /// As [`Initramfs::archive`].
    pub fn build(&self) -> Result<Vec<u8>, InitramfsError> {
        Ok(compress(&self.archive()?)?)
    }
}

/// xz with the check sum that the kernel knows (Documentation/staging/xz.rst: CRC32 or none).
fn compress(archive: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut options = XzOptions::with_preset(PRESET);
    options.lzma_options.dict_size = DICTIONARY;
    options.set_check_sum_type(CheckType::Crc32);
    let mut writer = XzWriter::new(Vec::new(), options)?;
    writer.write_all(archive)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use miner_shared::cmdline::Key;

    use super::*;
    use crate::deb::unpack;
    use crate::modules::tests::kernel;

    fn with<T>(files: &[(String, Vec<u8>)], run: impl Fn(&Initramfs<'_>) -> T) -> T {
        let all = kernel(&[("net/b-c.ko", "depends=a\0"), ("a.ko", "")]);
        let modules = all.closure(&["b-c"]).unwrap();
        let mut settings = Settings::default();
        settings.set(Key::Owner, "Ada L.").unwrap();
        run(&Initramfs {
            agent: b"agent",
            modules: &modules,
            settings: Some(&settings),
            files,
        })
    }

    #[test]
    fn the_archive_holds_init_devices_modules_and_settings() {
        let archive = with(&[], |parts| parts.archive().unwrap());
        let text = String::from_utf8_lossy(&archive);
        let names = [
            "dev/console\0",
            "dev/null\0",
            "init\0",
            "lib/modules/a.ko\0",
        ];
        for name in names
            .into_iter()
            .chain(["lib/modules/b-c.ko\0", "miner.conf\0"])
        {
            assert!(text.contains(name), "{name}");
        }
        assert!(text.contains("a.ko\nb-c.ko\n"));
        assert!(text.contains("miner.owner=Ada%20L.\n"));
    }

    #[test]
    fn the_kernel_gets_xz_with_crc32_and_unpacks_the_archive() {
        let (archive, packed) = with(&[], |parts| {
            (parts.archive().unwrap(), parts.build().unwrap())
        });
        // Stream flags 00 01 (xz file format, section 2.1.1.2).
        assert_eq!(packed[..8], *b"\xfd7zXZ\0\0\x01");
        let mut again = Vec::new();
        let mut reader = unpack(Box::new(packed.as_slice())).unwrap();
        reader.read_to_end(&mut again).unwrap();
        assert!(again == archive);
    }

    #[test]
    fn the_same_parts_give_the_same_bytes() {
        let build = || {
            with(&[("etc/x".to_owned(), vec![1])], |parts| {
                parts.build().unwrap()
            })
        };
        assert!(build() == build());
    }

    #[test]
    fn a_further_file_cannot_take_the_place_of_init() {
        let files = [("init".to_owned(), Vec::new())];
        let refused = with(&files, |parts| parts.archive().unwrap_err());
        assert_eq!(refused, CpioError::Twice("init".to_owned()));
    }
}
