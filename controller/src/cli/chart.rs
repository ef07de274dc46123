//! A small chart of blocks, for a terminal that shows them.
//!
//! ```text
//!   12.5 kH/s ▕        ▂▄▆██████▇▇▇▇█
//!             ▕   ▁▃▅▇██████████████
//!      0 H/s  ▕▁▄▇█████████████████ ····
//!             2026-11-26 03:20      04:20
//! ```
//! A column is a point; eight heights to a line. `·` is "not known", which is no height at all.

use crate::units;

/// Lines of a chart.
const LINES: usize = 6;
/// A cell, filled from the bottom by eighths.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Stands at the bottom where nothing is known.
const NOT_KNOWN: char = '·';
/// Characters before the first column: the widest figure, a blank, and the axis.
pub(super) const LABEL: usize = 11;

/// The figures as lines, each ended, below each other; at most as wide as [`LABEL`] and a character per
/// figure. `from` and `until` stand below the first and the last one.
pub(super) fn chart(figures: &[Option<f64>], from: &str, until: &str) -> String {
    let highest = figures.iter().flatten().copied().fold(0.0, f64::max);
    let mut out = String::new();
    for line in (0..LINES).rev() {
        let label = match line {
            0 => units::hashrate(Some(0.0)),
            l if l + 1 == LINES => units::hashrate(Some(highest)),
            _ => String::new(),
        };
        out += &format!("{label:>width$} ▕", width = LABEL - 2);
        let cells = figures.iter().map(|figure| cell(*figure, highest, line));
        let cells: String = cells.collect();
        out += cells.trim_end();
        out.push('\n');
    }
    let room = figures.len().saturating_sub(until.chars().count());
    out += &" ".repeat(LABEL);
    if room > from.chars().count() {
        out += &format!("{from:<room$}{until}");
    } else {
        out += from;
    }
    out.push('\n');
    out
}

/// What a column shows on a line; line 0 is the lowest.
fn cell(figure: Option<f64>, highest: f64, line: usize) -> char {
    let Some(figure) = figure else {
        return if line == 0 { NOT_KNOWN } else { ' ' };
    };
    let eighths = eighths(figure, highest).saturating_sub(line * 8).min(8);
    // What is known and low still shows.
    let least = usize::from(line == 0);
    BLOCKS.get(eighths.max(least)).copied().unwrap_or(' ')
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "from 0 to 48"
)]
fn eighths(figure: f64, highest: f64) -> usize {
    let all = (LINES * 8) as f64;
    if highest > 0.0 {
        (figure / highest * all).round().clamp(0.0, all) as usize
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_shows_heights_and_what_is_not_known() {
        let figures = [Some(0.0), Some(750.0), Some(1_500.0), None, Some(31.25)];
        assert_eq!(
            chart(&figures, "03:20", "04:20"),
            "1.50 kH/s ▕  █\n          ▕  █\n          ▕  █\n          ▕ ██\n          ▕ ██\n \
             0.00 H/s ▕▁██·▁\n           03:20\n"
        );
    }

    #[test]
    fn times_stand_below_the_ends_where_there_is_room() {
        let text = chart(&[Some(1.0); 20], "03:20", "04:20");
        assert_eq!(text.lines().last(), Some("           03:20          04:20"));
        for line in text.lines() {
            assert!(line.chars().count() <= LABEL + 20, "{line}");
        }
    }

    #[test]
    fn nothing_known_is_no_chart_of_zeros() {
        let text = chart(&[None, None], "a", "b");
        assert!(text.contains("▕··"));
    }
}
