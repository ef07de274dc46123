//! Unified kernel images: one EFI program with the kernel, its initramfs and its command line
//! (The Unified Kernel Image specification, UAPI group).
//!
//! ```text
//! systemd's EFI stub │ .osrel │ .cmdline, room for 2047 bytes │ .linux │ .initrd
//! ```
//! Firmware starts it from a disk, by PXE or by HTTP alike, and hands it no options then: what `.cmdline`
//! says counts. A boot server says something else to each rig by [`Place::replacing`].

use miner_shared::limits::MAX_CMDLINE;

use crate::arch::Arch;
use crate::pe::{NewSection, Pe, PeError, Section, append};

const CMDLINE: &str = ".cmdline";

/// Why there is no image, or none with this command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UkiError {
    /// The command line is too long.
    #[error("the kernel command line has {0} bytes, and {MAX_CMDLINE} are the most")]
    CmdlineTooLong(usize),
    /// The command line has characters that it may not.
    #[error("the kernel command line may hold printable ASCII only; percent-encode the rest")]
    CmdlineNotText,
    /// The stub cannot be extended.
    #[error("EFI stub: {0}")]
    Stub(#[from] PeError),
    /// A part is for another machine, or no EFI program.
    #[error("{what}: not for {arch}; take one built for it")]
    WrongMachine {
        /// `EFI stub` or `kernel`.
        what: &'static str,
        /// The machine of the image.
        arch: Arch,
    },
    /// The file has no command line to patch.
    #[error("no unified kernel image with a command line; build it again")]
    NoCmdline,
}

/// What an image is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// systemd's EFI stub.
    pub stub: &'a [u8],
    /// What os-release(5) says, for boot menus.
    pub os_release: &'a str,
    /// The kernel's command line.
    pub cmdline: &'a str,
    /// The kernel, an EFI program itself.
    pub kernel: &'a [u8],
    /// The initramfs.
    pub initramfs: &'a [u8],
}

/// Builds the image; the same bytes for the same parts.
///
/// # Errors
/// Stub or kernel are not for this machine, the stub has no room, or the command line is not good.
pub fn build(arch: Arch, parts: &Parts<'_>) -> Result<Vec<u8>, UkiError> {
    check_cmdline(parts.cmdline)?;
    for (what, bytes) in [("EFI stub", parts.stub), ("kernel", parts.kernel)] {
        let good = Pe::parse(bytes).is_ok_and(|pe| pe.machine == arch.pe_machine());
        if !good {
            return Err(UkiError::WrongMachine { what, arch });
        }
    }
    let cmdline = NewSection {
        name: CMDLINE,
        contents: &with_room(parts.cmdline),
        size: parts.cmdline.len(),
    };
    let sections = [
        NewSection::whole(".osrel", parts.os_release.as_bytes()),
        cmdline,
        NewSection::whole(".linux", parts.kernel),
        NewSection::whole(".initrd", parts.initramfs),
    ];
    Ok(append(parts.stub, &sections)?)
}

/// The command line of an image.
pub fn cmdline(uki: &[u8]) -> Option<&str> {
    let pe = Pe::parse(uki).ok()?;
    str::from_utf8(pe.section(CMDLINE)?.contents(uki)?).ok()
}

/// Where the command line of an image is, so that it can be replaced without a look at the rest of the file.
#[derive(Clone, Debug)]
pub struct Place {
    text: String,
    section: Section,
}

impl Place {
    /// Finds it.
    ///
    /// # Errors
    /// These are no bytes of an image of ours.
    pub fn find(uki: &[u8]) -> Result<Self, UkiError> {
        let pe = Pe::parse(uki)?;
        let section = pe.section(CMDLINE).ok_or(UkiError::NoCmdline)?;
        let text = cmdline(uki).ok_or(UkiError::NoCmdline)?;
        Ok(Self {
            text: text.to_owned(),
            section: section.clone(),
        })
    }

    /// The command line that the image was built with.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What to write where in the file so that it says this instead.
    ///
    /// # Errors
    /// The text is not good, or the image has no room for it.
    pub fn replacing(&self, text: &str) -> Result<[(u64, Vec<u8>); 2], UkiError> {
        check_cmdline(text)?;
        self.section
            .replacement(with_room(text), text.len())
            .ok_or(UkiError::NoCmdline)
    }
}

/// Replaces the command line of an image, in place: nothing else changes, and no tool is needed.
///
/// # Errors
/// These are no bytes of an image of ours, or the text is not good.
pub fn patch_cmdline(uki: &mut [u8], text: &str) -> Result<(), UkiError> {
    for (at, bytes) in Place::find(uki)?.replacing(text)? {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let place = uki
            .get_mut(at..)
            .and_then(|rest| rest.get_mut(..bytes.len()));
        place.ok_or(UkiError::NoCmdline)?.copy_from_slice(&bytes);
    }
    Ok(())
}

/// The text with spaces up to the longest one.
fn with_room(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(MAX_CMDLINE, b' ');
    bytes
}

fn check_cmdline(text: &str) -> Result<(), UkiError> {
    if text.len() > MAX_CMDLINE {
        return Err(UkiError::CmdlineTooLong(text.len()));
    }
    let good = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.bytes().all(good) {
        Ok(())
    } else {
        Err(UkiError::CmdlineNotText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pe::tests::program;

    fn image(cmdline: &str) -> Result<Vec<u8>, UkiError> {
        build(
            Arch::X86_64,
            &Parts {
                stub: &program(0x8664, 0x200, 0x400),
                os_release: "ID=miner\n",
                cmdline,
                kernel: &program(0x8664, 0x1000, 0x400),
                initramfs: b"initramfs",
            },
        )
    }

    #[test]
    fn every_part_is_a_section_of_the_image() {
        let uki = image("quiet panic=10").unwrap();
        let pe = Pe::parse(&uki).unwrap();
        let contents = |name| pe.section(name).unwrap().contents(&uki).unwrap();
        assert_eq!(contents(".osrel"), b"ID=miner\n");
        assert_eq!(contents(".cmdline"), b"quiet panic=10");
        assert_eq!(contents(".linux"), program(0x8664, 0x1000, 0x400));
        assert_eq!(contents(".initrd"), b"initramfs");
    }

    #[test]
    fn the_same_parts_give_the_same_bytes() {
        assert!(image("quiet") == image("quiet"));
    }

    #[test]
    fn a_patched_image_is_the_one_built_with_that_command_line() {
        let longest = "x".repeat(MAX_CMDLINE);
        for text in ["", "a b", longest.as_str()] {
            let mut uki = image("quiet miner.owner=Ada").unwrap();
            patch_cmdline(&mut uki, text).unwrap();
            assert_eq!(cmdline(&uki), Some(text));
            patch_cmdline(&mut uki, "quiet").unwrap();
            assert!(uki == image("quiet").unwrap());
        }
    }

    #[test]
    fn a_command_line_too_long_or_with_odd_characters_is_refused() {
        let mut uki = image("quiet").unwrap();
        let long = "x".repeat(MAX_CMDLINE + 1);
        for (text, error) in [
            (long.as_str(), UkiError::CmdlineTooLong(2048)),
            ("a\nb", UkiError::CmdlineNotText),
            ("é", UkiError::CmdlineNotText),
        ] {
            assert_eq!(image(text), Err(error.clone()));
            assert_eq!(patch_cmdline(&mut uki, text), Err(error));
        }
        assert!(uki == image("quiet").unwrap());
        let mut stub = program(0x8664, 0x200, 0x400);
        assert_eq!(patch_cmdline(&mut stub, "a"), Err(UkiError::NoCmdline));
    }

    #[test]
    fn parts_for_another_machine_are_refused() {
        let (arm, intel) = (
            program(0xaa64, 0x1000, 0x400),
            program(0x8664, 0x200, 0x400),
        );
        for (stub, kernel, what) in [(&arm, &intel, "EFI stub"), (&intel, &arm, "kernel")] {
            let parts = Parts {
                stub,
                os_release: "",
                cmdline: "",
                kernel,
                initramfs: b"",
            };
            let arch = Arch::X86_64;
            assert_eq!(
                build(arch, &parts),
                Err(UkiError::WrongMachine { what, arch })
            );
        }
    }
}
