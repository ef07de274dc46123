//! API tokens: by what programs may ask this controller something.
//!
//! Of a token the registry keeps its name and the SHA-256 of its secret. The secret is 256 random bits,
//! so there is nothing to guess and a slow hash, which passwords need, would only cost time at each
//! request. (An enrolment token is another thing: see [`tokens`](super::tokens).)

use std::fmt;

use miner_shared::text::Name;
use serde::{Deserialize, Serialize};

use super::record::Row;
use super::rules::{Registry, RegistryError};
use super::store::{Change, Durable, StoreError};
use crate::clock::EpochMs;
use crate::scope::Scope;

/// API tokens that are kept, expired ones too. Each is a program or a person, and not a rig.
pub const MAX_API_TOKENS: usize = 256;
/// When a token was used is noted at most so often, in milliseconds: a script that asks each second
/// must not cost a write each second.
pub const USED_EVERY_MS: u64 = 60_000;

/// Names an API token. It is part of the token's text and no secret, so a token that was found
/// somewhere can be revoked by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ApiTokenId(pub [u8; 8]);

impl fmt::Display for ApiTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ApiTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An API token. Its name is the key of the row.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiTokenRecord {
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// What it may do.
    pub scope: Scope,
    /// What the owner calls it.
    pub label: Option<Name>,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// When it ends by the controller's wall clock, in milliseconds since 1970; `None` is never.
    pub expires_at_ms: Option<u64>,
    /// When it was last used, within [`USED_EVERY_MS`], in milliseconds since 1970.
    pub last_used_ms: Option<u64>,
}

impl fmt::Debug for ApiTokenRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiTokenRecord({}, {:?}, …)", self.scope, self.label)
    }
}

impl ApiTokenRecord {
    /// Whether it is past its end.
    pub fn is_expired(&self, now: EpochMs) -> bool {
        self.expires_at_ms.is_some_and(|end| now.0 >= end)
    }
}

impl Row for ApiTokenRecord {}

impl Registry {
    /// All API tokens, by name.
    pub fn api_tokens(&self) -> impl ExactSizeIterator<Item = (&ApiTokenId, &ApiTokenRecord)> {
        self.rows.api_tokens.iter()
    }

    /// The API token of this name.
    pub fn api_token(&self, id: &ApiTokenId) -> Option<&ApiTokenRecord> {
        self.rows.api_tokens.get(id)
    }

    /// Stores a new API token.
    pub fn add_api_token(
        &mut self,
        id: ApiTokenId,
        token: ApiTokenRecord,
    ) -> Result<(), RegistryError> {
        if self.rows.api_tokens.len() >= MAX_API_TOKENS {
            return Err(RegistryError::TooManyTokens);
        }
        if self.rows.api_tokens.contains_key(&id) {
            return Err(RegistryError::TokenExists);
        }
        Ok(self.commit(vec![Change::PutApiToken(id, token)], Durable::Now)?)
    }

    /// Deletes an API token: from now on it is as if there had never been one.
    pub fn revoke_api_token(&mut self, id: &ApiTokenId) -> Result<(), RegistryError> {
        if !self.rows.api_tokens.contains_key(id) {
            return Err(RegistryError::NoSuchToken);
        }
        Ok(self.commit(vec![Change::DeleteApiToken(*id)], Durable::Now)?)
    }

    /// Notes that an API token was used, if that is worth it: see [`USED_EVERY_MS`].
    pub fn note_api_token_used(&mut self, id: &ApiTokenId, at: EpochMs) -> Result<(), StoreError> {
        let Some(row) = self.rows.api_tokens.get(id) else {
            return Ok(());
        };
        let noted = row.last_used_ms.map(|noted| at.0.abs_diff(noted));
        if noted.is_some_and(|since| since < USED_EVERY_MS) {
            return Ok(());
        }
        let used = ApiTokenRecord {
            last_used_ms: Some(at.0),
            ..row.clone()
        };
        self.commit(vec![Change::PutApiToken(*id, used)], Durable::Soon)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryStore;
    use super::*;

    const ID: ApiTokenId = ApiTokenId([7; 8]);

    fn row(expires_at_ms: Option<u64>) -> ApiTokenRecord {
        ApiTokenRecord {
            hash: [9; 32],
            scope: Scope::Operate,
            label: None,
            created_at_ms: 1,
            expires_at_ms,
            last_used_ms: None,
        }
    }

    fn registry() -> Registry {
        Registry::open(Box::new(MemoryStore::default())).expect("opens")
    }

    #[test]
    fn a_token_ends_when_its_time_has_come_and_one_without_an_end_never() {
        assert!(!row(Some(10)).is_expired(EpochMs(9)));
        assert!(row(Some(10)).is_expired(EpochMs(10)));
        assert!(!row(None).is_expired(EpochMs(u64::MAX)));
    }

    #[test]
    fn the_use_of_a_token_is_noted_once_a_minute() {
        let mut registry = registry();
        registry.add_api_token(ID, row(None)).expect("added");
        let mut used = |at| {
            let noted = registry.note_api_token_used(&ID, EpochMs(at));
            noted.expect("noted");
            registry.api_token(&ID).expect("there").last_used_ms
        };
        assert_eq!(used(100_000), Some(100_000));
        assert_eq!(used(159_999), Some(100_000));
        assert_eq!(used(160_000), Some(160_000));
        // A clock that was set back is noted too, and not for ever in the future.
        assert_eq!(used(1_000), Some(1_000));
    }

    #[test]
    fn tokens_are_bounded_and_a_revoked_one_is_gone() {
        let mut registry = registry();
        for n in 0..MAX_API_TOKENS {
            let id = ApiTokenId(u64::try_from(n).expect("few").to_be_bytes());
            registry.add_api_token(id, row(None)).expect("added");
        }
        let full = registry.add_api_token(ID, row(None));
        assert!(matches!(full, Err(RegistryError::TooManyTokens)));
        let first = ApiTokenId([0; 8]);
        registry.revoke_api_token(&first).expect("revoked");
        assert!(registry.api_token(&first).is_none());
        let again = registry.revoke_api_token(&first);
        assert!(matches!(again, Err(RegistryError::NoSuchToken)));
    }

    #[test]
    fn debug_output_shows_no_hash() {
        let text = format!("{:?}", row(None));
        assert!(!text.contains('9'), "{text}");
    }
}
