//! Texts that people type or paste: fingerprints, pairing codes, tokens, names, addresses, numbers.

use core::str::FromStr;
use std::fmt::Display;

use miner_shared::identity::{EnrolToken, Fingerprint, NodeId, PairingCode, Role};
use miner_shared::mining::{Blob, JobId, SeedHash, Target, algo_from_name};
use miner_shared::text::{Address, LogText, MinerName, Name, PoolPass, PoolUser};

/// The input is the text; bytes that are no UTF-8 are replaced as a terminal would.
pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text = text.as_ref();
    one_value_has_one_text::<Fingerprint>(text);
    one_value_has_one_text::<PairingCode>(text);
    one_value_has_one_text::<EnrolToken>(text);
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
    let shown = LogText::lossy(text);
    assert!(!shown.as_str().chars().any(char::is_control));
    if let Ok(target) = Target::from_hex(text) {
        assert!(target.difficulty().0 > 0);
    }
    if let Ok(blob) = Blob::from_hex(text) {
        assert_eq!(
            blob.with_nonce(blob.nonce()),
            blob,
            "the nonce is where it was"
        );
    }
    let _others = (
        SeedHash::from_hex(text),
        JobId::parse(text).is_ok(),
        algo_from_name(text),
    );
}

/// What is read, written and read again is the same.
fn comes_back<T: FromStr + Display>(text: &str) -> Option<T> {
    let value = T::from_str(text).ok()?;
    assert_eq!(value.to_string(), text);
    Some(value)
}

/// As `comes_back`, but case, spaces, dashes and look-alikes do not matter.
fn one_value_has_one_text<T: FromStr + Display>(text: &str) {
    let Ok(value) = T::from_str(text) else {
        return;
    };
    let shown = value.to_string();
    let again = T::from_str(&shown).ok().map(|value| value.to_string());
    assert_eq!(again.as_ref(), Some(&shown));
    assert_eq!(plain(text), plain(&shown));
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
