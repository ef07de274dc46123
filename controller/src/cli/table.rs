//! Tables for people: columns as wide as their text, cut to the terminal, colour only on one.
//!
//! ```text
//!   fits      every column as wide as its widest cell
//!   too wide  the widest columns that may shrink give way first, down to 6 characters and a "…"
//!   still     columns are dropped from the right end of the importance order
//!   no terminal: nothing is cut, so that a pipe sees everything
//! ```
//! Cells come from rigs and pools; control characters never get this far ([`units::printable`]).

use std::fmt::Write as _;

use miner_agent::cli::Terminal;

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
}

impl Column {
    pub(super) const fn text(head: &'static str, drop: u8) -> Self {
        Self {
            head,
            right: false,
            shrinks: true,
            drop,
        }
    }

    pub(super) const fn figure(head: &'static str, drop: u8) -> Self {
        Self {
            head,
            right: true,
            shrinks: false,
            drop,
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
        let head = line(&self.columns, &heads, &layout);
        if output.colour {
            // Dim, and back.
            let _ = writeln!(out, "\u{1b}[2m{head}\u{1b}[0m");
        } else {
            let _ = writeln!(out, "{head}");
        }
        for row in &self.rows {
            let _ = writeln!(out, "{}", line(&self.columns, row, &layout));
        }
        out
    }

    /// Width of each column; `None` for one that is dropped.
    fn layout(&self, width: Option<usize>) -> [Option<usize>; N] {
        let mut index = 0..N;
        let mut layout = [(); N].map(|()| {
            let at = index.next()?;
            let head = self.columns.get(at)?.head.chars().count();
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            Some(
                cells
                    .map(|cell| cell.chars().count())
                    .fold(head, usize::max),
            )
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

fn line(columns: &[Column], cells: &[String], layout: &[Option<usize>]) -> String {
    let mut out = String::new();
    for ((column, cell), width) in columns.iter().zip(cells).zip(layout) {
        let Some(width) = *width else { continue };
        if !out.is_empty() {
            out.push_str("  ");
        }
        let cell = cut(cell, width);
        if column.right {
            let _ = write!(out, "{cell:>width$}");
        } else {
            let _ = write!(out, "{cell:<width$}");
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
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
    fn colour_is_only_the_head() {
        let text = table().render(Output {
            width: None,
            colour: true,
        });
        assert!(text.starts_with("\u{1b}[2mPEER"));
        assert_eq!(text.matches('\u{1b}').count(), 2);
    }
}
