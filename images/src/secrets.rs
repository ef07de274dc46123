//! The search for what no image may hold: private keys, tokens, ids of the machine that built it.
//!
//! Two kinds of thing are looked for:
//!
//! | what | how |
//! |---|---|
//! | secrets that the builder knows (its own key, `/etc/machine-id`) | as bytes, in hex, base32 and base64 at every alignment, in both cases |
//! | anything secret by its form | key files and tokens by their checks, PEM by its head |
//!
//! A finished disk is searched as it is; what it holds compressed is searched before it is compressed.

use std::ops::Range;

use miner_shared::base32::{self, Label};
use miner_shared::identity::key_file;
use miner_shared::slots::STATE_LABEL;

use crate::disk;

/// Findings that are reported; one is one too many.
const MAX_FINDINGS: usize = 64;
/// Zeros that are passed over in one step, unless a secret begins with two.
const HOLE: [u8; 4096] = [0; 4096];
/// Characters of an enrolment or API token behind its prefix, and of a recovery key.
const TOKEN_TEXT: usize = 66;
const RECOVERY_TEXT: usize = 54;

const HEX: &[u8] = b"0123456789abcdef";
const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RFC_4648_32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const RFC_4648_64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A secret that the builder knows.
#[derive(Clone, Copy, Debug)]
pub struct Secret<'a> {
    /// What to call it in a report; never the secret itself.
    pub name: &'a str,
    /// Its bytes, at least 8: shorter ones are found by chance.
    pub bytes: &'a [u8],
}

/// Something secret in an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image holds {what} at byte {at}: do not give it away")]
pub struct Finding {
    /// What it is.
    pub what: String,
    /// Where it begins.
    pub at: usize,
    /// Whether it is an enrolment token, which a state partition may hold.
    pub is_token: bool,
}

/// Searches a finished disk. Enrolment tokens in its state partition are passed over if the owner asked
/// for one there.
pub fn check(image: &[u8], known: &[Secret<'_>], token_wanted: bool) -> Result<(), Finding> {
    let volumes = disk::volumes(image).into_iter();
    let state: Vec<Range<usize>> = volumes
        .filter(|found| token_wanted && found.label == STATE_LABEL)
        .map(|found| found.place)
        .collect();
    let is_wanted = |f: &Finding| f.is_token && state.iter().any(|place| place.contains(&f.at));
    scan(image, known, &is_wanted)
        .into_iter()
        .next()
        .map_or(Ok(()), Err)
}

/// Searches bytes of any kind.
pub fn search(bytes: &[u8], known: &[Secret<'_>]) -> Vec<Finding> {
    scan(bytes, known, &|_| false)
}

/// All findings but those that are wanted.
fn scan(bytes: &[u8], known: &[Secret<'_>], is_wanted: &dyn Fn(&Finding) -> bool) -> Vec<Finding> {
    let needles = needles(known);
    // Most places are ruled out by their first two bytes.
    let mut begins = vec![false; 1 << 16];
    for needle in &needles {
        if let [a, b, ..] = needle.bytes[..] {
            begins[usize::from(u16::from_be_bytes([a, b]))] = true;
        }
    }
    let mut findings = Vec::new();
    let mut at = 0;
    while let Some([a, b, ..]) = bytes.get(at..) {
        if bytes[at..].starts_with(&HOLE) && !begins[0] {
            at += HOLE.len() - 1;
            continue;
        }
        if begins[usize::from(u16::from_be_bytes([*a, *b]))] {
            let here = &bytes[at..];
            let found = needles.iter().filter(|needle| needle.is_at(here));
            let found = found.map(|needle| needle.finding(at));
            findings.extend(found.filter(|finding| !is_wanted(finding)));
        }
        if findings.len() >= MAX_FINDINGS {
            break;
        }
        at += 1;
    }
    findings
}

/// What is looked for, and what must follow it to be the real thing.
struct Needle {
    bytes: Vec<u8>,
    what: String,
    is_token: bool,
    is_real: fn(&[u8]) -> bool,
}

impl Needle {
    fn is_at(&self, here: &[u8]) -> bool {
        let rest = here.strip_prefix(&self.bytes[..]);
        rest.is_some_and(|rest| (self.is_real)(rest))
    }

    fn finding(&self, at: usize) -> Finding {
        Finding {
            what: self.what.clone(),
            at,
            is_token: self.is_token,
        }
    }
}

fn needles(known: &[Secret<'_>]) -> Vec<Needle> {
    let mark = |bytes: &[u8], what: &str, is_real| Needle {
        bytes: bytes.to_vec(),
        what: what.to_owned(),
        is_token: what.contains("token"),
        is_real,
    };
    let mut needles = vec![
        mark(b"SMSGKEY1", "a private key file", |rest| {
            let body = rest.get(..key_file::LEN - 8).unwrap_or_default();
            key_file::decode(&[b"SMSGKEY1", body].concat()).is_ok()
        }),
        mark(b"ENR1-", "an enrolment token", |rest| {
            reads::<40>(Label::Enrolment, rest, TOKEN_TEXT)
        }),
        mark(b"mct_", "a password of the controller's API", |rest| {
            reads::<40>(Label::Api, rest, TOKEN_TEXT)
        }),
        mark(b"REC1-", "a recovery key", |rest| {
            reads::<32>(Label::Recovery, rest, RECOVERY_TEXT)
        }),
        mark(b"-----BEGIN ", "a private key in PEM", is_pem_key),
    ];
    for secret in known {
        for (form, bytes) in forms(secret.bytes) {
            needles.push(Needle {
                bytes,
                what: format!("{} ({form})", secret.name),
                is_token: false,
                is_real: |_| true,
            });
        }
    }
    needles
}

/// Whether the text is a thing of this kind, check characters included.
fn reads<const N: usize>(label: Label, rest: &[u8], length: usize) -> bool {
    let text = rest
        .get(..length)
        .and_then(|text| std::str::from_utf8(text).ok());
    text.is_some_and(|text| base32::read_into(label, text, &mut [0; N]).is_ok())
}

/// Whether a key follows, and not only a program's word for one.
fn is_pem_key(rest: &[u8]) -> bool {
    let mut lines = rest.splitn(3, |byte| *byte == b'\n');
    let head = lines.next().unwrap_or_default().trim_ascii_end();
    let body = lines.next().unwrap_or_default().trim_ascii_end();
    head.len() < 64
        && head.ends_with(b"PRIVATE KEY-----")
        && body.len() >= 32
        && body
            .iter()
            .all(|byte| RFC_4648_64.contains(byte) || *byte == b'=')
}

/// The forms in which bytes may have been written down.
fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![("bytes", secret.to_vec())];
    for (name, alphabet, bits) in [
        ("hex", HEX, 4),
        ("base32", CROCKFORD, 5),
        ("base32", RFC_4648_32, 5),
        ("base64", RFC_4648_64, 6),
        ("base64", URL_64, 6),
    ] {
        let shifts = if bits == 4 { 1 } else { bits };
        for skip in 0..shifts {
            let text = digits(secret, alphabet, bits, skip);
            if bits < 6 {
                let other: fn(&u8) -> u8 = match bits {
                    4 => u8::to_ascii_uppercase,
                    _ => u8::to_ascii_lowercase,
                };
                forms.push((name, text.iter().map(other).collect()));
            }
            forms.push((name, text));
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

/// The whole digits of `bits` bits that the bytes make, `skip` bits left out in front: what does not
/// depend on what stood before or behind them.
fn digits(bytes: &[u8], alphabet: &[u8], bits: usize, skip: usize) -> Vec<u8> {
    let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
    let count = (bytes.len() * 8).saturating_sub(skip) / bits;
    let digit = |number: usize| {
        let first = skip + number * bits;
        let value = (first..first + bits).fold(0, |value, at| value << 1 | bit(at));
        alphabet[value]
    };
    (0..count).map(digit).collect()
}

#[cfg(test)]
mod tests;
