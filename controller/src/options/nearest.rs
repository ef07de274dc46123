//! The known word that an unknown one was probably meant to be.

/// Of `known`, the word that fewest edits make of `word`, if they are at most a third of its letters and
/// one. Case and `_` for `-` cost nothing.
pub(super) fn nearest(
    word: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let word = word.to_lowercase().replace('_', "-");
    let most = word.chars().count() / 3 + 1;
    let far = known.map(|other| (distance(&word, other), other));
    let (edits, other) = far.min_by_key(|(edits, _)| *edits)?;
    (edits <= most).then_some(other)
}

/// Letters to insert, delete or replace to make `b` of `a` (Levenshtein's distance), one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, x) in (1..).zip(a.chars()) {
        let mut left_above = line - 1;
        let mut left = line;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let replaced = left_above + usize::from(x != y);
            left_above = *cell;
            left = replaced.min(left_above + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_inserted_deleted_and_replaced_letters() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("listen", "silent", 4),
            ("http", "http", 0),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn a_slip_is_forgiven_and_another_word_is_not() {
        let near = |word| nearest(word, ["listen", "http", "log-level", "tls"].into_iter());
        assert_eq!(near("lisen"), Some("listen"));
        assert_eq!(near("LOG_LEVEL"), Some("log-level"));
        assert_eq!(near("https"), Some("http"));
        assert_eq!(near("electricity-price"), None);
        assert_eq!(near(""), None);
    }
}
