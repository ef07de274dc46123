//! How many columns of a terminal a text takes.
//!
//! | characters | columns | by |
//! |---|---|---|
//! | marks that are set over the one before, and joiners | 0 | the blocks of combining marks |
//! | East Asian ones, full-width forms, pictures | 2 | `East_Asian_Width` W and F |
//! | all others | 1 | |
//!
//! The ranges are whole blocks of Unicode 16, without the exceptions inside them: a terminal that knows
//! them draws a table a column too wide, and never one too narrow.

use std::cmp::Ordering;

/// Ranges that take no column, in order.
const NOTHING: [(char, char); 15] = [
    ('\u{300}', '\u{36f}'),
    ('\u{483}', '\u{489}'),
    ('\u{591}', '\u{5bd}'),
    ('\u{610}', '\u{61a}'),
    ('\u{64b}', '\u{65f}'),
    ('\u{900}', '\u{902}'),
    ('\u{e31}', '\u{e31}'),
    ('\u{e34}', '\u{e3a}'),
    ('\u{1ab0}', '\u{1aff}'),
    ('\u{1dc0}', '\u{1dff}'),
    ('\u{200b}', '\u{200d}'),
    ('\u{20d0}', '\u{20ff}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{fe20}', '\u{fe2f}'),
    ('\u{e0100}', '\u{e01ef}'),
];

/// Ranges that take two columns, in order.
const TWO: [(char, char); 15] = [
    ('\u{1100}', '\u{115f}'),
    ('\u{2e80}', '\u{303e}'),
    ('\u{3041}', '\u{33ff}'),
    ('\u{3400}', '\u{4dbf}'),
    ('\u{4e00}', '\u{a4cf}'),
    ('\u{a960}', '\u{a97f}'),
    ('\u{ac00}', '\u{d7a3}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{ff01}', '\u{ff60}'),
    ('\u{ffe0}', '\u{ffe6}'),
    ('\u{1f300}', '\u{1f64f}'),
    ('\u{1f680}', '\u{1f6ff}'),
    ('\u{1f900}', '\u{1faff}'),
    ('\u{20000}', '\u{3fffd}'),
];

/// Columns of a character.
fn of_char(c: char) -> usize {
    let is_in = |ranges: &[(char, char)]| {
        let side = |(first, last): &(char, char)| match () {
            () if *last < c => Ordering::Less,
            () if *first > c => Ordering::Greater,
            () => Ordering::Equal,
        };
        ranges.binary_search_by(side).is_ok()
    };
    match c {
        // Most of what is shown, and no search.
        ' '..='~' => 1,
        _ if is_in(&NOTHING) => 0,
        _ if is_in(&TWO) => 2,
        _ => 1,
    }
}

/// Columns of a text.
pub(super) fn of(text: &str) -> usize {
    text.chars().map(of_char).sum()
}

/// The text if it fits into `width` columns, and otherwise its beginning with a `…` that says so.
pub(super) fn cut(text: &str, width: usize) -> String {
    if of(text) <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| {
        let columns = of_char(*c);
        let fits = columns <= left;
        left = left.saturating_sub(columns);
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_in_order() {
        for ranges in [NOTHING, TWO] {
            let flat: Vec<char> = ranges.iter().flat_map(|(a, b)| [*a, *b]).collect();
            assert!(flat.is_sorted());
        }
    }

    #[test]
    fn columns_are_counted_and_not_characters() {
        for (text, columns) in [
            ("rig-alpha", 9),
            ("Schuppen", 8),
            ("e\u{301}te\u{301}", 3),
            ("鉱山", 4),
            ("ﾎﾟｯﾄ", 4),
            ("🚀", 2),
            ("a\u{200b}b", 2),
            ("–", 1),
        ] {
            assert_eq!(of(text), columns, "{text}");
        }
    }

    #[test]
    fn a_cut_text_has_no_half_character_and_never_too_many_columns() {
        assert_eq!(cut("rig-alpha", 9), "rig-alpha");
        assert_eq!(cut("rig-alpha", 6), "rig-a…");
        assert_eq!(cut("鉱山鉱山", 6), "鉱山…");
        assert_eq!(cut("鉱山鉱山", 5), "鉱山…");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        for width in 1..12 {
            assert!(of(&cut("鉱e\u{301}-山🚀abc", width)) <= width);
        }
    }
}
