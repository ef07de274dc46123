//! The order of the table and its windows.

use super::*;

fn entry(name: &str, value: Option<u64>) -> Entry {
    Entry {
        value: value.map(Value::Number),
        name: Name::parse(name).expect("valid"),
        key: Fingerprint([7; 32]),
    }
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}

fn sorted(mut entries: Vec<Entry>, descending: bool) -> Vec<String> {
    let all = entries.len();
    let sorted = names(window(&mut entries, 0, all, descending));
    sorted.into_iter().map(str::to_owned).collect()
}

#[test]
fn what_is_unknown_is_last_in_both_directions_and_ties_are_by_name() {
    let entries = || {
        vec![
            entry("rig-10", Some(5)),
            entry("rig-9", None),
            entry("rig-2", Some(5)),
            entry("rig-1", Some(7)),
            entry("rig-3", Some(0)),
            entry("rig-11", None),
        ]
    };
    assert_eq!(
        sorted(entries(), false),
        ["rig-3", "rig-2", "rig-10", "rig-1", "rig-9", "rig-11"]
    );
    assert_eq!(
        sorted(entries(), true),
        ["rig-1", "rig-2", "rig-10", "rig-3", "rig-9", "rig-11"]
    );
}

#[test]
fn texts_are_sorted_as_people_count_and_rigs_of_one_name_by_their_keys() {
    let text = |text: &str, key| Entry {
        value: Some(Value::Text(text.into())),
        key: Fingerprint([key; 32]),
        ..entry("same", None)
    };
    let mut entries = vec![text("v10", 3), text("v9", 2), text("v9", 1)];
    let keys = |entries: &[Entry]| entries.iter().map(|e| e.key.0[0]).collect::<Vec<_>>();
    assert_eq!(keys(window(&mut entries, 0, 9, false)), [1, 2, 3]);
    assert_eq!(keys(window(&mut entries, 0, 9, true)), [3, 1, 2]);
}

#[test]
fn every_window_is_a_part_of_the_whole_and_one_behind_the_end_is_empty() {
    let entries: Vec<_> = (0..23)
        .map(|n: u64| {
            entry(
                &format!("rig-{n}"),
                (!n.is_multiple_of(3)).then_some(n * 7 % 5),
            )
        })
        .collect();
    for descending in [false, true] {
        let whole = sorted(entries.clone(), descending);
        for offset in [0, 1, 22, 23, 24, usize::MAX] {
            for limit in [0, 1, 5, 22, 23, 24, usize::MAX] {
                let mut shuffled = entries.clone();
                let shown = names(window(&mut shuffled, offset, limit, descending));
                let part = whole.iter().skip(offset).take(limit);
                assert!(part.eq(&shown), "{offset} {limit}: {shown:?}");
            }
        }
    }
}

#[test]
fn every_column_is_found_by_its_name_and_a_misspelt_one_names_the_one_that_was_meant() {
    for (name, column) in column::COLUMNS {
        let sort = |text: &str| text.parse::<Sort>().expect("a column");
        let expected = |descending| Sort { column, descending };
        assert_eq!(sort(name), expected(false));
        assert_eq!(sort(&format!("-{name}")), expected(true));
    }
    let refused = |text: &str| text.parse::<Sort>().expect_err("no column").to_string();
    assert_eq!(
        refused("-hashrat"),
        "\"hashrat\" is no column of the table: did you mean hashrate?"
    );
    assert!(refused("--name").contains("did you mean name?"));
    let long = refused("\u{1b}[2J<script>");
    assert!(long.contains("there are id, name, group"), "{long}");
    assert!(!long.contains('\u{1b}'), "{long}");
}
