//! GRUB's scripts: the one in the core, and the one that chooses a slot. That of each slot is of
//! [`miner_shared::slots`].

use miner_shared::slots::{BOOT_LABEL, SCRIPT_FILE, Slot, TRIES};

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
}
