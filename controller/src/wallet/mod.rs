//! Payout addresses, so that no hash is worked for a mistyped one.
//!
//! ```text
//!   login     WALLET . worker + difficulty        what follows the wallet is the pool's matter
//!   wallet    base58( prefix | spend key | view key | [payment id] | checksum )
//!             varint   32          32          8             4, of Keccak-256 over all before
//! ```
//!
//! | profile | login | then |
//! |---|---|---|
//! | names a known coin | | it has to be an address of that coin and network |
//! | names another coin | | checked for form only, which is said |
//! | names none | looks like a Monero address | it has to be one |
//! | names none | anything else | taken as it is: practice pool, p2pool, accounts |
//!
//! A single wrong character changes one block of the text and so the checksum: one in four thousand
//! million goes unseen. Whether anybody holds the keys, no check can tell.

mod base58;
mod coin;

use std::fmt;

use miner_shared::text::wallet_of;
use miner_shared::wire::Pool;
use sha3::{Digest, Keccak256};

use self::base58::{NotBase58, decode, encoded_len};
pub use self::coin::{Coin, MAX_COIN, NoCoin};
use self::coin::{DEFAULT, FORMS, Form};

/// Bytes of the two keys in an address.
const KEYS: usize = 64;
/// Bytes of the payment id in an integrated address.
const PAYMENT_ID: usize = 8;
/// Bytes of the checksum at the end.
const CHECKSUM: usize = 4;
/// A login of letters and digits in these lengths that begins like a Monero address is meant to be
/// one: whole ones have 95 and 106, and what lost or doubled a few characters should be found too.
const LIKE_MONERO: std::ops::RangeInclusive<usize> = 90..=110;

/// How far a login could be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Its wallet is an address of a known coin, checksum included.
    Address,
    /// The coin is not known here: it is there and printable, no more can be said.
    FormOnly,
    /// It is taken for no address at all.
    Login,
}

impl Checked {
    /// The word for it in REST and CLI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::FormOnly => "formOnly",
            Self::Login => "login",
        }
    }
}

/// What is wrong with a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalletFault {
    /// There is none.
    Missing,
    /// This character, in this place from 1 on, is in no address.
    Character(char, usize),
    /// So many characters, where this coin has addresses of other lengths.
    Length {
        /// What it has.
        has: usize,
        /// Of which coin it should be.
        coin: &'static str,
        /// Lengths of its addresses: standard or sub-address, and integrated.
        wanted: [usize; 2],
    },
    /// A character was mistyped, or two were exchanged.
    Checksum,
    /// A whole address, of something else.
    OtherCoin {
        /// Of what, if that is known.
        is: Option<&'static str>,
        /// Of what it should be.
        wanted: &'static str,
    },
}

impl fmt::Display for WalletFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is missing"),
            Self::Character(c, at) => {
                write!(f, "character {at} is {c:?}, which no address has")?;
                match c {
                    '0' | 'O' | 'o' => f.write_str(": zero and capital O are left out"),
                    'I' | 'l' => f.write_str(": capital I and small L are left out"),
                    _ => Ok(()),
                }
            }
            Self::Length {
                has,
                coin,
                wanted: [plain, integrated],
            } => write!(
                f,
                "it has {has} characters, and a {coin} address {plain} (integrated: {integrated})"
            ),
            Self::Checksum => f.write_str("checksum differs: a character was mistyped"),
            Self::OtherCoin {
                is: Some(is),
                wanted,
            } => write!(f, "it is a {is} address, and a {wanted} address is wanted"),
            Self::OtherCoin { is: None, wanted } => write!(f, "it is no {wanted} address"),
        }
    }
}

impl std::error::Error for WalletFault {}

/// Checks the wallet of a login at a pool for this coin.
pub fn check(coin: Option<&Coin>, login: &str) -> Result<Checked, WalletFault> {
    let wallet = wallet_of(login);
    let Some(coin) = coin else {
        let like = LIKE_MONERO.contains(&wallet.len()) && wallet.starts_with(['4', '8']);
        return if like {
            check_address(wallet, DEFAULT, &[DEFAULT])
        } else {
            Ok(Checked::Login)
        };
    };
    let forms: Vec<_> = coin.forms().collect();
    match forms.first() {
        None if login.trim().is_empty() => Err(WalletFault::Missing),
        None => Ok(Checked::FormOnly),
        Some(first) => check_address(wallet, first, &forms),
    }
}

/// Checks the logins of all pools; the fault comes with the number of its pool, from 0 on.
pub fn check_pools(coin: Option<&Coin>, pools: &[Pool]) -> Result<(), (usize, WalletFault)> {
    for (at, pool) in pools.iter().enumerate() {
        check(coin, pool.user.as_str()).map_err(|fault| (at, fault))?;
    }
    Ok(())
}

fn check_address(wallet: &str, like: &Form, forms: &[&Form]) -> Result<Checked, WalletFault> {
    if wallet.is_empty() {
        return Err(WalletFault::Missing);
    }
    let wrong_length = || WalletFault::Length {
        has: wallet.len(),
        coin: like.title,
        wanted: lengths(like),
    };
    let bytes = match decode(wallet) {
        Ok(bytes) => bytes,
        Err(NotBase58::Character(c, at)) => return Err(WalletFault::Character(c, at)),
        Err(NotBase58::Length) => return Err(wrong_length()),
        Err(NotBase58::TooLarge) if has_length(wallet, forms) => return Err(WalletFault::Checksum),
        Err(NotBase58::TooLarge) => return Err(wrong_length()),
    };
    let checked = bytes.split_last_chunk::<CHECKSUM>();
    let whole = checked
        .filter(|(body, sum)| Keccak256::digest(body).starts_with(*sum))
        .and_then(|(body, _)| take_prefix(body));
    let Some((prefix, keys)) = whole else {
        return Err(if has_length(wallet, forms) {
            WalletFault::Checksum
        } else {
            wrong_length()
        });
    };
    let is = |form: &Form| {
        let [standard, integrated, sub] = form.prefixes;
        match keys.len() {
            KEYS => prefix == standard || prefix == sub,
            len => len == KEYS + PAYMENT_ID && prefix == integrated,
        }
    };
    if forms.iter().any(|form| is(form)) {
        return Ok(Checked::Address);
    }
    Err(WalletFault::OtherCoin {
        is: FORMS.iter().find(|form| is(form)).map(|form| form.title),
        wanted: like.title,
    })
}

/// Characters of a form's addresses: standard and integrated.
fn lengths(form: &Form) -> [usize; 2] {
    let [standard, integrated, _] = form.prefixes;
    [
        encoded_len(varint_len(standard) + KEYS + CHECKSUM),
        encoded_len(varint_len(integrated) + KEYS + PAYMENT_ID + CHECKSUM),
    ]
}

fn has_length(wallet: &str, forms: &[&Form]) -> bool {
    let sub = |form: &Form| encoded_len(varint_len(form.prefixes[2]) + KEYS + CHECKSUM);
    forms
        .iter()
        .any(|form| lengths(form).contains(&wallet.len()) || sub(form) == wallet.len())
}

/// Bytes of a number in groups of seven bits.
const fn varint_len(number: u64) -> usize {
    let bits = u64::BITS - number.leading_zeros();
    let groups = bits.div_ceil(7);
    if groups == 0 { 1 } else { groups as usize }
}

/// The number at the front, seven bits a byte, lowest first; and what follows.
fn take_prefix(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let last = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let (groups, rest) = bytes.split_at(last + 1);
    let mut prefix = 0_u64;
    for group in groups.iter().rev() {
        // Nine groups are 63 bits: no known prefix has more.
        prefix = prefix.checked_mul(128)? | u64::from(group & 0x7f);
    }
    Some((prefix, rest))
}

#[cfg(test)]
mod tests;
