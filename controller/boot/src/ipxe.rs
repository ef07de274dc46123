//! The script that iPXE runs. What it names is beside it: iPXE takes names relative to the script's own
//! URL, so the script knows neither the server's address nor the rig's.

use core::fmt;

use crate::files::BootFile;

/// The command line would be read as more than text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsafe;

/// The script for a rig with this kernel command line. EFI builds of iPXE need the word `initrd=`; the
/// kernel of a BIOS machine passes over it. If something fails, the rig starts again and asks anew.
///
/// # Errors
/// iPXE would expand `${`, or end the command at `||`, `&&` or `;`, or the line has control characters.
pub fn script(command_line: &str) -> Result<String, Unsafe> {
    let mut words = command_line.split_ascii_whitespace();
    let operator = words.any(|word| matches!(word, "||" | "&&" | ";"));
    let plain = command_line
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if operator || !plain || command_line.contains("${") {
        return Err(Unsafe);
    }
    let (kernel, initramfs) = (BootFile::Kernel, BootFile::Initramfs);
    Ok(format!(
        "#!ipxe\n\
         kernel {kernel} initrd={initramfs} {command_line} || reboot\n\
         initrd {initramfs} || reboot\n\
         boot || reboot\n"
    ))
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("iPXE would read the command line as commands: it has `${`, `||`, `&&`, `;` or control characters")
    }
}

impl core::error::Error for Unsafe {}

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
            assert_eq!(script(line), Err(Unsafe), "{line:?}");
        }
        assert!(script("a=1||2 b=$c").is_ok(), "operators stand alone");
    }
}
