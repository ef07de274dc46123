//! The documents say what is so: links lead somewhere, named tests and limits exist, sizes hold.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use farm_tests::sources::{Source, files, root};
use miner_shared::limits;

/// Lines that no source file may exceed (rule E4).
const LONGEST_FILE: usize = 800;

/// Every document, the first page included.
fn documents() -> Vec<Source> {
    let mut all = files("docs", "md").unwrap();
    all.extend(files("shared", "md").unwrap());
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    all.push(Source {
        path: "README.md".to_owned(),
        text,
    });
    all
}

/// A markdown link: its text and its target.
fn links(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in text.split('[').skip(1) {
        let Some((label, rest)) = part.split_once("](") else {
            continue;
        };
        let Some((target, _)) = rest.split_once(')') else {
            continue;
        };
        found.push((label.to_owned(), target.to_owned()));
    }
    found
}

/// The path below the root that a relative link of `document` leads to.
fn target_of(document: &Source, target: &str) -> std::path::PathBuf {
    let folder = root().join(&document.path);
    folder
        .parent()
        .unwrap()
        .join(target.split('#').next().unwrap_or_default())
}

#[test]
fn relative_links_lead_to_files_and_headings() {
    for document in documents() {
        for (label, target) in links(&document.text) {
            if target.starts_with("http") {
                continue;
            }
            let place = format!("{}: [{label}]({target})", document.path);
            let path = target_of(&document, &target);
            if let Some((file, heading)) = target.split_once('#') {
                let path = if file.is_empty() {
                    root().join(&document.path)
                } else {
                    path
                };
                let text = fs::read_to_string(path).unwrap_or_else(|_| panic!("{place}: no file"));
                assert!(
                    headings(&text).contains(heading),
                    "{place}: no such heading"
                );
            } else {
                assert!(path.exists(), "{place}: no such file");
            }
        }
    }
}

/// Anchors of the headings of a document, as GitHub makes them.
fn headings(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    let title = |line: &str| line.trim_start_matches('#').trim().to_lowercase();
    let anchor = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    };
    lines
        .map(|line| title(line).chars().filter_map(anchor).collect())
        .collect()
}

#[test]
fn tests_that_the_documents_name_exist() {
    for document in documents() {
        for (label, target) in links(&document.text) {
            let name = label.trim_matches('`');
            let is_test = target.ends_with(".rs")
                && name.contains('_')
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if !is_test {
                continue;
            }
            let path = target_of(&document, &target);
            let code = fs::read_to_string(&path).unwrap_or_default();
            let there = code.contains(&format!("fn {name}("));
            assert!(there, "{}: no test {name} in {target}", document.path);
        }
    }
}

#[test]
fn limits_in_the_specification_are_those_of_the_code() {
    macro_rules! named {
        ($($name:ident),* $(,)?) => {
            BTreeMap::from([$((stringify!($name), u64::try_from(limits::$name).unwrap())),*])
        };
    }
    let code = named![
        CLOSE_FRAMES,
        CLOSE_MS,
        DEAD_MS,
        FOUND_RING,
        FRAME_HEADER,
        HANDSHAKE_MS,
        HEARTBEAT_MS,
        IDLE_PING_MS,
        LOG_RING,
        MAX_ADDRESS,
        MAX_BLOB,
        MAX_CHECK_NAME,
        MAX_CONTROLLER_LINKS,
        MAX_DISCOVERED,
        MAX_FINDING,
        MAX_FINDINGS,
        MAX_FOUND_SHARES,
        MAX_FRAME,
        MAX_HANDSHAKE_FRAME,
        MAX_INTERFACE_NAME,
        MAX_INTERFACES,
        MAX_LOCATE_SECS,
        MAX_LOG_LINE,
        MAX_LOG_LINES,
        MAX_MANAGERS,
        MAX_MDNS_PACKET,
        MAX_MESSAGE,
        MAX_MINER_LINE,
        MAX_MINERS,
        MAX_NAME,
        MAX_NETWORKS,
        MAX_NICE,
        MAX_PENDING_HANDSHAKES,
        MAX_PEM,
        MAX_PLAINTEXT,
        MAX_POOL_LINE,
        MAX_POOL_PASS,
        MAX_POOL_USER,
        MAX_POOLS,
        MAX_RIG_LINKS,
        MAX_SENT_LINE,
        MAX_THREADS,
        MAX_TLS_UNSENT,
        MAX_UNANSWERED,
        MAX_UNPROVEN_TLS_BYTES,
        NONCE_CHUNK,
        NONCE_MEMORY,
        PAIRING_MS,
        RECEIPTS,
        REKEY_FRAMES,
        RENEW_FRAMES,
        RENEW_MS,
        SHARE_QUEUE,
    ];
    let text = fs::read_to_string(root().join("docs/SPECIFICATION.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut seen = 0;
    for row in rows.filter_map(|row| row.split_once("` |")) {
        let (name, rest) = row;
        let Some(value) = code.get(name) else {
            continue;
        };
        let digits: String = rest
            .split('|')
            .next()
            .unwrap()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        assert_eq!(digits, value.to_string(), "{name}");
        seen += 1;
    }
    assert_eq!(
        seen,
        code.len(),
        "limits with a row of their own in docs/SPECIFICATION.md"
    );
}

#[test]
fn readme_starts_with_its_two_commands() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<&str> = text
        .split("```")
        .filter_map(|block| block.strip_prefix("sh\n"))
        .flat_map(str::lines)
        .collect();
    assert_eq!(
        commands.get(..2),
        Some(&["cargo run --release -- up", "./tests/run"][..])
    );
}

#[test]
fn no_file_outgrows_its_reader() {
    for dir in ["shared", "agent", "controller", "cross", "images", "tests"] {
        for source in files(dir, "rs").unwrap() {
            let lines = source.text.lines().count();
            assert!(lines <= LONGEST_FILE, "{}: {lines} lines", source.path);
        }
    }
}

#[test]
fn no_document_speaks_of_one_machine() {
    for document in documents() {
        for word in ["/home/", "/root/", "/Users/", "C:\\"] {
            assert!(!document.text.contains(word), "{}: {word}", document.path);
        }
    }
}

#[test]
fn decision_records_are_numbered_without_a_gap() {
    let records = files("docs/decisions", "md").unwrap();
    for (index, record) in records.iter().enumerate() {
        let number = format!("docs/decisions/{:04}-", index + 1);
        assert!(
            record.path.starts_with(&number),
            "{} is not {number}…",
            record.path
        );
        for heading in ["## Context", "## Decision", "## Consequences"] {
            assert!(
                record.text.contains(heading),
                "{}: no {heading}",
                record.path
            );
        }
    }
}
