//! Shows the person beside a machine which one it is: a line and a beep on its console, and the lights of
//! a keyboard where the system has some.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where the system keeps its lights, as `input3::capslock`.
const LEDS: &str = "/sys/class/leds";
/// Lights that a keyboard has, or a case that was made for this.
const LIT: [&str; 4] = ["::capslock", "::numlock", "::scrolllock", ":identify"];
/// Lights of one machine that are used.
const MAX_LIGHTS: usize = 16;

/// A machine that shows itself. Dropping it puts its lights back.
#[derive(Debug)]
pub struct Beacon {
    console: Option<File>,
    lights: Vec<Light>,
    on: bool,
}

#[derive(Debug)]
struct Light {
    file: PathBuf,
    was: String,
}

impl Beacon {
    /// Begins with a line on the console.
    pub fn new(line: &str) -> Self {
        let mut beacon = Self::over("/dev/console".as_ref(), LEDS.as_ref());
        beacon.print(&format!("\r\n*** {line} ***\r\n"));
        beacon
    }

    fn over(console: &Path, leds: &Path) -> Self {
        let mut open = OpenOptions::new();
        // A console that does not take what is written, as one without a cable, must hold up nothing.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        open.write(true).custom_flags(flags.bits().cast_signed());
        let entries = fs::read_dir(leds).into_iter().flatten().flatten();
        let lights = entries
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_str().unwrap_or_default();
                LIT.iter().any(|kind| name.ends_with(kind))
            })
            .filter_map(|entry| {
                let file = entry.path().join("brightness");
                let was = fs::read_to_string(&file).ok()?.trim().to_owned();
                Some(Light { file, was })
            });
        Self {
            console: open.open(console).ok(),
            lights: lights.take(MAX_LIGHTS).collect(),
            on: false,
        }
    }

    /// Beeps, and turns the lights on or off; once a second is to be seen and heard.
    pub fn blink(&mut self) {
        self.on = !self.on;
        self.print("\u{7}");
        let brightness = if self.on { "1" } else { "0" };
        for light in &self.lights {
            // Only root may: the console has to do then.
            let _ = fs::write(&light.file, brightness);
        }
    }

    fn print(&mut self, text: &str) {
        if let Some(console) = &mut self.console {
            let _ = console.write_all(text.as_bytes());
        }
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        for light in &self.lights {
            let _ = fs::write(&light.file, &light.was);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyboard_lights_blink_and_are_put_back() {
        let root = tempfile::tempdir().expect("a folder");
        let console = root.path().join("console");
        fs::write(&console, "").expect("written");
        let leds = root.path().join("leds");
        let file = |name: &str| leds.join(name).join("brightness");
        for (name, was) in [("input3::capslock", "0\n"), ("mmc0::", "0\n")] {
            fs::create_dir_all(leds.join(name)).expect("made");
            fs::write(file(name), was).expect("written");
        }
        let now = |name: &str| fs::read_to_string(file(name)).expect("there");
        let mut beacon = Beacon::over(&console, &leds);
        beacon.blink();
        assert_eq!(
            (now("input3::capslock"), now("mmc0::")),
            ("1".into(), "0\n".into())
        );
        assert_eq!(fs::read_to_string(&console).expect("there"), "\u{7}");
        beacon.blink();
        assert_eq!(now("input3::capslock"), "0");
        beacon.blink();
        drop(beacon);
        assert_eq!(now("input3::capslock"), "0", "as it was");
    }

    #[test]
    fn a_machine_without_console_and_lights_has_nothing_to_show() {
        let nowhere = Path::new("/nonexistent");
        Beacon::over(nowhere, nowhere).blink();
    }
}
