//! Which peer a text means.
//!
//! A full node ID or fingerprint means that peer and nothing else. Otherwise all peers of that name
//! and all whose ID begins with the text are candidates, and there must be exactly one: a prefix or
//! a name that a hostile rig gave itself can make a command fail, never go to the wrong rig.

use std::collections::BTreeSet;

use miner_shared::identity::{Fingerprint, NodeId};
use miner_shared::text::Name;

use super::rules::{Registry, RegistryError};

impl Registry {
    /// The peer that this text means: node ID, fingerprint, unique ID prefix, or unique name.
    pub fn resolve(&self, text: &str) -> Result<Fingerprint, RegistryError> {
        let text = text.trim();
        if let Ok(id) = text.parse::<NodeId>()
            && let Some((key, _)) = self.by_id(id)
        {
            return Ok(key);
        }
        if let Ok(key) = text.parse::<Fingerprint>() {
            return self
                .peer(&key)
                .map(|_| key)
                .ok_or(RegistryError::NoSuchPeer);
        }
        let named = Name::parse(text).ok();
        let named = named.and_then(|name| self.by_name(&name));
        let prefix = text.to_ascii_lowercase();
        let begin = self.index.by_prefix(&prefix).copied();
        let keys: BTreeSet<_> = begin.chain(named).collect();
        let matches: Vec<_> = keys
            .into_iter()
            .filter_map(|key| Some((key, key.node_id(), &self.peer(&key)?.name)))
            .collect();
        match matches.as_slice() {
            [] => Err(RegistryError::NoSuchPeer),
            [(key, ..)] => Ok(*key),
            [..] => Err(RegistryError::Ambiguous(
                matches
                    .into_iter()
                    .map(|(_, id, name)| (id, name.clone()))
                    .collect(),
            )),
        }
    }
}

/// Which of these nodes a text means, by the same rules: for those that are no peers, or no longer.
pub fn meant<'a>(
    candidates: impl Iterator<Item = (Fingerprint, &'a Name)>,
    text: &str,
) -> Result<Fingerprint, RegistryError> {
    let text = text.trim();
    let prefix = text.to_ascii_lowercase();
    let full = text.parse::<Fingerprint>().ok();
    let mut matches = Vec::new();
    for (key, name) in candidates {
        let id = key.node_id();
        if full == Some(key) || id.to_string() == prefix {
            return Ok(key);
        }
        let begins = !prefix.is_empty() && id.to_string().starts_with(&prefix);
        if begins || name.as_str() == text {
            matches.push((key, id, name.clone()));
        }
    }
    match matches.as_slice() {
        [] => Err(RegistryError::NoSuchPeer),
        [(key, ..)] => Ok(*key),
        [..] => Err(RegistryError::Ambiguous(
            matches
                .into_iter()
                .map(|(_, id, name)| (id, name))
                .collect(),
        )),
    }
}
