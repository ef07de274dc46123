//! `--select`: which rigs a verb is about.

use miner_agent::cli::Failure;

use super::client::segment;
use crate::farm::select::{SelectError, Selector};
use crate::units;

/// A path with the selector as its query, if one was given. It is read here first, so that a slip is
/// shown under the very word before anything is asked.
pub(super) fn selected(path: &str, select: Option<&str>) -> Result<String, Failure> {
    let Some(text) = select else {
        return Ok(path.to_owned());
    };
    let selector = understood(text)?;
    Ok(format!("{path}?select={}", segment(selector.as_str())))
}

/// The selector that this text is.
pub(super) fn understood(text: &str) -> Result<Selector, Failure> {
    text.parse::<Selector>()
        .map_err(|error| Failure::usage(marked(&units::printable(text), &error)))
}

/// What is wrong, and the text with a mark under the place.
fn marked(text: &str, error: &SelectError) -> String {
    let why = units::printable(&error.to_string());
    let mark = error.caret(text).replace('\n', "\n  ");
    format!("--select, {why}\n  {mark}")
}

#[cfg(test)]
mod tests {
    use miner_agent::cli::Exit;

    use super::*;

    #[test]
    fn a_slip_is_marked_under_its_place() {
        let failure = understood("group=shed\u{1b} stat=offline").expect_err("a slip");
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(
            failure.line,
            "--select, at character 13: nothing is known as \"stat\": did you mean state?\n  \
             group=shed? stat=offline\n              ^"
        );
    }

    #[test]
    fn a_selector_becomes_one_parameter() {
        let path = selected("/peers", Some(" group=a,b&c  cpu~\"ryzen 9\" "));
        assert_eq!(
            path.expect("understood"),
            "/peers?select=group%3Da%2Cb%26c%20%20cpu~%22ryzen%209%22"
        );
        assert_eq!(selected("/peers", None).expect("no selector"), "/peers");
        assert!(selected("/peers", Some("")).is_err(), "not all by accident");
    }
}
