//! No development fee exists: no wallet, no pool and no host of ours is in the programs.
//!
//! What the rigs hash for and whom they talk to comes from the operator alone. A reader who distrusts
//! this file can run the same searches by hand.

use farm_tests::sources::{Source, programs};

/// Words that fee code of other miners is made of, and pools that it would mine at.
const FEE_WORDS: [&str; 12] = [
    "donate",
    "donation",
    "dev_fee",
    "devfee",
    "dev-fee",
    "fee_percent",
    "xmrig.com",
    "moneroocean",
    "supportxmr",
    "nanopool",
    "minexmr",
    "hashvault",
];

/// The one place that knows such a word: fields of an imported file, which are refused.
const REFUSED: (&str, [&str; 2]) = (
    "controller/src/import/left_out.rs:",
    [
        r#"("donate-level", FEE),"#,
        r#"("donate-over-proxy", FEE),"#,
    ],
);

/// Top-level domains of hosts that a program could phone home to.
const DOMAINS: [&str; 12] = [
    ".app", ".cloud", ".com", ".dev", ".io", ".me", ".net", ".online", ".org", ".pro", ".stream",
    ".xyz",
];

/// Names reserved for documentation and examples (RFC 2606, RFC 6761).
const EXAMPLES: [&str; 4] = ["example.com", "example.net", "example.org", ".example"];

/// The string literals of a line outside comments; good enough for code that rustfmt has laid out.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    let comment = line.trim_start().starts_with("//");
    let code = if comment { "" } else { line };
    code.split('"').skip(1).step_by(2)
}

/// Whether a file holds tests alone: `tests.rs`, `.._tests.rs`, and all in a folder `tests`.
fn is_of_tests(source: &Source) -> bool {
    let path = source.path.trim_end_matches(".rs");
    path.ends_with("/tests") || path.ends_with("_tests") || path.contains("/tests/")
}

fn each_line(sources: &[Source], mut check: impl FnMut(&str, &str)) {
    for source in sources.iter().filter(|source| !is_of_tests(source)) {
        for (number, line) in source.program_lines() {
            check(&format!("{}:{number}", source.path), line);
        }
    }
}

#[test]
fn what_is_not_searched_is_no_part_of_the_programs() {
    for source in programs().unwrap() {
        let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
        for pair in lines.windows(2) {
            let [before, line] = pair else { continue };
            let words = line.strip_suffix(';').unwrap_or_default();
            let module = words.rsplit_once("mod ").map_or("", |(_, name)| name);
            if module == "tests" || module.ends_with("_tests") {
                assert_eq!(*before, "#[cfg(test)]", "{}: {line}", source.path);
            }
        }
    }
}

#[test]
fn no_word_of_fee_code_is_in_the_programs() {
    each_line(&programs().unwrap(), |place, line| {
        if place.starts_with(REFUSED.0) && REFUSED.1.contains(&line.trim()) {
            return;
        }
        let text = line.to_lowercase();
        for word in FEE_WORDS {
            assert!(!text.contains(word), "{place}: {word}");
        }
    });
}

#[test]
fn no_wallet_is_in_the_programs() {
    let base58 = |c: char| c.is_ascii_alphanumeric() && !matches!(c, '0' | 'O' | 'I' | 'l');
    each_line(&programs().unwrap(), |place, line| {
        for word in line.split(|c: char| !base58(c)) {
            // Monero addresses have 95 characters, integrated ones 106; hex vectors are no wallets.
            let hex = word.chars().all(|c| c.is_ascii_hexdigit());
            let wallet = word.len() >= 95 && !hex;
            assert!(
                !wallet,
                "{place}: a literal of {} base58 characters",
                word.len()
            );
        }
    });
}

#[test]
fn no_host_but_the_operators_is_in_the_programs() {
    each_line(&programs().unwrap(), |place, line| {
        for literal in literals(line) {
            let text = literal.to_lowercase();
            let host = |domain: &&str| {
                let mut parts = text.split(*domain);
                let name = parts.next().unwrap_or_default();
                let end = parts.next().map(|rest| rest.chars().next());
                let cut = end.is_some_and(|next| next.is_none_or(|c| !c.is_alphanumeric()));
                cut && name.ends_with(|c: char| c.is_ascii_alphanumeric())
            };
            let example = EXAMPLES.iter().any(|example| text.contains(example));
            let found = DOMAINS.iter().find(|domain| host(domain));
            assert!(
                example || found.is_none(),
                "{place}: {literal:?} looks like a host"
            );
        }
    });
}

#[test]
fn the_search_itself_finds_what_it_looks_for() {
    let line = r#"let pool = "pool.somewhere.com:3333";"#;
    assert_eq!(
        literals(line).collect::<Vec<_>>(),
        ["pool.somewhere.com:3333"]
    );
    assert_eq!(literals(r#"// see "somewhere.com""#).count(), 0);
}
