//! Which images there are, and what their kernels are told.
//!
//! | recipe            | files                                                        |
//! |-------------------|--------------------------------------------------------------|
//! | `ARCH-netboot`    | kernel and initramfs, for iPXE or `qemu -kernel`             |
//! | `ARCH-uki`        | one EFI program, for UEFI by PXE, HTTP or disk               |
//! | `x86_64-disk`     | a disk that BIOS and UEFI start                              |
//! | `aarch64-disk`    | a disk that UEFI starts                                      |
//! | `aarch64-pi`      | a card for the Raspberry Pi, with the user's own firmware    |

use std::fmt::{self, Write as _};
use std::str::FromStr;

use miner_shared::cmdline::{Key, Settings};
use miner_shared::limits::{MAX_CMDLINE, MAX_CMDLINE_KERNEL};

use crate::arch::Arch;

/// What a build makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Artefact {
    /// A whole disk.
    Disk,
    /// Kernel and initramfs.
    Netboot,
    /// A card for the Raspberry Pi.
    Pi,
    /// A unified kernel image.
    Uki,
}

impl Artefact {
    const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Netboot => "netboot",
            Self::Pi => "pi",
            Self::Uki => "uki",
        }
    }
}

/// A machine and what is made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipe {
    /// The machine.
    pub arch: Arch,
    /// What is made.
    pub artefact: Artefact,
}

impl Recipe {
    /// Every recipe.
    pub const ALL: [Self; 7] = [
        Self::new(Arch::X86_64, Artefact::Netboot),
        Self::new(Arch::X86_64, Artefact::Uki),
        Self::new(Arch::X86_64, Artefact::Disk),
        Self::new(Arch::Aarch64, Artefact::Netboot),
        Self::new(Arch::Aarch64, Artefact::Uki),
        Self::new(Arch::Aarch64, Artefact::Disk),
        Self::new(Arch::Aarch64, Artefact::Pi),
    ];

    const fn new(arch: Arch, artefact: Artefact) -> Self {
        Self { arch, artefact }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.arch, self.artefact.name())
    }
}

impl FromStr for Recipe {
    type Err = UnknownRecipe;

    fn from_str(text: &str) -> Result<Self, UnknownRecipe> {
        let found = Self::ALL.into_iter().find(|one| one.to_string() == text);
        found.ok_or_else(|| UnknownRecipe(text.to_owned()))
    }
}

/// A name that is no recipe's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRecipe(String);

impl fmt::Display for UnknownRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no recipe; take one of", self.0)?;
        Recipe::ALL.iter().try_for_each(|one| write!(f, " {one}"))
    }
}

impl std::error::Error for UnknownRecipe {}

/// Why there is no command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandLineError {
    /// Words for the kernel that are no such. What stands behind `=` is left out: it may be a token.
    #[error("{0:?}: kernel words are printable ASCII without quotes, and not miner.*")]
    BadWord(String),
    /// More than a kernel keeps.
    #[error("the kernel command line has {0} bytes, and {MAX_CMDLINE} are the most")]
    LineTooLong(usize),
    /// More words for the kernel than there is room for.
    #[error("the kernel's own words have {0} bytes, and {MAX_CMDLINE_KERNEL} are the most")]
    TooLong(usize),
}

/// Words for every kernel of this kind. The last console becomes `/dev/console`: most rigs have no
/// screen. A kernel that panics starts again after ten seconds; Debian's would stand for ever.
const fn kernel_words(arch: Arch) -> &'static str {
    match arch {
        Arch::Aarch64 => "console=tty0 console=ttyAMA0 panic=10 quiet",
        Arch::X86_64 => "console=tty0 console=ttyS0,115200 panic=10 quiet",
    }
}

/// The whole command line: the kernel's words, `extra` ones (such as `hugepagesz=1G hugepages=3`), and ours.
/// It always fits [`miner_shared::limits::MAX_CMDLINE`].
///
/// # Errors
/// The extra words are no words for the kernel, or too many.
pub fn command_line(
    arch: Arch,
    extra: &str,
    settings: &Settings,
) -> Result<String, CommandLineError> {
    let mut line = kernel_words(arch).to_owned();
    for word in extra.split_ascii_whitespace() {
        line.extend([" ", checked(word)?]);
    }
    if line.len() > MAX_CMDLINE_KERNEL {
        return Err(CommandLineError::TooLong(line.len()));
    }
    if *settings != Settings::default() {
        // Writing to a string does not fail.
        let _ = write!(line, " {settings}");
    }
    Ok(line)
}

/// The command line `base` with further words for the kernel, and with these settings in the place of its
/// own.
///
/// # Errors
/// The words are no words for the kernel, or the line becomes too long.
pub fn changed_line(
    base: &str,
    extra: &str,
    settings: &Settings,
) -> Result<String, CommandLineError> {
    let is_replaced = |word: &str| {
        let name = word.split('=').next();
        let replaced = |key: &Key| settings.get(*key).is_some() && name == Some(key.name());
        Key::ALL.iter().any(replaced)
    };
    let kept = base.split_ascii_whitespace();
    let kept = kept.filter(|word| !is_replaced(word)).map(Ok);
    let extra = extra.split_ascii_whitespace().map(checked);
    let words: Vec<&str> = kept.chain(extra).collect::<Result<_, _>>()?;
    let line = format!("{} {settings}", words.join(" "));
    let line = line.trim();
    if line.len() > MAX_CMDLINE {
        return Err(CommandLineError::LineTooLong(line.len()));
    }
    Ok(line.to_owned())
}

/// A word for the kernel.
fn checked(word: &str) -> Result<&str, CommandLineError> {
    let good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if word.starts_with("miner.") || !word.bytes().all(good) {
        let name = word.split_inclusive('=').next().unwrap_or_default();
        return Err(CommandLineError::BadWord(name.to_owned()));
    }
    Ok(word)
}

/// What a boot menu shows of an image (os-release(5)).
pub fn os_release(version: &str) -> String {
    format!("ID=miner\nNAME=\"miner\"\nPRETTY_NAME=\"miner {version}\"\nVERSION_ID={version}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_goes_by_its_name() {
        for recipe in Recipe::ALL {
            assert_eq!(recipe.to_string().parse(), Ok(recipe));
        }
        let error = "x86_64-floppy".parse::<Recipe>().unwrap_err().to_string();
        assert!(error.starts_with("\"x86_64-floppy\" is no recipe; take one of x86_64-netboot "));
    }

    #[test]
    fn the_line_has_the_kernels_words_first_and_ours_behind() {
        let mut settings = Settings::default();
        let line = command_line(Arch::Aarch64, "", &settings).unwrap();
        assert_eq!(line, "console=tty0 console=ttyAMA0 panic=10 quiet");
        settings.set(Key::Owner, "Ada L.").unwrap();
        let line = command_line(Arch::X86_64, "hugepages=3", &settings).unwrap();
        assert_eq!(
            line,
            "console=tty0 console=ttyS0,115200 panic=10 quiet hugepages=3 miner.owner=Ada%20L."
        );
    }

    #[test]
    fn extra_words_cannot_be_ours_nor_break_the_line_nor_be_too_many() {
        let line = |extra: &str| command_line(Arch::X86_64, extra, &Settings::default());
        for (bad, told) in [
            ("miner.owner=Eve", "miner.owner="),
            ("a=\"b", "a="),
            ("é", "é"),
        ] {
            assert_eq!(line(bad), Err(CommandLineError::BadWord(told.to_owned())));
        }
        let room = MAX_CMDLINE_KERNEL - kernel_words(Arch::X86_64).len() - 1;
        assert_eq!(line(&"a".repeat(room)).unwrap().len(), MAX_CMDLINE_KERNEL);
        let refused = line(&"a".repeat(room + 1));
        assert_eq!(
            refused,
            Err(CommandLineError::TooLong(MAX_CMDLINE_KERNEL + 1))
        );
    }

    #[test]
    fn a_changed_line_keeps_what_is_not_replaced() {
        let base = "console=ttyS0 quiet miner.owner=Ada miner.token=ENR1-OLD miner.new=1";
        let mut settings = Settings::default();
        assert_eq!(changed_line(base, "", &settings).as_deref(), Ok(base));
        settings.set(Key::Owner, "Bob").unwrap();
        settings.set(Key::Name, "rig-7").unwrap();
        let line = "console=ttyS0 quiet miner.token=ENR1-OLD miner.new=1 mitigations=off \
                    miner.owner=Bob miner.name=rig-7";
        let changed = changed_line(base, " mitigations=off ", &settings);
        assert_eq!(changed.as_deref(), Ok(line));
        assert_eq!(
            changed_line("", "a", &Settings::default()).as_deref(),
            Ok("a")
        );

        let secret = changed_line(base, "miner.token=ENR1-SECRET", &settings).unwrap_err();
        assert!(!secret.to_string().contains("SECRET"), "{secret}");
        let long = changed_line(base, &"a".repeat(MAX_CMDLINE), &settings);
        assert!(matches!(long, Err(CommandLineError::LineTooLong(_))));
    }

    #[test]
    fn the_longest_settings_fit_the_line() {
        let mut settings = Settings::default();
        for key in [Key::Controller, Key::Owner, Key::Test] {
            settings.set(key, &"%".repeat(key.max())).unwrap();
        }
        let extra = "a".repeat(100);
        let line = command_line(Arch::X86_64, &extra, &settings).unwrap();
        assert!(line.len() <= MAX_CMDLINE);
    }
}
