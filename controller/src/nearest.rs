//! The known word that a mistyped one was probably meant to be.

/// Letters that may be wrong, missing or too many.
const MAX_DISTANCE: usize = 2;
/// Longest word that is compared; known words are shorter.
const MAX_WORD: usize = 32;

/// The candidate that is nearest to this word, if one is near at all. Case does not matter.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.is_empty() || word.len() > MAX_WORD {
        return None;
    }
    let near = candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate));
    near.filter(|(distance, candidate)| {
        // Of a short word, two letters are most of it.
        *distance <= MAX_DISTANCE.min(candidate.len() / 2)
    })
    .min_by_key(|(distance, _)| *distance)
    .map(|(_, candidate)| candidate)
}

/// Letters to change, insert or delete until one word is the other (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (right, above) in b.iter().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(left != *right);
            before = changed.min(above + 1).min(before + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_a_letter_or_two_is_understood() {
        let known = ["group", "site", "tag", "hashrate", "id"];
        for (word, meant) in [
            ("grop", Some("group")),
            ("Groups", Some("group")),
            ("stie", Some("site")),
            ("hashrat", Some("hashrate")),
            ("tga", None),
            ("tags", Some("tag")),
            ("xy", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"g".repeat(1_000), known), None);
    }

    #[test]
    fn the_distance_counts_letters() {
        for (a, b, letters) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("same", "SAME", 0),
        ] {
            assert_eq!(distance(a, b), letters, "{a} {b}");
        }
    }
}
