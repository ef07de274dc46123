//! SPDX licence expressions, as far as crates use them.
//!
//! ```text
//! any    = all  ( ("OR" | "/") all )*        "/" is the old way to write OR
//! all    = one  ( "AND" one )*
//! one    = "(" any ")" | ID [ "WITH" EXCEPTION ]
//! ```

use core::iter::Peekable;
use core::slice::Iter;

/// Whether `expression` can be satisfied with the licences in `allowed` alone.
pub(crate) fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut words = words.iter().peekable();
    any(&mut words, allowed) == Some(true) && words.next().is_none()
}

type Words<'a> = Peekable<Iter<'a, &'a str>>;

fn any(words: &mut Words<'_>, allowed: &[String]) -> Option<bool> {
    let mut good = all(words, allowed)?;
    while words.next_if(|word| **word == "OR").is_some() {
        good |= all(words, allowed)?;
    }
    Some(good)
}

fn all(words: &mut Words<'_>, allowed: &[String]) -> Option<bool> {
    let mut good = one(words, allowed)?;
    while words.next_if(|word| **word == "AND").is_some() {
        good &= one(words, allowed)?;
    }
    Some(good)
}

/// `None` if the expression is broken.
fn one(words: &mut Words<'_>, allowed: &[String]) -> Option<bool> {
    let word = words.next()?;
    if *word == "(" {
        let good = any(words, allowed)?;
        return (*words.next()? == ")").then_some(good);
    }
    let mut id = (*word).to_owned();
    if words.next_if(|word| **word == "WITH").is_some() {
        id = format!("{id} WITH {}", words.next()?);
    }
    Some(allowed.contains(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(expression: &str) -> bool {
        is_allowed(
            expression,
            &["MIT".to_owned(), "ISC".to_owned(), "A WITH X".to_owned()],
        )
    }

    #[test]
    fn one_allowed_alternative_is_enough() {
        assert!(allowed("MIT"));
        assert!(allowed("GPL-3.0-only OR MIT"));
        assert!(allowed("GPL-3.0-only/MIT"));
        assert!(!allowed("GPL-3.0-only"));
    }

    #[test]
    fn every_part_of_a_sum_must_be_allowed() {
        assert!(allowed("MIT AND ISC"));
        assert!(!allowed("MIT AND GPL-3.0-only"));
        assert!(allowed("(GPL-3.0-only OR MIT) AND ISC"));
        assert!(!allowed("GPL-3.0-only OR MIT AND GPL-2.0-only"));
    }

    #[test]
    fn exception_belongs_to_its_licence() {
        assert!(allowed("A WITH X"));
        assert!(!allowed("MIT WITH X"));
    }

    #[test]
    fn broken_expression_is_refused() {
        for broken in ["", "MIT ISC", "(MIT", "MIT)", "MIT OR", "A WITH"] {
            assert!(!allowed(broken), "{broken:?}");
        }
    }
}
