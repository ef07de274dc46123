//! How long something is good, as people write it.

use std::str::FromStr;

/// A duration in seconds, written as `90s`, `30m`, `24h` or `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life(pub(super) u64);

impl FromStr for Life {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write it as 30m, 24h or 7d";
        let at = text.len().checked_sub(1).ok_or(FORM)?;
        let (number, unit) = text.split_at_checked(at).ok_or(FORM)?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(FORM),
        };
        let number: u64 = number.parse().map_err(|_| FORM)?;
        number.checked_mul(unit).map(Self).ok_or(FORM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_read_with_their_unit_and_nothing_else() {
        let read = |text: &str| text.parse::<Life>().ok().map(|life| life.0);
        assert_eq!(read("90s"), Some(90));
        assert_eq!(read("24h"), Some(86_400));
        assert_eq!(read("7d"), Some(604_800));
        for bad in [
            "",
            "h",
            "24",
            "-1h",
            "1w",
            "1.5h",
            "2é",
            "99999999999999999999d",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
