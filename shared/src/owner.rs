//! The owner's word on a machine: `owner.toml`, which no controller overrides.
//!
//! ```toml
//! owner = "Alice, +49 30 1234567"             # shown, never judged
//! controllers = ["EW4D-…"]                    # fingerprints that may manage it; absent: any that was let in
//! wallets = ["44Affq5…"]                      # that it may mine for; absent: any
//! pools = ["pool.example:3333", "*.farm.lan"] # host:port, or a host with any port; absent: any
//! mine = true                                 # false: never, whatever it is told
//! max_threads = 8                             # hash threads at most
//! light = false                               # true: never more than 256 MiB for RandomX
//! ```
//! A subset of [TOML 1.0](https://toml.io/en/v1.0.0), so that what is read here means the same to every
//! reader of TOML. What is not in it is refused with its line: a word that is misread is not the owner's.
//!
//! ```text
//! file     line*, UTF-8, at most MAX_OWNER_FILE bytes; lines end in LF or CR LF
//! line     [key "=" value] [comment], with spaces and tabs around each
//! key      one of the seven above, each at most once, in any order
//! value    string | list | true | false | number
//! list     "[" [string ("," string)* [","]] "]", over as many lines as it likes; empty: nothing is allowed
//! string   between two ", without " and \ and control characters inside: there are no escapes
//! number   1 to MAX_THREADS, decimal digits, the first none of 0
//! comment  "#" up to the end of the line, without control characters but tab
//! ```
//!
//! | rule | what fits it |
//! |---|---|
//! | wallet | a login that is it, or whose letters and digits up to the first other character are ([`wallet_of`]) |
//! | pool `host:port` | that host at that port |
//! | pool `host` | that host at any port; an IPv6 address stands in brackets, `[::1]` |
//! | pool `*.host` | any name that ends in `.host` |
//!
//! Hosts are compared as text, in either case; no name is looked up.

mod reader;

use core::fmt;

use heapless::Vec;

use crate::base32::Base32Error;
use crate::identity::Fingerprint;
use crate::limits::{
    MAX_ADDRESS, MAX_OWNER_CONTROLLERS, MAX_OWNER_FILE, MAX_OWNER_POOLS, MAX_OWNER_WALLETS,
    MAX_THREADS, MAX_WALLET,
};
use crate::text::{Address, Label, Text, TextError, wallet_of};
use crate::wire::{OwnerView, Profile};

/// What the owner lets a machine do. Where a list is `None`, all is allowed; the default allows all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerWord {
    /// How the owner is called.
    pub owner: Option<Label>,
    /// Who may manage it.
    pub controllers: Option<Vec<Fingerprint, MAX_OWNER_CONTROLLERS>>,
    /// For whom it may mine.
    pub wallets: Option<Vec<Text<MAX_WALLET>, MAX_OWNER_WALLETS>>,
    /// Where it may log in.
    pub pools: Option<Vec<PoolRule, MAX_OWNER_POOLS>>,
    /// Whether it may mine at all.
    pub mine: bool,
    /// Hash threads at most, 1 to [`MAX_THREADS`].
    pub max_threads: Option<u16>,
    /// Light mode, whatever a profile says.
    pub light: bool,
}

impl Default for OwnerWord {
    fn default() -> Self {
        Self {
            owner: None,
            controllers: None,
            wallets: None,
            pools: None,
            mine: true,
            max_threads: None,
            light: false,
        }
    }
}

/// What of a profile the owner does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forbidden {
    /// Mining, whatever it is.
    Mining,
    /// A pool that is not listed; which one, from 0.
    Pool(usize),
    /// The wallet at a pool that is listed; which pool, from 0.
    Wallet(usize),
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mining => f.write_str("mine = false"),
            Self::Pool(at) => write!(f, "pool {} is not in pools", at + 1),
            Self::Wallet(at) => write!(f, "the wallet at pool {} is not in wallets", at + 1),
        }
    }
}

impl OwnerWord {
    /// Reads the file's content. Errors name the line, from 1.
    pub fn parse(bytes: &[u8]) -> Result<Self, OwnerError> {
        if bytes.len() > MAX_OWNER_FILE {
            return Err(OwnerError::new(1, Fault::TooLong));
        }
        let text = str::from_utf8(bytes).map_err(|error| {
            let before = bytes.iter().take(error.valid_up_to());
            let lines = before.filter(|byte| **byte == b'\n').count();
            OwnerError::new(lines + 1, Fault::NotUtf8)
        })?;
        reader::read(text)
    }

    /// The same without its lists.
    pub fn view(&self) -> OwnerView {
        // Lists have bounds below 256.
        let len = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
        OwnerView {
            owner: self.owner.clone(),
            mine: self.mine,
            max_threads: self.max_threads,
            light: self.light,
            controllers: self.controllers.as_ref().map(|list| len(list.len())),
            wallets: self.wallets.as_ref().map(|list| len(list.len())),
            pools: self.pools.as_ref().map(|list| len(list.len())),
        }
    }

    /// Whether this controller may manage the machine.
    pub fn lets_manage(&self, controller: &Fingerprint) -> bool {
        let listed = |list: &Vec<Fingerprint, _>| list.contains(controller);
        self.controllers.as_ref().is_none_or(listed)
    }

    /// The first thing in the profile that the owner does not allow: all its pools are asked, also
    /// those that stand behind another.
    pub fn forbids(&self, profile: &Profile) -> Option<Forbidden> {
        if !self.mine {
            return Some(Forbidden::Mining);
        }
        let mut pools = profile.pools.iter().enumerate();
        pools.find_map(|(at, pool)| {
            let listed = |rules: &Vec<PoolRule, _>| rules.iter().any(|r| r.fits(&pool.address));
            if !self.pools.as_ref().is_none_or(listed) {
                return Some(Forbidden::Pool(at));
            }
            let login = pool.user.as_str();
            let paid = |wallet: &Text<_>| [login, wallet_of(login)].contains(&wallet.as_str());
            let listed = |wallets: &Vec<Text<_>, _>| wallets.iter().any(paid);
            (!self.wallets.as_ref().is_none_or(listed)).then_some(Forbidden::Wallet(at))
        })
    }
}

impl fmt::Display for OwnerWord {
    /// Whose machine it is and how much is listed, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.owner.as_ref().map_or("owner not named", Label::as_str);
        f.write_str(owner)?;
        if !self.mine {
            return write!(f, "; {}", Forbidden::Mining);
        }
        let lists = [
            (
                "; controllers",
                self.controllers.as_ref().map(|list| list.len()),
            ),
            (", wallets", self.wallets.as_ref().map(|list| list.len())),
            (", pools", self.pools.as_ref().map(|list| list.len())),
        ];
        for (what, listed) in lists {
            match listed {
                Some(count) => write!(f, "{what}: {count}")?,
                None => write!(f, "{what}: any")?,
            }
        }
        Ok(())
    }
}

/// Where a rig may log in, as the module head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolRule {
    /// This host at this port.
    Address(Address),
    /// This host, or with `*.` in front any name below it, at any port.
    Host(Text<MAX_ADDRESS>),
}

impl PoolRule {
    /// The rule as the file has it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Address(address) => address.as_str(),
            Self::Host(host) => host.as_str(),
        }
    }

    fn parse(text: &str) -> Result<Self, TextError> {
        let below = text.strip_prefix("*.");
        let address = match below {
            Some(name) if name.starts_with('[') => return Err(TextError::NotAnAddress),
            Some(_) => None,
            None => Address::parse(text).ok(),
        };
        if let Some(address) = address {
            return Ok(Self::Address(address));
        }
        // A host is what a port makes an address.
        let mut with_port = heapless::String::<MAX_ADDRESS>::new();
        let fits = with_port.push_str(below.unwrap_or(text));
        fits.and_then(|()| with_port.push_str(":1"))
            .map_err(|_| TextError::TooLong(MAX_ADDRESS))?;
        Address::parse(&with_port)?;
        Ok(Self::Host(Text::parse(text)?))
    }

    fn fits(&self, pool: &Address) -> bool {
        let (host, port) = pool.host_port();
        match self {
            Self::Address(rule) => {
                let (allowed, at) = rule.host_port();
                port == at && host.eq_ignore_ascii_case(allowed)
            }
            Self::Host(rule) => match rule.as_str().strip_prefix('*') {
                Some(end) => ends_in(host, end),
                None => host.eq_ignore_ascii_case(bare(rule.as_str())),
            },
        }
    }
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(host)
}

/// Whether the host is something and then this, `.example`.
fn ends_in(host: &str, end: &str) -> bool {
    let start = host.len().checked_sub(end.len()).filter(|start| *start > 0);
    let tail = start.and_then(|start| host.get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Why a file is not the owner's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

impl OwnerError {
    const fn new(line: usize, fault: Fault) -> Self {
        Self { line, fault }
    }
}

/// What is wrong in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The file has more than [`MAX_OWNER_FILE`] bytes.
    TooLong,
    /// It is not UTF-8.
    NotUtf8,
    /// Something else should stand there.
    Expected(&'static str),
    /// No key is called so.
    UnknownKey,
    /// This key has a value already.
    Twice(&'static str),
    /// A character that may not stand in a string or comment.
    Character(char),
    /// Not a number of threads.
    Threads,
    /// More than this many strings in a list.
    TooMany(usize),
    /// Not what may stand in a list of pools.
    Pool(TextError),
    /// Not what a name or wallet may be.
    Text(TextError),
    /// Not a fingerprint.
    Fingerprint(Base32Error),
}

impl fmt::Display for OwnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match self.fault {
            Fault::TooLong => write!(f, "the file has more than {MAX_OWNER_FILE} bytes"),
            Fault::NotUtf8 => f.write_str("this is not UTF-8"),
            Fault::Expected(what) => write!(f, "expected {what}"),
            Fault::UnknownKey => {
                let keys = reader::KEYS.map(reader::Key::name);
                f.write_str("no key is called so; there are")?;
                keys.iter().try_for_each(|key| write!(f, " {key}"))
            }
            Fault::Twice(key) => write!(f, "{key} is there twice"),
            Fault::Character(c) => write!(f, "{c:?} is not allowed there"),
            Fault::Threads => write!(f, "expected a number from 1 to {MAX_THREADS}"),
            Fault::TooMany(most) => write!(f, "at most {most} may be listed"),
            Fault::Pool(why) => write!(f, "not a host or HOST:PORT: {why}"),
            Fault::Text(why) => why.fmt(f),
            Fault::Fingerprint(why) => write!(f, "not a fingerprint: {why}"),
        }
    }
}

impl core::error::Error for OwnerError {}

#[cfg(test)]
mod tests;
