//! The machine's host name, which a new node takes as its own: a label, never an identity.
//!
//! ```text
//!   `hostname` on the state volume ─▶ else miner.name ─▶ else what DHCP says (option 12)
//!                                                    ─▶ else rig- and the end of the MAC
//! ```

use std::fs::File;
use std::io::Read;
use std::path::Path;

use log::{info, warn};
use miner_shared::cmdline::is_host_name;

/// Name of the file on the state volume.
const FILE: &str = "hostname";
/// Longest name that the kernel takes.
const MAX: usize = 64;

/// Gives the machine its name.
pub(super) fn set(
    state: Option<&Path>,
    told: Option<&str>,
    leased: Option<&str>,
    mac: Option<[u8; 6]>,
) {
    let stored = state.and_then(stored);
    let name = choose([stored.as_deref(), told, leased], mac);
    match rustix::system::sethostname(name.as_bytes()) {
        Ok(()) => info!("host name: {name}"),
        Err(error) => warn!("host name {name} not set: {error}"),
    }
}

fn stored(folder: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(folder.join(FILE)).ok()?;
    file.take(MAX as u64 + 1).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The first that is a name.
fn choose(given: [Option<&str>; 3], mac: Option<[u8; 6]>) -> String {
    let good = |text: &str| {
        let text = text.trim();
        is_host_name(text).then(|| text.to_owned())
    };
    let given = given.into_iter().flatten().find_map(good);
    given.unwrap_or_else(|| match mac {
        Some([_, _, _, a, b, c]) => format!("rig-{a:02x}{b:02x}{c:02x}"),
        None => "rig".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_a_name_is_taken() {
        let mac = Some([0x52, 0x54, 0, 0x12, 0xab, 0x0f]);
        for (given, mac, name) in [
            (
                [Some("rig-7\n"), Some("told"), Some("leased")],
                mac,
                "rig-7",
            ),
            ([None, Some("told"), Some("leased")], mac, "told"),
            (
                [Some("no name!"), None, Some("leased.lan")],
                mac,
                "leased.lan",
            ),
            ([Some(""), None, Some("\u{1b}[2J")], mac, "rig-12ab0f"),
            ([None; 3], mac, "rig-12ab0f"),
            ([None, None, Some("-")], None, "rig"),
        ] {
            assert_eq!(choose(given, mac), name);
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_no_name() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), "a".repeat(1_000)).expect("written");
        let stored = stored(folder.path()).expect("read");
        assert_eq!(choose([Some(&stored), None, None], None), "rig");
    }
}
