use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::text::{Name, PoolPass, PoolUser};
use crate::wire::{Algo, Backend, Mode, Pool, Threads};

fn read(text: &str) -> OwnerWord {
    OwnerWord::parse(text.as_bytes()).expect(text)
}

/// What is said about a file that is refused.
fn refused(text: &str) -> String {
    let error = OwnerWord::parse(text.as_bytes());
    error.expect_err(text).to_string()
}

/// A profile with these pools and logins.
fn profile(pools: &[(&str, &str)]) -> Profile {
    let pool = |(address, user): &(&str, &str)| Pool {
        address: Address::parse(address).expect("valid"),
        tls: false,
        user: PoolUser::parse(user).expect("valid"),
        pass: PoolPass::parse("x").expect("valid"),
    };
    Profile {
        name: Name::parse("p").expect("valid"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        mode: Mode::Auto,
        threads: Threads::Auto,
        pools: pools.iter().map(pool).collect(),
    }
}

#[test]
fn a_file_with_every_key_is_read() {
    let key = Fingerprint([7; 32]);
    let word = read(&format!(
        "# our rigs\r\n\
         owner = \"Alice, hall 2\" # of Berlin\n\
         controllers = [\"{key}\"]\n\
         wallets = [ # two\n  \"44Affq5\",\n\n  \"48edfHu\", # the last\n]\n\
         \tpools\t=\t[\"pool.example:3333\",\"*.farm.lan\",\"[::1]\"]\t\n\
         mine = true\nmax_threads = 8\nlight = true"
    ));
    assert_eq!(
        word.owner,
        Some(Label::parse("Alice, hall 2").expect("valid"))
    );
    assert_eq!(word.controllers.as_deref(), Some(&[key][..]));
    let wallets = word.wallets.iter().flatten().map(Text::as_str);
    assert_eq!(wallets.collect::<Vec<_>>(), ["44Affq5", "48edfHu"]);
    let pools = word.pools.iter().flatten().map(PoolRule::as_str);
    let listed = ["pool.example:3333", "*.farm.lan", "[::1]"];
    assert_eq!(pools.collect::<Vec<_>>(), listed);
    assert_eq!(
        (word.mine, word.max_threads, word.light),
        (true, Some(8), true)
    );
    let said = "Alice, hall 2; controllers: 1, wallets: 2, pools: 3";
    assert_eq!(word.to_string(), said);
}

#[test]
fn a_file_that_says_nothing_allows_everything() {
    for text in ["", "\n", "# nothing", " \t\r\n\n"] {
        assert_eq!(read(text), OwnerWord::default());
    }
    let word = OwnerWord::default();
    assert!(word.lets_manage(&Fingerprint([1; 32])));
    assert_eq!(word.forbids(&profile(&[("p:1", "wallet")])), None);
}

#[test]
fn what_is_wrong_is_refused_with_its_line() {
    for (text, said) in [
        (
            "mine = true\nwallet = []",
            "line 2: no key is called so; there are owner controllers",
        ),
        ("[rig]\nmine = true", "line 1: no key is called so"),
        ("\"mine\" = true", "line 1: no key is called so"),
        ("mine = true\n\nmine = true", "line 3: mine is there twice"),
        ("mine true", "line 1: expected = behind the key"),
        ("mine = yes", "line 1: expected true or false"),
        (
            "mine = true light = true",
            "line 1: expected the end of the line",
        ),
        ("max_threads = 0", "line 1: expected a number from 1 to 256"),
        (
            "max_threads = 08",
            "line 1: expected a number from 1 to 256",
        ),
        (
            "max_threads = 257",
            "line 1: expected a number from 1 to 256",
        ),
        ("owner = Alice", "line 1: expected a string in quotes"),
        ("owner = 'Alice'", "line 1: expected a string in quotes"),
        (
            "owner = \"Alice\nmine = true",
            "line 1: expected a quote at the string's end",
        ),
        (
            "owner = \"A\\u0041\"",
            "line 1: '\\\\' is not allowed there",
        ),
        (
            "owner = \"\u{202e}ecilA\"",
            "line 1: '\\u{202e}' is not allowed there",
        ),
        ("# \u{7}", "line 1: '\\u{7}' is not allowed there"),
        (
            "wallets = \"44Affq5\"",
            "line 1: expected a list in brackets",
        ),
        ("wallets = [\n\"a\"\n\"b\"]", "line 3: expected a comma"),
        ("wallets = [\n\"a\",", "line 2: expected a string in quotes"),
        ("wallets = [\n\"\"]", "line 2: expected a wallet"),
        (
            "controllers = [\n\n\"068c54d873fc32f7\"]",
            "line 3: not a fingerprint",
        ),
        (
            "pools = [\"stratum+tcp://p:1\"]",
            "line 1: not a host or HOST:PORT",
        ),
        ("pools = [\"p:0\"]", "line 1: not a host or HOST:PORT"),
        ("pools = [\"*\"]", "line 1: not a host or HOST:PORT"),
        ("pools = [\"*.p:1\"]", "line 1: not a host or HOST:PORT"),
        ("pools = [\"*.[::1]\"]", "line 1: not a host or HOST:PORT"),
        ("pools = [\"::1\"]", "line 1: not a host or HOST:PORT"),
    ] {
        let refused = refused(text);
        assert!(refused.starts_with(said), "{text:?}: {refused}");
    }
    let not_utf8 = OwnerWord::parse(b"mine = true\n# \xff").expect_err("refused");
    assert_eq!((not_utf8.line, not_utf8.fault), (2, Fault::NotUtf8));
    let nine = "\"a\",\n".repeat(MAX_OWNER_WALLETS + 1);
    assert_eq!(
        refused(&format!("wallets = [{nine}]")),
        "line 9: at most 8 may be listed"
    );
    let long = "#".repeat(MAX_OWNER_FILE + 1);
    assert_eq!(refused(&long), "line 1: the file has more than 16384 bytes");
}

#[test]
fn a_pool_fits_its_rule_and_nothing_like_it() {
    for (rule, pool, fits) in [
        ("pool.example:3333", "pool.example:3333", true),
        ("pool.example:3333", "POOL.example:3333", true),
        ("pool.example:3333", "pool.example:3334", false),
        ("pool.example", "pool.example:1", true),
        ("pool.example", "a.pool.example:1", false),
        ("pool.example", "pool.example.evil:1", false),
        ("*.pool.example", "eu.pool.example:1", true),
        ("*.pool.example", "EU.POOL.EXAMPLE:1", true),
        ("*.pool.example", "pool.example:1", false),
        ("*.pool.example", "evilpool.example:1", false),
        ("*.pool.example", ".pool.example:1", false),
        ("192.0.2.1", "192.0.2.1:9", true),
        ("[::1]", "[::1]:9", true),
        ("[::1]:9", "[::1]:9", true),
        ("[::1]:9", "[::2]:9", false),
    ] {
        let word = read(&format!("pools = [\"other:1\", \"{rule}\"]"));
        let expected = (!fits).then_some(Forbidden::Pool(0));
        assert_eq!(
            word.forbids(&profile(&[(pool, "w")])),
            expected,
            "{rule} {pool}"
        );
    }
}

#[test]
fn a_wallet_fits_with_what_a_pool_lets_one_append_and_no_other_does() {
    let word = read("wallets = [\"44Affq5\", \"alice@pool\"]");
    for (login, fits) in [
        ("44Affq5", true),
        ("44Affq5.rig-7+120000", true),
        ("44Affq5/rig", true),
        ("44Affq5x", false),
        ("44Affq", false),
        ("44affq5", false),
        ("x.44Affq5", false),
        ("alice@pool", true),
        ("alice", false),
        ("alice@pool2", false),
    ] {
        let expected = (!fits).then_some(Forbidden::Wallet(0));
        assert_eq!(
            word.forbids(&profile(&[("p:1", login)])),
            expected,
            "{login}"
        );
    }
}

#[test]
fn every_pool_of_a_profile_is_asked() {
    let word = read("wallets = [\"a\"]\npools = [\"p\"]");
    assert_eq!(word.forbids(&profile(&[("p:1", "a"), ("p:2", "a")])), None);
    let second = word.forbids(&profile(&[("p:1", "a"), ("p:2", "b")]));
    assert_eq!(second, Some(Forbidden::Wallet(1)));
    assert_eq!(
        second.map(|what| what.to_string()).as_deref(),
        Some("the wallet at pool 2 is not in wallets")
    );
    let third = word.forbids(&profile(&[("p:1", "a"), ("p:2", "a"), ("q:1", "a")]));
    assert_eq!(third, Some(Forbidden::Pool(2)));
}

#[test]
fn an_empty_list_allows_nobody_and_nothing() {
    let word = read("controllers = []\nwallets = []");
    assert!(!word.lets_manage(&Fingerprint([1; 32])));
    let forbidden = word.forbids(&profile(&[("p:1", "a")]));
    assert_eq!(forbidden, Some(Forbidden::Wallet(0)));
    let none = read("pools = []").forbids(&profile(&[("p:1", "a")]));
    assert_eq!(none, Some(Forbidden::Pool(0)));
}

#[test]
fn a_machine_that_shall_not_mine_mines_no_profile() {
    let word = read("owner = \"Alice\"\nmine = false");
    let forbidden = word.forbids(&profile(&[("p:1", "a")]));
    assert_eq!(forbidden, Some(Forbidden::Mining));
    assert_eq!(word.to_string(), "Alice; mine = false");
}

#[test]
fn only_listed_controllers_manage() {
    let key = Fingerprint([7; 32]);
    let word = read(&format!("controllers = [\"{key}\"]"));
    assert!(word.lets_manage(&key));
    assert!(!word.lets_manage(&Fingerprint([8; 32])));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = OwnerWord::parse(&bytes);
    }

    #[test]
    fn any_text_out_of_the_words_of_a_file_is_read_or_refused_within_its_lines(
        words in proptest::collection::vec(
            proptest::sample::select(std::vec![
                "owner", "controllers", "wallets", "pools", "mine", "max_threads", "light", "=", "[",
                "]", ",", "\"", "\"p:1\"", "\"a\"", "true", "7", " ", "\n", "\r\n", "\r", "#", "é",
            ]),
            0..40,
        ),
    ) {
        let text: String = words.concat();
        if let Err(error) = OwnerWord::parse(text.as_bytes()) {
            prop_assert!((1..=text.split('\n').count()).contains(&error.line));
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn what_is_written_by_the_grammar_is_read(
        owner in "[^\"\\\\\\p{C}\\p{Z}]{0,16}",
        wallets in proptest::collection::vec("[0-9A-Za-z]{1,128}", 0..8),
        threads in 1..=256_u16,
        end in proptest::sample::select(std::vec!["\n", "\r\n", " # why\n"]),
    ) {
        let quoted: Vec<_> = wallets.iter().map(|wallet| format!("\"{wallet}\"")).collect();
        let lines = [
            format!("owner = \"{owner}\""),
            format!("wallets = [{}]", quoted.join(&format!(",{end}"))),
            format!("max_threads = {threads}"),
        ];
        let word = read(&(lines.join(end) + end));
        prop_assert_eq!(word.owner.as_ref().map(Label::as_str), Some(&*owner));
        let read = word.wallets.expect("given");
        prop_assert!(read.iter().map(Text::as_str).eq(wallets.iter().map(String::as_str)));
        prop_assert_eq!(word.max_threads, Some(threads));
    }
}
