//! What is noted of a request.

use std::net::IpAddr;

use miner_shared::crypto::sha256;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::{By, PREFIX};

/// Characters of a target that are kept.
pub const MAX_TARGET: usize = 160;
/// Fields whose values are no part of a digest, however deep: with the rest of the body known, the
/// digest of a short secret is soon guessed.
const SECRET_FIELDS: [&str; 7] = [
    "code",
    "pairingCode",
    "pass",
    "passphrase",
    "password",
    "secret",
    "token",
];

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Number, from 1 without gaps.
    pub seq: u64,
    /// When, by the controller's clock.
    pub at: String,
    /// Who: `local`, `token ID (label)`, `session N`, or `nobody` without a good credential; `controller`
    /// for what the log notes about itself.
    pub who: String,
    /// Address that the request came from; absent if it came from this process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub from: Option<IpAddr>,
    /// Method and route, such as `POST /api/v1/mining/peers/{id}/ping`.
    pub action: String,
    /// The path as it was asked, cut at 160 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub target: Option<String>,
    /// HTTP status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status: Option<u16>,
    /// Code of the answer, if it was an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// The request's number, as `X-Request-Id` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request_id: Option<String>,
    /// SHA-256 of the body as canonical JSON, the values of secrets left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub body: Option<String>,
    /// Requests since the entry before that are in none: refused ones beyond a rate, or those that the
    /// disk did not take.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unrecorded: u64,
    /// Entries that were half written when the power failed, and cut.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
    /// Hash of the last entry of the segment before: the first entry of each segment has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub prev: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// An entry before it has its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// As [`Entry::at`]; the log sets it.
    pub at: String,
    /// Who; `None` is nobody that is known.
    pub who: Option<String>,
    /// As [`Entry::from`].
    pub from: Option<IpAddr>,
    /// As [`Entry::action`].
    pub action: String,
    /// As [`Entry::target`].
    pub target: Option<String>,
    /// As [`Entry::status`].
    pub status: Option<u16>,
    /// As [`Entry::code`].
    pub code: Option<String>,
    /// As [`Entry::request_id`].
    pub request_id: Option<String>,
    /// As [`Entry::body`].
    pub body: Option<String>,
    /// As [`Entry::unrecorded`]; the log sets it.
    pub unrecorded: u64,
    /// As [`Entry::cut`].
    pub cut: u64,
    /// As [`Entry::prev`].
    pub prev: Option<String>,
}

impl Draft {
    /// Of a request for this path, by this route.
    pub fn of_request(method: &str, route: &str, path: &str) -> Self {
        Self {
            action: format!("{method} {route}"),
            target: Some(target(path)),
            ..Self::default()
        }
    }

    /// What the log notes about itself.
    pub(super) fn of_ours(action: &str) -> Self {
        Self {
            who: Some("controller".to_owned()),
            action: action.to_owned(),
            ..Self::default()
        }
    }

    /// The same, by this holder of a credential.
    #[must_use]
    pub fn by(mut self, who: Option<&By>) -> Self {
        self.who = who.map(ToString::to_string);
        self
    }

    /// Whether anybody could have caused it.
    pub(super) const fn is_strangers(&self) -> bool {
        self.who.is_none()
    }

    pub(super) fn into_entry(self, seq: u64) -> Entry {
        Entry {
            seq,
            at: self.at,
            who: self.who.unwrap_or_else(|| "nobody".to_owned()),
            from: self.from,
            action: self.action,
            target: self.target,
            status: self.status,
            code: self.code,
            request_id: self.request_id,
            body: self.body,
            unrecorded: self.unrecorded,
            cut: self.cut,
            prev: self.prev,
        }
    }
}

/// A path within its bound, and without the token that somebody may have put there for its ID.
fn target(path: &str) -> String {
    let shown = path.split(PREFIX).next().unwrap_or_default();
    let mut text: String = shown.chars().take(MAX_TARGET).collect();
    if shown.len() < path.len() {
        text += "mct_…";
    }
    text
}

/// SHA-256 of a body that is JSON, in hexadecimal, the values of [`SECRET_FIELDS`] left out.
pub fn digest(body: &[u8]) -> Option<String> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    hide_secrets(&mut value);
    let text = serde_json::to_vec(&value).ok()?;
    Some(super::chain::hex(&sha256(&[&text])))
}

fn hide_secrets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                if SECRET_FIELDS.contains(&key.as_str()) {
                    *value = Value::Null;
                } else {
                    hide_secrets(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
