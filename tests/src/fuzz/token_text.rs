//! Texts that people type or paste: fingerprints, pairing codes, tokens, names, addresses, numbers.

use core::str::FromStr;
use std::fmt::{Debug, Display};

use miner_shared::identity::{EnrolToken, Fingerprint, NodeId, PairingCode, Role};
use miner_shared::mining::{Blob, JobId, SeedHash, Target, TargetWidth, algo_from_name};
use miner_shared::text::{Address, LogText, MinerName, Name, PoolPass, PoolUser};

use super::said;

const TOKEN_PREFIX: &str = "ENR1-";

/// The input is the text; bytes that are no UTF-8 are replaced as a terminal would.
pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text = text.as_ref();
    one_value_has_one_text::<Fingerprint>(text);
    if let Some(code) = one_value_has_one_text::<PairingCode>(text) {
        assert_eq!(code.enrolment().token_id, code.token_id());
        let debug = format!("{code:?} {:?}", code.enrolment());
        assert!(
            !debug.contains(&format!("{:02x?}", code.secret())),
            "{debug}"
        );
    }
    if let Some(token) = one_value_has_one_text::<EnrolToken>(without_prefix(text)) {
        let debug = format!("{token:?} {:02x?}", token.controller());
        let secret = format!("{:02x?}", *token.enrolment().secret);
        assert!(!debug.contains(&secret), "{debug}");
    }
    comes_back::<NodeId>(text);
    comes_back::<Role>(text);
    comes_back::<Name>(text);
    comes_back::<MinerName>(text);
    if let Some(address) = comes_back::<Address>(text) {
        let (host, port) = address.host_port();
        assert!(!host.is_empty() && port != 0, "{text:?}");
    }
    let secrets = (PoolUser::parse(text), PoolPass::parse(text));
    assert!(
        !format!("{secrets:?}").contains("wallet"),
        "secrets are not shown"
    );
    for refused in [secrets.0.err(), secrets.1.err()].into_iter().flatten() {
        said(&refused);
    }
    let shown = LogText::lossy(text);
    assert!(!shown.as_str().chars().any(char::is_control));
    mining(text);
}

/// What pools write as digits and names.
fn mining(text: &str) {
    match Target::from_hex(text) {
        Ok(target) => {
            assert!(target.difficulty().0 > 0);
            assert_eq!(Target::new(target.value()), Some(target));
            let width = TargetWidth::choose(false, target.difficulty());
            let again = Target::from_hex(&target.to_hex(width)).ok();
            assert_eq!(again, target.on_wire(width));
        }
        Err(error) => said(&error),
    }
    match Blob::from_hex(text) {
        Ok(blob) => {
            let same = blob.with_nonce(blob.nonce());
            assert_eq!(same, blob, "the nonce is where it was");
            assert!(format!("{blob:?}").len() < 80, "{blob:?}");
        }
        Err(error) => said(&error),
    }
    if let Some(seed) = SeedHash::from_hex(text) {
        assert_eq!(seed.to_string(), text.to_lowercase());
        assert_eq!(format!("{seed:?}"), format!("SeedHash({seed})"));
    }
    match JobId::parse(text) {
        Ok(id) => assert_eq!(id.to_string(), text),
        Err(error) => said(&error),
    }
    let _known = algo_from_name(text);
}

/// A token reads with its prefix and without; here without any, however often it stood there.
fn without_prefix(text: &str) -> &str {
    match text.trim_start().split_at_checked(TOKEN_PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(TOKEN_PREFIX) => without_prefix(rest),
        _ => text,
    }
}

/// What is read, written and read again is the same.
fn comes_back<T>(text: &str) -> Option<T>
where
    T: FromStr<Err: Display> + Display + Debug,
{
    let value = read::<T>(text)?;
    assert!(!format!("{value:?}").chars().any(char::is_control));
    assert_eq!(value.to_string(), text);
    Some(value)
}

/// As `comes_back`, but case, spaces, dashes and look-alikes do not matter.
fn one_value_has_one_text<T>(text: &str) -> Option<T>
where
    T: FromStr<Err: Display> + Display,
{
    let value = read::<T>(text)?;
    let shown = value.to_string();
    let again = T::from_str(&shown).ok().map(|value| value.to_string());
    assert_eq!(again.as_ref(), Some(&shown));
    let shown = shown.strip_prefix(TOKEN_PREFIX).unwrap_or(&shown);
    assert_eq!(plain(text), plain(shown));
    Some(value)
}

fn read<T: FromStr<Err: Display>>(text: &str) -> Option<T> {
    T::from_str(text).inspect_err(|error| said(error)).ok()
}

/// The text as base32 reads it.
fn plain(text: &str) -> String {
    let kept = text.chars().filter(|c| !matches!(c, ' ' | '-'));
    let upper = kept.map(|c| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    });
    upper.collect()
}
