//! A code as a QR code, for whoever has a phone in the hand and a rig's console before the eyes.
//!
//! ```text
//!   text (0-9 A-Z - only) ─▶ QR code, level M or better ─▶ two rows of modules to a line of ▀ ▄ █
//! ```
//! Black on white is set by escape sequences, with the quiet zone of four modules that ISO/IEC 18004
//! asks for, so that it reads the same on a dark and on a light terminal. Where that cannot be had
//! there is none: half a QR code helps nobody.

use std::fmt::{self, Write as _};

use miner_shared::identity::PairingCode;
use qrcodegen_no_heap::{QrCode, QrCodeEcc, QrSegment, QrSegmentMode, Version};
use zeroize::Zeroizing;

use super::{Terminal, say};

/// Light modules around the code.
const QUIET: i32 = 4;
/// Large enough for 154 characters at level M; an enrolment token has 71.
const LARGEST: Version = Version::new(6);
/// Black on white by the 256-colour palette, whose first 16 entries are every terminal's own.
const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const AS_BEFORE: &str = "\u{1b}[0m";

/// Why there is no QR code. `Display` completes "no QR code: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoQr {
    /// Standard output is no terminal.
    NoTerminal,
    /// The locale is not UTF-8, so half blocks cannot be shown.
    NotUtf8,
    /// Colours are not wanted or not had, and without them it may be inverted.
    NoColour,
    /// A line has fewer characters than these.
    Narrow(usize),
    /// The text is no code of ours.
    Text,
}

impl fmt::Display for NoQr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTerminal => f.write_str("the output is no terminal"),
            Self::NotUtf8 => f.write_str("the terminal's locale is not UTF-8"),
            Self::NoColour => f.write_str("the terminal shows no colours (TERM, NO_COLOR)"),
            Self::Narrow(columns) => write!(f, "the terminal is narrower than {columns} columns"),
            Self::Text => f.write_str("the text does not fit into one"),
        }
    }
}

/// Shows a pairing code below its text, where that can be read.
pub(crate) fn show(code: &PairingCode) {
    if let Ok(lines) = for_stdout(&Zeroizing::new(code.to_string())) {
        say(lines.trim_end());
    }
}

/// The lines of the QR code for standard output. What they show is as secret as `text`.
pub fn for_stdout(text: &str) -> Result<Zeroizing<String>, NoQr> {
    render(text, Terminal::stdout().ok_or(NoQr::NoTerminal)?)
}

fn render(text: &str, terminal: Terminal) -> Result<Zeroizing<String>, NoQr> {
    if !terminal.utf8 {
        return Err(NoQr::NotUtf8);
    }
    if !terminal.colour {
        return Err(NoQr::NoColour);
    }
    let [mut out, mut scratch] = [(); 2].map(|()| Zeroizing::new([0; LARGEST.buffer_len()]));
    let code = encode(text, &mut *out, &mut *scratch).ok_or(NoQr::Text)?;
    let span = -QUIET..code.size() + QUIET;
    let columns = span.clone().count();
    if terminal.width.is_some_and(|width| width < columns) {
        return Err(NoQr::Narrow(columns));
    }
    // At most three bytes a character, and a line has few escape sequences.
    let mut lines = Zeroizing::new(String::with_capacity(columns * (3 * columns + 64)));
    for y in span.clone().step_by(2) {
        lines.push_str(BLACK_ON_WHITE);
        for x in span.clone() {
            lines.push(match (code.get_module(x, y), code.get_module(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{AS_BEFORE}");
    }
    Ok(lines)
}

/// The smallest code of level M or better; `None` for a text that has other characters or is too long.
fn encode<'o>(text: &str, out: &'o mut [u8], scratch: &mut [u8]) -> Option<QrCode<'o>> {
    if !QrSegment::is_alphanumeric(text) {
        return None;
    }
    let needed = QrSegment::calc_buffer_size(QrSegmentMode::Alphanumeric, text.len())?;
    if needed > scratch.len() {
        return None;
    }
    let segment = QrSegment::make_alphanumeric(text, scratch);
    let (len, level, version) = QrCode::encode_segments_to_codewords(
        &[segment],
        out,
        QrCodeEcc::Medium,
        Version::MIN,
        LARGEST,
        true,
    )
    .ok()?;
    Some(QrCode::encode_codewords(
        out, len, scratch, level, version, None,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::system_rng;

    const WIDE: Terminal = Terminal {
        width: Some(80),
        colour: true,
        utf8: true,
    };
    /// As long as an enrolment token.
    const LONG: &str = "ENR1-0123456789ABCDEFGHJKMNPQRSTVWXYZ0123456789ABCDEFGHJKMNPQRSTVWXYZ01";

    /// What another implementation reads from the lines as they are on the screen.
    fn read(lines: &str) -> String {
        let rows: Vec<Vec<char>> = lines
            .lines()
            .map(|line| {
                let line = line.strip_prefix(BLACK_ON_WHITE).expect("black on white");
                let line = line.strip_suffix(AS_BEFORE).expect("and back");
                line.chars().collect()
            })
            .collect();
        let dark = |x: usize, y: usize| match (rows[y / 2][x], y % 2) {
            ('█', _) | ('▀', 0) | ('▄', 1) => true,
            (' ' | '▀' | '▄', _) => false,
            (other, _) => panic!("{other:?}"),
        };
        let (quiet, columns) = (4, rows[0].len());
        for at in 0..columns {
            for edge in (0..quiet).chain(columns - quiet..columns) {
                assert!(
                    !dark(at, edge) && !dark(edge, at),
                    "the quiet zone is light"
                );
            }
        }
        let size = columns - 2 * quiet;
        let grid = rqrr::SimpleGrid::from_func(size, |x, y| dark(x + quiet, y + quiet));
        let (_, text) = rqrr::Grid::new(grid).decode().expect("readable");
        text
    }

    #[test]
    fn another_implementation_reads_the_code_as_it_was() {
        for _ in 0..100 {
            let code = PairingCode::generate(&mut system_rng()).to_string();
            let lines = render(&code, WIDE).expect("shown");
            assert_eq!(read(&lines), code);
            assert_eq!((lines.lines().count(), code.len()), (17, 34));
        }
        assert_eq!(read(&render(LONG, WIDE).expect("shown")), LONG);
    }

    #[test]
    fn where_it_cannot_be_read_there_is_none() {
        let shown = |change: fn(&mut Terminal)| {
            let mut terminal = WIDE;
            change(&mut terminal);
            render("6C3Q-M1F5-M92Z-H2QX-ABG1-H26T-N4BG", terminal).map(|_| ())
        };
        assert_eq!(shown(|t| t.width = Some(33)), Ok(()));
        assert_eq!(shown(|t| t.width = None), Ok(()));
        assert_eq!(shown(|t| t.width = Some(32)), Err(NoQr::Narrow(33)));
        assert_eq!(shown(|t| t.utf8 = false), Err(NoQr::NotUtf8));
        assert_eq!(shown(|t| t.colour = false), Err(NoQr::NoColour));
    }

    #[test]
    fn other_texts_are_refused_and_no_panic() {
        for text in ["lower case", "é", &"A".repeat(155), &"A".repeat(100_000)] {
            assert_eq!(render(text, WIDE).map(|_| ()), Err(NoQr::Text));
        }
        assert!(render(&"A".repeat(154), WIDE).is_ok());
        assert!(render("", WIDE).is_ok());
    }
}
