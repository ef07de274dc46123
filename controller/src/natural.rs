//! Names in the order of people: `rig-2` before `rig-10`.

use std::cmp::Ordering;

/// Compares two names: runs of digits by their number, letters whatever their case, and names that are
/// the same so far by their bytes, so that only equal names are equal.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    alike(a.as_bytes(), b.as_bytes()).then_with(|| a.cmp(b))
}

fn alike(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let ([left, after_left @ ..], [right, after_right @ ..]) = (a, b) else {
            return a.len().cmp(&b.len());
        };
        let order = if left.is_ascii_digit() && right.is_ascii_digit() {
            let (left, right);
            (left, a) = number(a);
            (right, b) = number(b);
            // Without leading zeros, the longer one is larger.
            (left.len(), left).cmp(&(right.len(), right))
        } else {
            (a, b) = (after_left, after_right);
            left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase())
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The digits that a text begins with, without leading zeros, and what is behind them.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let end = text.iter().position(|byte| !is_digit(byte));
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (digits.get(zeros..).unwrap_or_default(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers_however_long() {
        let sorted = [
            "",
            "1",
            "2x",
            "10",
            "RIG",
            "rig",
            "Rig-1",
            "rig-001",
            "rig-01",
            "rig-1",
            "rig-1a",
            "rig-2",
            "RIG-10",
            "rig-18446744073709551616",
            "rig-99999999999999999999999999999999",
            "rig-a",
            "rig.1",
            "rig1",
            "shed 1.9",
            "shed 1.10",
        ];
        for (at, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                assert_eq!(natural(a, b), at.cmp(&other), "{a:?} {b:?}");
            }
        }
    }
}
