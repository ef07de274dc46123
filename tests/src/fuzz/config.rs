//! What an owner writes down: command lines of both programs, what stands in their flags, and `owner.toml`.
//!
//! | byte 0 % 6 | the rest is |
//! |---|---|
//! | 0, 1 | words, one a line: of `miner node`, of `miner-ctrl up` |
//! | 2 | a name pattern, and on the next line a name |
//! | 3 | a network, and on the next line an address |
//! | 4 | an address to listen on |
//! | 5 | an `owner.toml`, which is TOML and means there what it means here |
//!
//! Profiles and tokens come as JSON (`rest_body`), the files of a node as records (`key_file`).

use core::str::FromStr;
use std::fmt::Display;
use std::net::IpAddr;

use argh::FromArgs;
use miner_agent::cli::refuse_secrets;
use miner_agent::node::ListenAddress;
use miner_agent::node_cli::Node;
use miner_ctrl::registry::{NamePattern, Network};
use miner_ctrl::up::{HttpAddress, Up};
use miner_shared::owner::{OwnerWord, PoolRule};
use miner_shared::text::Text;

use super::input::Input;
use super::said;

/// The input is a choice and a text; bytes that are no UTF-8 are replaced as a terminal would.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let text = String::from_utf8_lossy(input.rest());
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    match choice % 6 {
        0 => words::<Node>(&["miner", "node"], &text),
        1 => words::<Up>(&["miner-ctrl", "up"], &text),
        2 => pattern(first, second),
        3 => network(first, second),
        5 => owner(&text),
        _ => {
            comes_back::<ListenAddress>(first);
            let _loopback = HttpAddress::from_str(first);
        }
    }
}

/// A command line is understood or explained, in words.
fn words<T: FromArgs>(command: &[&str], text: &str) {
    let words: Vec<&str> = text.lines().collect();
    let _secrets = refuse_secrets(&words);
    if let Err(early) = T::from_args(command, &words) {
        assert!(!early.output.is_empty(), "{words:?}");
    }
}

/// What is read of an owner's word is TOML that says the same.
fn owner(text: &str) {
    let Ok(word) = OwnerWord::parse(text.as_bytes()).inspect_err(|error| said(error)) else {
        return;
    };
    let table: toml::Table = text.parse().expect("a subset of TOML");
    let list = |key: &str| {
        let list = table.get(key)?.as_array()?;
        Some(list.iter().filter_map(toml::Value::as_str).collect())
    };
    let wallets = word.wallets.as_ref();
    let wallets: Option<Vec<&str>> = wallets.map(|list| list.iter().map(Text::as_str).collect());
    assert_eq!(wallets, list("wallets"));
    let pools = word.pools.as_ref();
    let pools: Option<Vec<&str>> = pools.map(|list| list.iter().map(PoolRule::as_str).collect());
    assert_eq!(pools, list("pools"));
    let controllers = word.controllers.as_ref().map(|list| list.len());
    assert_eq!(controllers, list("controllers").map(|list| list.len()));
    let name = table.get("owner").and_then(toml::Value::as_str);
    assert_eq!(word.owner.as_ref().map(Text::as_str), name);
    let truth = |key: &str, otherwise| table.get(key).map_or(Some(otherwise), toml::Value::as_bool);
    assert_eq!(Some(word.mine), truth("mine", true));
    assert_eq!(Some(word.light), truth("light", false));
    let threads = table.get("max_threads").and_then(toml::Value::as_integer);
    assert_eq!(word.max_threads.map(i64::from), threads);
}

fn pattern(pattern: &str, name: &str) {
    let Ok(read) = NamePattern::from_str(pattern) else {
        return;
    };
    assert_eq!(read.as_str(), pattern);
    assert_eq!(
        read.matches(name),
        stands_for(pattern, name),
        "{pattern:?} {name:?}"
    );
}

/// Whether the pattern stands for the name, tried place by place: what has been reached of the name
/// after each character of the pattern.
fn stands_for(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for wanted in pattern.chars() {
        let mut next = vec![false; reached.len()];
        let mut any_before = false;
        for at in 0..reached.len() {
            any_before |= reached[at];
            next[at] = match wanted {
                '*' => any_before,
                letter => at > 0 && reached[at - 1] && name[at - 1] == letter,
            };
        }
        reached = next;
    }
    reached[name.len()]
}

fn network(network: &str, address: &str) {
    let Some(network) = reads_again::<Network>(network) else {
        return;
    };
    let text = network.to_string();
    let (first, prefix) = text.split_once('/').expect("both are shown");
    let first: IpAddr = first.parse().expect("an address");
    // An IPv4 address in an IPv6 one counts as what it is, so that no network of those holds any.
    if first.to_canonical() == first {
        assert!(network.contains(first), "{text}");
    }
    let all = prefix == "0";
    if let Ok(address) = address.parse::<IpAddr>() {
        let same_kind = address.to_canonical().is_ipv4() == first.is_ipv4();
        assert!(!network.contains(address) || same_kind, "{text} {address}");
        assert!(
            !all || network.contains(address) == same_kind,
            "{text} {address}"
        );
    }
}

/// What is read, written and read again is the same.
fn reads_again<T: FromStr + Display + PartialEq>(text: &str) -> Option<T> {
    let value = T::from_str(text).ok()?;
    let again = T::from_str(&value.to_string()).ok();
    assert!(again.as_ref() == Some(&value), "{text:?}");
    Some(value)
}

fn comes_back<T: FromStr + Display + PartialEq>(text: &str) {
    reads_again::<T>(text);
}
