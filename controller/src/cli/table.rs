//! Tables for people: columns as wide as their text, cut to the terminal, colour only on one.
//!
//! ```text
//!   fits      every column as wide as its widest cell
//!   too wide  the widest columns that may shrink give way first, down to 6 characters and a "…"
//!   still     columns are dropped from the right end of the importance order
//!   no terminal: nothing is cut, so that a pipe sees everything
//! ```
//! Widths are columns of a terminal, not characters ([`width`]). Colours say nothing that the words do not.
//! Cells come from rigs and pools; control characters never get this far ([`units::printable`]).

use std::fmt::Write as _;

use miner_agent::cli::Terminal;

use super::width;
use crate::units;

/// Narrowest that a shrinking column becomes.
const NARROWEST: usize = 6;
/// Blanks between columns.
const GAP: usize = 2;

/// A column's head and behaviour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its name.
    pub(super) head: &'static str,
    /// Figures are right-aligned.
    pub(super) right: bool,
    /// Whether its cells may be cut.
    pub(super) shrinks: bool,
    /// Columns with the highest number are dropped first; 0 is never dropped.
    pub(super) drop: u8,
    /// Whether its words are coloured by whether all is well.
    pub(super) state: bool,
}

impl Column {
    pub(super) const fn text(head: &'static str, drop: u8) -> Self {
        Self {
            head,
            right: false,
            shrinks: true,
            drop,
            state: false,
        }
    }

    /// What something is doing, or what keeps it from it.
    pub(super) const fn state(head: &'static str, drop: u8) -> Self {
        Self {
            state: true,
            ..Self::text(head, drop)
        }
    }

    pub(super) const fn figure(head: &'static str, drop: u8) -> Self {
        Self {
            head,
            right: true,
            shrinks: false,
            drop,
            state: false,
        }
    }
}

/// Where the table goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// Characters of a line; `None` is without end.
    pub(super) width: Option<usize>,
    /// Whether escape sequences may be used.
    pub(super) colour: bool,
}

impl Output {
    /// A pipe: nothing is cut, nothing is coloured.
    #[cfg(test)]
    pub(super) const PIPE: Self = Self {
        width: None,
        colour: false,
    };

    /// The process's standard output.
    pub(super) fn stdout() -> Self {
        let terminal = Terminal::stdout();
        Self {
            width: terminal.and_then(|terminal| terminal.width),
            colour: terminal.is_some_and(|terminal| terminal.colour),
        }
    }
}

/// Rows under named columns.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) const fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| units::printable(&cell)));
    }

    /// The table as lines, each ended.
    pub(super) fn render(&self, output: Output) -> String {
        let layout = self.layout(output.width);
        let heads = self.columns.map(|column| column.head.to_uppercase());
        let mut out = String::new();
        let head = line(&self.columns, &heads, &layout, false);
        if output.colour {
            let _ = writeln!(out, "{DIM}{head}{BACK}");
        } else {
            let _ = writeln!(out, "{head}");
        }
        for row in &self.rows {
            let row = line(&self.columns, row, &layout, output.colour);
            let _ = writeln!(out, "{row}");
        }
        out
    }

    /// Width of each column; `None` for one that is dropped.
    fn layout(&self, width: Option<usize>) -> [Option<usize>; N] {
        let mut index = 0..N;
        let mut layout = [(); N].map(|()| {
            let at = index.next()?;
            let head = width::of(self.columns.get(at)?.head);
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            Some(cells.map(|cell| width::of(cell)).fold(head, usize::max))
        });
        let Some(width) = width else { return layout };
        while total(&layout) > width {
            if !self.shrink(&mut layout) && !self.drop(&mut layout) {
                break;
            }
        }
        layout
    }

    /// Takes one character from the widest column that may shrink.
    fn shrink(&self, layout: &mut [Option<usize>; N]) -> bool {
        let candidates = layout.iter_mut().zip(&self.columns);
        let widest = candidates
            .filter(|(_, column)| column.shrinks)
            .filter_map(|(width, _)| width.as_mut())
            .filter(|width| **width > NARROWEST)
            .max_by_key(|width| **width);
        let Some(width) = widest else { return false };
        *width -= 1;
        true
    }

    /// Drops the least important column that is left.
    fn drop(&self, layout: &mut [Option<usize>; N]) -> bool {
        let candidates = layout.iter_mut().zip(&self.columns);
        let least = candidates
            .filter(|(width, column)| width.is_some() && column.drop > 0)
            .max_by_key(|(_, column)| column.drop);
        let Some((width, _)) = least else {
            return false;
        };
        *width = None;
        true
    }
}

fn total(layout: &[Option<usize>]) -> usize {
    let kept = layout.iter().flatten();
    let (columns, cells) = kept.fold((0, 0), |(n, sum), width| (n + 1, sum + width));
    cells + GAP * usize::saturating_sub(columns, 1)
}

fn line(columns: &[Column], cells: &[String], layout: &[Option<usize>], colour: bool) -> String {
    let mut out = String::new();
    // Blanks that are owed before the next cell, so that no line ends in any.
    let mut blanks = 0;
    let shown = columns.iter().zip(cells).zip(layout);
    let shown = shown.filter_map(|((column, cell), width)| Some((column, cell, (*width)?)));
    for (at, (column, cell, width)) in shown.enumerate() {
        if at > 0 {
            blanks += GAP;
        }
        let text = width::cut(cell, width);
        let rest = width.saturating_sub(width::of(&text));
        if column.right {
            blanks += rest;
        }
        if !text.is_empty() {
            out.extend(std::iter::repeat_n(' ', blanks));
            blanks = 0;
            match Paint::of(cell).code().filter(|_| colour && column.state) {
                Some(code) => out.extend([code, &text, BACK]),
                None => out += &text,
            }
        }
        // What the cell does not fill, an empty one none of it.
        blanks += if column.right { 0 } else { rest };
    }
    out
}

/// Dim, and back to what was before.
const DIM: &str = "\u{1b}[2m";
const BACK: &str = "\u{1b}[0m";

/// How a state looks at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paint {
    /// All is well.
    Green,
    /// On its way, or waiting.
    Yellow,
    /// Somebody has to look.
    Red,
    /// Nothing to see.
    Plain,
}

impl Paint {
    /// By the first word; a state that is not here is plain.
    fn of(state: &str) -> Self {
        let word = state.split([' ', ':']).next().unwrap_or_default();
        match word {
            "mining" | "active" | "ok" | "done" => Self::Green,
            "filling" | "starting" | "pending" | "behind" | "paused" | "waiting" | "soon" => {
                Self::Yellow
            }
            "offline" | "refused" | "no" | "failed" | "lost" | "expired" | "now" => Self::Red,
            _ => Self::Plain,
        }
    }

    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Green => Some("\u{1b}[32m"),
            Self::Yellow => Some("\u{1b}[33m"),
            Self::Red => Some("\u{1b}[31m"),
            Self::Plain => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<4> {
        let mut table = Table::new([
            Column::text("Peer", 0),
            Column::figure("Hash rate", 0),
            Column::text("Address", 2),
            Column::text("ID", 1),
        ]);
        table.row([
            "rig-alpha".to_owned(),
            "12.5 kH/s".to_owned(),
            "192.168.1.100:9091".to_owned(),
            "0123456789abcdef".to_owned(),
        ]);
        table.row([
            "b".to_owned(),
            "–".to_owned(),
            "dials in".to_owned(),
            "fedcba9876543210".to_owned(),
        ]);
        table
    }

    fn render(width: Option<usize>) -> String {
        table().render(Output {
            width,
            colour: false,
        })
    }

    #[test]
    fn a_pipe_sees_everything() {
        assert_eq!(
            render(None),
            "PEER       HASH RATE  ADDRESS             ID\n\
             rig-alpha  12.5 kH/s  192.168.1.100:9091  0123456789abcdef\n\
             b                  –  dials in            fedcba9876543210\n"
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_the_widest_first() {
        assert_eq!(
            render(Some(48)),
            "PEER       HASH RATE  ADDRESS       ID\n\
             rig-alpha  12.5 kH/s  192.168.1.1…  0123456789a…\n\
             b                  –  dials in      fedcba98765…\n"
        );
    }

    #[test]
    fn a_very_narrow_terminal_drops_columns_and_no_line_is_too_long() {
        assert_eq!(
            render(Some(20)),
            "PEER    HASH RATE\nrig-a…  12.5 kH/s\nb               –\n"
        );
        for width in 17..80 {
            for line in render(Some(width)).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn escape_sequences_from_a_rig_do_not_reach_the_terminal() {
        let mut table = Table::new([Column::text("Peer", 0)]);
        table.row(["\u{1b}]0;owned\u{7}".to_owned()]);
        assert_eq!(table.render(Output::PIPE), "PEER\n?]0;owned?\n");
    }

    #[test]
    fn a_table_of_many_columns_fits_every_terminal() {
        let mut table = Table::new([
            Column::text("Peer", 0),
            Column::state("State", 0),
            Column::figure("Hash rate", 0),
            Column::figure("Shares", 3),
            Column::text("Pool", 2),
            Column::text("Address", 4),
            Column::text("Last word", 5),
        ]);
        table.row(
            [
                "鉱山-e\u{301}te\u{301}-rig-alpha",
                "refused: pool URL has no port",
                "12.5 kH/s",
                "1,234,567",
                "stratum.pool.example:3333",
                "[2001:db8:0:1:2:3:4:5]:9091",
                "🚀 all systems are up and running",
            ]
            .map(str::to_owned),
        );
        let show = |width| {
            let colour = false;
            table.render(Output { width, colour })
        };
        let whole = show(None);
        for width in [40, 80, 200] {
            let text = show(Some(width));
            for line in text.lines() {
                assert!(width::of(line) <= width, "{width}: {line}");
                assert!(!line.ends_with(' '));
            }
            // The three that are never dropped.
            assert!(
                text.starts_with("PEER") && text.contains("STATE") && text.contains("12.5 kH/s")
            );
        }
        assert_eq!(show(Some(200)), whole, "nothing is cut where it fits");
        assert!(show(Some(80)).contains("POOL") && !show(Some(40)).contains("ADDRESS"));
    }

    #[test]
    fn columns_stand_below_each_other_whatever_characters_are_in_them() {
        let mut table = Table::new([Column::text("Rig", 0), Column::text("Says", 0)]);
        for rig in ["鉱山", "e\u{301}te\u{301}", "rig", ""] {
            table.row([rig.to_owned(), "x".to_owned()]);
        }
        let text = table.render(Output::PIPE);
        let says = text.lines().skip(1).map(|line| {
            let at = line.rfind('x').expect("there");
            width::of(line.get(..at).expect("a boundary"))
        });
        assert_eq!(says.collect::<Vec<_>>(), [6; 4], "{text}");
    }

    #[test]
    fn colours_are_those_of_states_and_of_the_head_and_change_no_width() {
        let table = |colour| {
            let mut table = Table::new([Column::state("State", 0), Column::text("Peer", 0)]);
            for state in ["mining", "filling 30 %", "offline 3 min", "stopped"] {
                table.row([state.to_owned(), "mining".to_owned()]);
            }
            table.render(Output {
                width: None,
                colour,
            })
        };
        let painted = table(true);
        let expected = "\u{1b}[2mSTATE          PEER\u{1b}[0m\n\
             \u{1b}[32mmining\u{1b}[0m         mining\n\
             \u{1b}[33mfilling 30 %\u{1b}[0m   mining\n\
             \u{1b}[31moffline 3 min\u{1b}[0m  mining\n\
             stopped        mining\n";
        assert_eq!(painted, expected);
        let codes = [
            "\u{1b}[2m",
            "\u{1b}[31m",
            "\u{1b}[32m",
            "\u{1b}[33m",
            "\u{1b}[0m",
        ];
        let plain = codes
            .iter()
            .fold(painted, |text, code| text.replace(code, ""));
        assert_eq!(plain, table(false));
    }
}
