//! The script that iPXE runs. What it names is beside it: iPXE takes names relative to the script's own
//! URL, so the script knows neither the server's address nor the rig's.

use core::fmt;

use miner_shared::limits::MAX_CMDLINE;

use crate::files::BootFile;

/// Why a command line is not given to a rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It would be read as more than text.
    Commands,
    /// No kernel keeps so many bytes.
    TooLong(usize),
}

/// The script for a rig with this kernel command line. EFI builds of iPXE need the word `initrd=`; the
/// kernel of a BIOS machine passes over it. If something fails, the rig starts again and asks anew.
///
/// # Errors
/// iPXE would expand `${`, or end the command at `||`, `&&` or `;`, or the line has control characters or
/// is too long.
pub fn script(command_line: &str) -> Result<String, Refused> {
    if command_line.len() > MAX_CMDLINE {
        return Err(Refused::TooLong(command_line.len()));
    }
    let mut words = command_line.split_ascii_whitespace();
    let operator = words.any(|word| matches!(word, "||" | "&&" | ";"));
    let plain = command_line
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if operator || !plain || command_line.contains("${") {
        return Err(Refused::Commands);
    }
    let (kernel, initramfs) = (BootFile::Kernel, BootFile::Initramfs);
    Ok(format!(
        "#!ipxe\n\
         kernel {kernel} initrd={initramfs} {command_line} || reboot\n\
         initrd {initramfs} || reboot\n\
         boot || reboot\n"
    ))
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commands => f.write_str(
                "iPXE would read the command line as commands: it has `${`, `||`, `&&`, `;` or control characters",
            ),
            Self::TooLong(bytes) => {
                write!(f, "the command line has {bytes} bytes, at most {MAX_CMDLINE} fit")
            }
        }
    }
}

impl core::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_this_text() {
        assert_eq!(
            script("panic=10 quiet miner.controller=10.77.0.2:9091"),
            Ok("#!ipxe\n\
                kernel vmlinuz initrd=initrd panic=10 quiet miner.controller=10.77.0.2:9091 || reboot\n\
                initrd initrd || reboot\n\
                boot || reboot\n"
                .to_owned())
        );
    }

    #[test]
    fn a_command_line_cannot_become_commands() {
        for line in [
            "a || shell",
            "a && shell",
            "a ; shell",
            "a\nshell",
            "${net0/ip}",
            "a\u{7f}",
            "ä",
        ] {
            assert_eq!(script(line), Err(Refused::Commands), "{line:?}");
        }
        assert!(script("a=1||2 b=$c").is_ok(), "operators stand alone");
    }

    #[test]
    fn a_command_line_that_no_kernel_keeps_is_refused() {
        assert!(script(&"x".repeat(MAX_CMDLINE)).is_ok());
        let refused = script(&"x".repeat(MAX_CMDLINE + 1));
        assert_eq!(refused, Err(Refused::TooLong(MAX_CMDLINE + 1)));
    }
}
