//! The console: standard streams of process 1 and its worker, and every screen that the kernel writes to.
//!
//! `/dev/console` is the last of the kernel's `console=` words; the others are in
//! `/sys/class/tty/console/active`, as `tty0 ttyS0`. The log goes to the first, what the console shows goes to
//! all, so that a person reads it on a screen and on a serial line alike.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::Root;

/// Consoles that are written to, at most.
const MAX_CONSOLES: usize = 4;

/// Opens `/dev/console` again, as the one that the kernel opened may be of the image's own `/dev`.
pub(super) fn reopen(root: &Root) {
    let path = root.at("dev/console");
    let console = OpenOptions::new().read(true).write(true).open(path);
    if let Ok(console) = console {
        // There is nobody yet to tell of a failure: the kernel's streams stay then.
        let _ = dup2_stdin(&console);
        let _ = dup2_stdout(&console);
        let _ = dup2_stderr(&console);
    }
}

/// The consoles' names, such as `tty0`.
fn names(root: &Root) -> Vec<String> {
    let active = root.text("sys/class/tty/console/active");
    let active = active.unwrap_or_else(|| "console".to_owned());
    let names = active.split_whitespace().take(MAX_CONSOLES);
    names.map(str::to_owned).collect()
}

/// Writes lines to every console. One that takes nothing, as a serial line without a cable, holds up nothing.
pub(super) fn print(root: &Root, lines: &str) {
    let text = lines.replace('\n', "\r\n");
    for name in names(root) {
        if let Some(mut console) = open(&root.at("dev").join(name)) {
            let _ = console.write_all(text.as_bytes());
        }
    }
}

fn open(path: &Path) -> Option<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    let options = options.write(true).custom_flags(flags.bits().cast_signed());
    options.open(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_reach_every_console_that_is_there() {
        let (_folder, root) = Root::with(&[
            ("sys/class/tty/console/active", "tty0 ttyUSB9 ttyS0\n"),
            ("dev/tty0", ""),
            ("dev/ttyS0", ""),
        ]);
        print(&root, "one\ntwo\n");
        for name in ["dev/tty0", "dev/ttyS0"] {
            let text = std::fs::read_to_string(root.at(name)).expect("there");
            assert_eq!(text, "one\r\ntwo\r\n", "{name}");
        }
        assert!(!root.at("dev/ttyUSB9").exists(), "none is made");
    }

    #[test]
    fn without_a_list_there_is_the_one_console() {
        let (_folder, root) = Root::with(&[]);
        assert_eq!(names(&root), ["console"]);
    }
}
