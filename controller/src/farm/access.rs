//! API tokens: who may ask this controller, beside its owner at this machine.

use std::cmp::Reverse;
use std::net::IpAddr;

use miner_shared::text::Name;
use serde::Serialize;
use utoipa::ToSchema;

use super::Farm;
use crate::access::{ApiToken, is_same};
use crate::clock::{EpochMs, Now};
use crate::error::{Code, FarmError};
use crate::hub::EventKind;
use crate::registry::{ApiTokenId, ApiTokenRecord, MAX_API_TOKENS, RegistryError};
use crate::scope::Scope;

/// Shortest and longest life of an API token that has an end, in seconds.
pub const API_TOKEN_LIFE_SECS: (u64, u64) = (60, 10 * 365 * 86_400);

/// An API token to make.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// What it may do.
    pub scope: Scope,
    /// What the owner calls it.
    pub label: Option<Name>,
    /// How long it is good, in seconds; `None` is until it is revoked.
    pub expires_secs: Option<u64>,
}

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiTokenView {
    /// Its name, 16 hex characters.
    pub id: String,
    /// What the owner calls it.
    pub label: Option<String>,
    /// What it may do.
    pub scope: Scope,
    /// `active` or `expired`.
    pub state: &'static str,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it ends; `null` is never.
    pub expires_at: Option<EpochMs>,
    /// How long it is still good, in milliseconds; `null` is for ever.
    pub expires_in_ms: Option<u64>,
    /// When it was last used, within a minute; `null` is never.
    pub last_used_at: Option<EpochMs>,
    /// The same as an age, in milliseconds.
    pub last_used_age_ms: Option<u64>,
}

/// An API token that was just made: the only answer that ever holds its text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewApiTokenView {
    /// The token, `mct_…`: a secret.
    pub token: String,
    /// The rest.
    #[serde(flatten)]
    pub view: ApiTokenView,
}

impl std::fmt::Debug for NewApiTokenView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewApiTokenView({}, …)", self.view.id)
    }
}

impl Farm {
    /// Makes an API token.
    pub fn create_api_token(&self, new: NewApiToken) -> Result<NewApiTokenView, FarmError> {
        let (shortest, longest) = API_TOKEN_LIFE_SECS;
        if let Some(secs) = new.expires_secs
            && !(shortest..=longest).contains(&secs)
        {
            let message = format!("`expiresSecs` must be from {shortest} to {longest}");
            return Err(FarmError::new(Code::InvalidInput, message).field("expiresSecs"));
        }
        let now = self.clock.now();
        let mut core = self.lock();
        let token = ApiToken::generate(&mut core.rng);
        let end = |secs: u64| now.wall.0.saturating_add(secs.saturating_mul(1000));
        let row = ApiTokenRecord {
            hash: token.hash(),
            scope: new.scope,
            label: new.label,
            created_at_ms: now.wall.0,
            expires_at_ms: new.expires_secs.map(end),
            last_used_ms: None,
        };
        let view = view(&token.id(), &row, now);
        core.registry
            .add_api_token(token.id(), row)
            .map_err(|error| token_error(error, ""))?;
        Ok(NewApiTokenView {
            token: token.to_string(),
            view,
        })
    }

    /// All API tokens, the newest first.
    pub fn api_tokens(&self) -> Vec<ApiTokenView> {
        let (core, now) = (self.lock(), self.clock.now());
        let rows = core.registry.api_tokens();
        let mut views: Vec<_> = rows.map(|(id, row)| view(id, row, now)).collect();
        views.sort_by_key(|view| Reverse(view.created_at));
        views
    }

    /// Deletes the API token of this ID, or unique beginning of one. Its next request is refused.
    pub fn revoke_api_token(&self, text: &str) -> Result<String, FarmError> {
        let prefix = text.trim().to_ascii_lowercase();
        let mut core = self.lock();
        let found: Vec<_> = {
            let ids = core.registry.api_tokens().map(|(id, _)| *id);
            ids.filter(|id| !prefix.is_empty() && id.to_string().starts_with(&prefix))
                .collect()
        };
        let [id] = found.as_slice() else {
            return Err(no_token(&prefix));
        };
        core.registry
            .revoke_api_token(id)
            .map_err(|error| token_error(error, &prefix))?;
        Ok(id.to_string())
    }

    /// Somebody came with a credential that is none; one event about many of them.
    pub(crate) fn note_refused(&self, from: IpAddr, limited: bool) {
        let kind = EventKind::ApiRefused {
            from: from.to_string(),
            limited,
        };
        self.with(|hub, env| hub.record(env, None, kind));
    }

    /// What the holder of this token may do, if it is good, and what the owner calls it. Notes now and
    /// then that it was used.
    pub(crate) fn holder_of(&self, token: &ApiToken) -> Option<(Scope, Option<Name>)> {
        let (mut core, now) = (self.lock(), self.clock.now());
        let row = core.registry.api_token(&token.id())?;
        if !is_same(&row.hash, &token.hash()) || row.is_expired(now.wall) {
            return None;
        }
        let holder = (row.scope, row.label.clone());
        if let Err(error) = core.registry.note_api_token_used(&token.id(), now.wall) {
            log::warn!("use of an API token not noted reason={error}");
        }
        Some(holder)
    }
}

fn view(id: &ApiTokenId, row: &ApiTokenRecord, now: Now) -> ApiTokenView {
    ApiTokenView {
        id: id.to_string(),
        label: row.label.as_ref().map(|label| label.as_str().to_owned()),
        scope: row.scope,
        state: if row.is_expired(now.wall) {
            "expired"
        } else {
            "active"
        },
        created_at: EpochMs(row.created_at_ms),
        expires_at: row.expires_at_ms.map(EpochMs),
        expires_in_ms: row.expires_at_ms.map(|end| end.saturating_sub(now.wall.0)),
        last_used_at: row.last_used_ms.map(EpochMs),
        last_used_age_ms: row.last_used_ms.map(|used| now.wall.0.saturating_sub(used)),
    }
}

fn token_error(error: RegistryError, named: &str) -> FarmError {
    match error {
        RegistryError::TooManyTokens => FarmError::new(
            Code::ServiceUnavailable,
            format!("there are {MAX_API_TOKENS} API tokens already"),
        )
        .hint("`api-token list` shows which are no longer used; `api-token revoke` deletes one"),
        RegistryError::NoSuchToken => no_token(named),
        RegistryError::Store(error) => error.into(),
        error => FarmError::new(Code::InternalError, error.to_string()),
    }
}

fn no_token(named: &str) -> FarmError {
    FarmError::new(
        Code::TokenNotFound,
        format!("no API token, or more than one, begins with {named:?}"),
    )
    .field("id")
    .hint("`api-token list` shows all")
}
