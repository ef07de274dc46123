//! Numbers and ages as people read them: on the page, in tables, in the lines of `up`.
//!
//! Three significant digits and a unit; unknown is [`UNKNOWN`], never 0.

/// What stands for a figure that nobody knows.
pub const UNKNOWN: &str = "–";

/// `12.5 kH/s`; three significant digits.
pub fn hashrate(hashes_per_s: Option<f64>) -> String {
    const UNITS: [&str; 5] = ["H/s", "kH/s", "MH/s", "GH/s", "TH/s"];
    let Some(mut figure) = hashes_per_s.filter(|figure| figure.is_finite() && *figure >= 0.0)
    else {
        return UNKNOWN.to_owned();
    };
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    // 999.5 would be shown as 1000, which has four digits.
    while figure >= 999.5 {
        let Some(larger) = units.next() else { break };
        (figure, unit) = (figure / 1000.0, larger);
    }
    let decimals = match figure {
        f if f >= 99.95 => 0,
        f if f >= 9.995 => 1,
        _ => 2,
    };
    format!("{figure:.decimals$} {unit}")
}

/// `31 s`, `4 min`, `3 h`, `12 d`: one unit, rounded down.
pub fn age(ms: Option<u64>) -> String {
    let Some(ms) = ms else {
        return UNKNOWN.to_owned();
    };
    match ms / 1000 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

/// `4,812`: groups of three.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The text with everything that could move a cursor, break a line or turn its direction as `?`.
pub fn printable(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let shown = |c: char| if hostile(c) { '?' } else { c };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_rates_have_three_digits_and_a_unit() {
        for (figure, text) in [
            (0.0, "0.00 H/s"),
            (19.84, "19.8 H/s"),
            (99.96, "100 H/s"),
            (999.4, "999 H/s"),
            (999.6, "1.00 kH/s"),
            (12_480.0, "12.5 kH/s"),
            (45_200_000.0, "45.2 MH/s"),
            (2.5e16, "25000 TH/s"),
        ] {
            assert_eq!(hashrate(Some(figure)), text);
        }
        for unknown in [None, Some(f64::NAN), Some(-1.0)] {
            assert_eq!(hashrate(unknown), "–");
        }
    }

    #[test]
    fn ages_have_one_unit() {
        for (ms, text) in [
            (0, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_599_999, "59 min"),
            (3_600_000, "1 h"),
            (172_800_000, "2 d"),
        ] {
            assert_eq!(age(Some(ms)), text);
        }
        assert_eq!(age(None), "–");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn control_characters_never_pass() {
        assert_eq!(printable("a\u{1b}[2J\u{202e}b\nc é"), "a?[2J?b?c é");
    }
}
