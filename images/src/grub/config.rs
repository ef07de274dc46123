//! GRUB's scripts: the one in the core, the one that chooses a slot, and the one of each slot.

use miner_shared::slots::{BOOT_LABEL, INITRAMFS_FILE, KERNEL_FILE, SCRIPT_FILE, Slot, TRIES};

/// The folder of the scripts: on the first partition of the disk that the BIOS started.
pub(super) const PREFIX: &str = "(,gpt1)/grub";

/// The script in the core: the boot volume by its label, first where it ought to be.
pub(super) fn early_cfg() -> String {
    format!("search.fs_label {BOOT_LABEL} root hd0,gpt1\nset prefix=($root)/grub\n")
}

/// `grub/grub.cfg`: starts the slot on trial as long as it has tries left, else the confirmed one, else
/// whatever is there.
///
/// GRUB cannot subtract, so the tries are counted by cases. A trial starts only after its count was
/// written: on a disk that cannot be written to it would never end.
pub fn grub_cfg() -> String {
    let (a, b) = (Slot::A, Slot::B);
    let cases: String = (1..=TRIES)
        .map(|tries| {
            let left = tries - 1;
            format!("if [ \"$tries\" = \"{tries}\" ]; then set left={left}; fi\n")
        })
        .collect();
    format!(
        r#"# Which slot starts. The state is in grubenv: slot, trial, tries.
if serial --unit=0 --speed=115200; then
  terminal_input console serial
  terminal_output console serial
fi
load_env slot trial tries
{cases}set first="$slot"
if [ -n "$trial" ]; then
  if [ -n "$left" ]; then
    set tries="$left"
    if save_env tries; then set first="$trial"; fi
  fi
fi
for try in "$first" "$slot" {a} {b}; do
  if [ -f "/$try/{SCRIPT_FILE}" ]; then
    echo "miner: slot $try"
    source "/$try/{SCRIPT_FILE}"
  fi
done
echo "miner: no slot starts. Write the image to the disk again."
sleep 60
reboot
"#
    )
}

/// The script of a slot: starts it, or does nothing if its files cannot be loaded. The command line must
/// hold printable ASCII only and no quotes.
pub fn boot_cfg(slot: Slot, command_line: &str) -> Option<String> {
    let is_plain = command_line
        .bytes()
        .all(|b| (b' '..0x7F).contains(&b) && !b"'\"\\$`".contains(&b));
    if !is_plain {
        return None;
    }
    let words: String = command_line
        .split_ascii_whitespace()
        .map(|word| format!(" '{word}'"))
        .collect();
    Some(format!(
        r"if linux /{slot}/{KERNEL_FILE}{words} miner.slot={slot}; then
  if initrd /{slot}/{INITRAMFS_FILE}; then boot; fi
fi
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_of_tries_has_its_case() {
        let script = grub_cfg();
        for (tries, left) in [(3, 2), (2, 1), (1, 0)] {
            let case = format!("if [ \"$tries\" = \"{tries}\" ]; then set left={left}; fi");
            assert!(script.contains(&case), "{script}");
        }
        assert!(!script.contains("= \"0\""));
    }

    #[test]
    fn a_trial_starts_only_after_its_count_was_written() {
        let script = grub_cfg();
        let trial = "if save_env tries; then set first=\"$trial\"; fi";
        assert_eq!(script.matches("\"$trial\"; fi").count(), 1);
        assert!(script.contains(trial), "{script}");
    }

    #[test]
    fn a_slot_starts_its_own_files_with_its_name() {
        let script = boot_cfg(Slot::B, "console=ttyS0  panic=10").unwrap();
        let line = "linux /b/vmlinuz 'console=ttyS0' 'panic=10' miner.slot=b; then";
        assert!(script.contains(line), "{script}");
        assert!(script.contains("initrd /b/initrd;"), "{script}");
    }

    #[test]
    fn a_command_line_cannot_say_anything_else_to_grub() {
        for line in ["a'b", "a\nreboot", "$root", "a\"", "`", "\\", "ä"] {
            assert_eq!(boot_cfg(Slot::A, line), None, "{line:?}");
        }
        assert!(boot_cfg(Slot::A, "miner.pool=stratum+tcp://h:1;x").is_some());
    }
}
