//! Windows as people write them.

use std::fmt;
use std::str::FromStr;

use super::{DAY, Window};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const ALL: u8 = 0b111_1111;

/// Why a text is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoWindow {
    /// It is not of two words.
    #[error("write days and hours, such as \"mon-fri 22:00-06:00\"")]
    Shape,
    /// A day is none.
    #[error("days are mon, tue, wed, thu, fri, sat, sun, ranges such as mon-fri, or daily")]
    Days,
    /// A time of day is none.
    #[error("hours are HH:MM-HH:MM from 00:00 to 24:00")]
    Hours,
    /// It ends where it begins.
    #[error("it ends where it begins; for a whole day write 00:00-24:00")]
    Empty,
}

impl FromStr for Window {
    type Err = NoWindow;

    fn from_str(text: &str) -> Result<Self, NoWindow> {
        let mut words = text.split_whitespace();
        let (Some(days), Some(hours), None) = (words.next(), words.next(), words.next()) else {
            return Err(NoWindow::Shape);
        };
        let (from, to) = hours.split_once('-').ok_or(NoWindow::Hours)?;
        let (from, to) = (minutes(from)?, minutes(to)?);
        if from == to {
            return Err(NoWindow::Empty);
        }
        if from == DAY {
            return Err(NoWindow::Hours);
        }
        Ok(Self {
            days: parse_days(days)?,
            from,
            to,
        })
    }
}

fn parse_days(text: &str) -> Result<u8, NoWindow> {
    if text.eq_ignore_ascii_case("daily") {
        return Ok(ALL);
    }
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (day(first)?, day(last)?);
        days |= 1 << day;
        while day != last {
            day = (day + 1) % DAYS.len();
            days |= 1 << day;
        }
    }
    Ok(days)
}

fn day(text: &str) -> Result<usize, NoWindow> {
    let known = DAYS.iter().position(|day| text.eq_ignore_ascii_case(day));
    known.ok_or(NoWindow::Days)
}

fn minutes(text: &str) -> Result<u16, NoWindow> {
    let digits = |text: &str| {
        let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        two.then(|| text.parse::<u16>().ok()).flatten()
    };
    let parts = text.split_once(':');
    let (hour, minute) = parts
        .and_then(|(hour, minute)| Some((digits(hour)?, digits(minute)?)))
        .ok_or(NoWindow::Hours)?;
    match (hour, minute) {
        (0..24, 0..60) | (24, 0) => Ok(hour * 60 + minute),
        _ => Err(NoWindow::Hours),
    }
}

/// The shortest way to write it; reads back as the same window.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days == ALL {
            f.write_str("daily")?;
        } else {
            let mut separator = "";
            let mut at = 0;
            while at < DAYS.len() {
                let run = (at..DAYS.len())
                    .take_while(|day| self.days & (1 << day) != 0)
                    .count();
                if let Some(days) = DAYS.get(at..at + run)
                    && let [first, .., last] | [first @ last] = days
                {
                    let joint = if run > 2 { "-" } else { "," };
                    match run {
                        1 => write!(f, "{separator}{first}")?,
                        _ => write!(f, "{separator}{first}{joint}{last}")?,
                    }
                    separator = ",";
                }
                at += run + 1;
            }
        }
        let [from, to] = [self.from, self.to].map(|at| (at / 60, at % 60));
        write!(f, " {:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_shortest() {
        for (text, shown) in [
            ("mon-fri 22:00-06:00", "mon-fri 22:00-06:00"),
            ("sat,sun 00:00-24:00", "sat,sun 00:00-24:00"),
            ("Daily 01:30-05:00", "daily 01:30-05:00"),
            ("mon,tue,wed,fri 08:00-09:00", "mon-wed,fri 08:00-09:00"),
            ("fri-mon 08:00-09:00", "mon,fri-sun 08:00-09:00"),
            ("mon-sun 08:00-09:00", "daily 08:00-09:00"),
            ("thu 23:00-00:00", "thu 23:00-00:00"),
        ] {
            let window: Window = text.parse().expect(text);
            assert_eq!(window.to_string(), shown);
            assert_eq!(shown.parse(), Ok(window));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("", NoWindow::Shape),
            ("mon", NoWindow::Shape),
            ("mon 08:00-09:00 please", NoWindow::Shape),
            ("monday 08:00-09:00", NoWindow::Days),
            ("mon- 08:00-09:00", NoWindow::Days),
            ("mon 8:00-09:00", NoWindow::Hours),
            ("mon 08:00", NoWindow::Hours),
            ("mon 08:60-09:00", NoWindow::Hours),
            ("mon 24:00-09:00", NoWindow::Hours),
            ("mon 08:00-24:01", NoWindow::Hours),
            ("mon +8:00-09:00", NoWindow::Hours),
            ("mon 08:00-08:00", NoWindow::Empty),
        ] {
            assert_eq!(text.parse::<Window>(), Err(why), "{text}");
        }
    }
}
