//! Tokens, rigs that wait for approval, and keys that were removed.

use std::net::IpAddr;

use miner_shared::identity::{EnrolToken, Fingerprint, NodeId};
use miner_shared::text::Name;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::PeerView;
use super::{Farm, errors};
use crate::clock::{EpochMs, Now};
use crate::error::{Code, FarmError};
use crate::registry::{
    LabelName, MAX_USES, NamePattern, Network, PendingRecord, RegistryError, Terms, TokenId,
    TokenRecord, meant,
};

/// Shortest and longest life of a token, in seconds.
pub const TOKEN_LIFE_SECS: (u64, u64) = (60, 10 * 365 * 86_400);
/// Life of a token whose maker says nothing, in seconds.
pub const DEFAULT_LIFE_SECS: u64 = 86_400;

/// A token to make.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What the owner calls it.
    pub label: Option<Name>,
    /// How many rigs; with `ephemeral`, how many at a time.
    pub uses: u32,
    /// How long it is good, in seconds.
    pub expires_secs: u64,
    /// Names that rigs must have.
    pub name_pattern: Option<NamePattern>,
    /// Group that rigs get as a label.
    pub group: Option<LabelName>,
    /// Network that rigs must dial from.
    pub from: Option<Network>,
    /// Admit at once; otherwise the owner approves each rig.
    pub approve: bool,
    /// Entries vanish 10 minutes after their link was lost.
    pub ephemeral: bool,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// Its name, 16 hex characters.
    pub id: String,
    /// What the owner calls it.
    pub label: Option<String>,
    /// `active`, `suspended`, `expired` or `usedUp`.
    pub state: &'static str,
    /// How many rigs; with `ephemeral`, how many at a time.
    pub uses: u32,
    /// How many more.
    pub left: u32,
    /// When it ends.
    pub expires_at: EpochMs,
    /// How long it is still good, in milliseconds.
    pub expires_in_ms: u64,
    /// Names that rigs must have.
    pub name_pattern: Option<String>,
    /// Group that rigs get as a label.
    pub group: Option<String>,
    /// Network that rigs must dial from.
    pub from: Option<String>,
    /// Whether rigs are admitted at once.
    pub approve: bool,
    /// Whether entries vanish after their link was lost.
    pub ephemeral: bool,
    /// The controller that made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: EpochMs,
}

/// A token that was just made: the only answer that ever holds its text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewTokenView {
    /// The token, `ENR1-…`: a secret.
    pub token: String,
    /// The rest.
    #[serde(flatten)]
    pub view: TokenView,
}

impl std::fmt::Debug for NewTokenView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewTokenView({}, …)", self.view.id)
    }
}

/// A rig that waits for approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingView {
    /// Node ID.
    pub id: String,
    /// The name that it will have.
    pub name: String,
    /// Fingerprint in groups of four: compare it with the rig's console.
    pub fingerprint: String,
    /// Program and version, as it says itself.
    pub software: String,
    /// Operating system and architecture, as it says itself.
    pub host: String,
    /// Address that it dialled from.
    #[schema(value_type = Option<String>)]
    pub from: Option<IpAddr>,
    /// Name of the token that it came by.
    pub token: String,
    /// Group that it will have.
    pub group: Option<String>,
    /// Since when it waits.
    pub since: EpochMs,
    /// The same as an age, in milliseconds.
    pub age_ms: u64,
}

/// A key that is refused until it is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovedView {
    /// Node ID.
    pub id: String,
    /// The name that it had.
    pub name: String,
    /// Fingerprint in groups of four.
    pub fingerprint: String,
    /// When it was removed, denied or replaced.
    pub removed_at: EpochMs,
    /// Node ID of the same rig's next key, if the key was replaced.
    pub succeeded_by: Option<String>,
}

/// What sockets tell about enrolment.
impl Farm {
    /// Where an accepted connection came from.
    pub(crate) fn came_from(&self, id: crate::hub::ConnId, from: IpAddr) {
        self.with(|hub, _| hub.came_from(id, from));
    }
}

impl Farm {
    /// Makes a token.
    pub fn create_token(&self, new: NewToken) -> Result<NewTokenView, FarmError> {
        check(&new)?;
        let mut core = self.lock();
        let token = EnrolToken::generate(&mut core.rng, &self.me.fingerprint());
        let now = self.clock.now();
        let life_ms = new.expires_secs.saturating_mul(1000);
        let terms = Terms {
            label: new.label,
            uses: new.uses,
            expires_at_ms: now.wall.0.saturating_add(life_ms),
            name_pattern: new.name_pattern,
            group: new.group.map(Name::from),
            from: new.from,
            approve: new.approve,
            ephemeral: new.ephemeral,
        };
        let made = core.call(self, |hub, env| {
            hub.add_token(env, token.enrolment(), terms)
        });
        self.settle(&mut core);
        made.map_err(token_error)?;
        let id = TokenId(token.enrolment().token_id);
        let row = core.registry.token(&id).ok_or_else(|| no_token(""))?;
        Ok(NewTokenView {
            token: token.to_string(),
            view: view(&id, row, now),
        })
    }

    /// All tokens, the newest first.
    pub fn tokens(&self) -> Vec<TokenView> {
        let (core, now) = (self.lock(), self.clock.now());
        let rows = core.registry.tokens();
        let mut views: Vec<_> = rows.map(|(id, row)| view(id, row, now)).collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.created_at));
        views
    }

    /// Suspends the token of this ID, or unique beginning of one; a suspended one is deleted.
    pub fn revoke_token(&self, text: &str) -> Result<String, FarmError> {
        let prefix = text.trim().to_ascii_lowercase();
        let found: Vec<_> = {
            let core = self.lock();
            let ids = core.registry.tokens().map(|(id, _)| *id);
            ids.filter(|id| !prefix.is_empty() && id.to_string().starts_with(&prefix))
                .collect()
        };
        let [id] = found.as_slice() else {
            return Err(no_token(&prefix));
        };
        self.with(|hub, env| hub.revoke_token(env, id))
            .map_err(token_error)?;
        Ok(id.to_string())
    }

    /// Rigs that wait for approval, the oldest first.
    pub fn waiting(&self) -> Vec<PendingView> {
        let (core, now) = (self.lock(), self.clock.now());
        let rows = core.registry.waiting();
        let mut views: Vec<_> = rows.map(|(key, row)| waiting(key, row, now)).collect();
        views.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        views
    }

    /// Makes a peer of the waiting rig that this text means, under this name or its own.
    pub fn approve(&self, text: &str, name: Option<Name>) -> Result<PeerView, FarmError> {
        let key = self.waiting_key(text)?;
        self.with(|hub, env| hub.approve(env, &key, name))
            .map_err(|error| errors::registry(error, text))?;
        self.peer(key.node_id())
    }

    /// Refuses the waiting rig that this text means, until it is forgotten.
    pub fn deny(&self, text: &str) -> Result<NodeId, FarmError> {
        let key = self.waiting_key(text)?;
        self.with(|hub, env| hub.deny(env, &key))
            .map_err(|error| errors::registry(error, text))?;
        Ok(key.node_id())
    }

    fn waiting_key(&self, text: &str) -> Result<Fingerprint, FarmError> {
        let core = self.lock();
        let rows = core.registry.waiting().map(|(key, row)| (*key, &row.name));
        meant(rows, text).map_err(|error| match error {
            RegistryError::NoSuchPeer => FarmError::new(
                Code::PeerNotFound,
                format!("no rig called {text:?} waits for approval"),
            )
            .field("peer")
            .hint("`peer list --pending` shows those that do"),
            error => errors::registry(error, text),
        })
    }

    /// Removed, denied and replaced keys, by name.
    pub fn removed(&self) -> Vec<RemovedView> {
        let core = self.lock();
        let view = |(key, row): (&Fingerprint, &crate::registry::Tombstone)| RemovedView {
            id: key.node_id().to_string(),
            name: row.name.as_str().to_owned(),
            fingerprint: key.to_string(),
            removed_at: EpochMs(row.removed_at_ms),
            succeeded_by: row.successor.map(|key| key.node_id().to_string()),
        };
        let mut views: Vec<_> = core.registry.tombstones().map(view).collect();
        views.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        views
    }

    /// Forgets the removed rig that this text means: its key is a stranger's from now on.
    pub fn forget(&self, text: &str) -> Result<NodeId, FarmError> {
        let key = {
            let core = self.lock();
            let rows = core.registry.tombstones();
            meant(rows.map(|(key, row)| (*key, &row.name)), text)
        };
        let key = key.map_err(|error| match error {
            RegistryError::NoSuchPeer => FarmError::new(
                Code::PeerNotFound,
                format!("no removed rig is called {text:?}"),
            )
            .field("peer")
            .hint("a rig is forgotten after `peer remove`; `peer list --removed` shows those"),
            error => errors::registry(error, text),
        })?;
        self.with(|_, env| env.registry.forget(&key))
            .map_err(|error| errors::registry(error, text))?;
        Ok(key.node_id())
    }
}

fn check(new: &NewToken) -> Result<(), FarmError> {
    if !(1..=MAX_USES).contains(&new.uses) {
        let why = format!("a token has 1 to {MAX_USES} uses");
        return Err(FarmError::new(Code::InvalidInput, why).field("uses"));
    }
    let (shortest, longest) = TOKEN_LIFE_SECS;
    if !(shortest..=longest).contains(&new.expires_secs) {
        let why = format!("a token is good for {shortest} seconds to {longest} (10 years)");
        return Err(FarmError::new(Code::InvalidInput, why).field("expiresSecs"));
    }
    Ok(())
}

fn no_token(named: &str) -> FarmError {
    FarmError::new(
        Code::TokenNotFound,
        format!("no token, or more than one, has an ID that begins with {named:?}"),
    )
    .field("token")
    .hint("`token list` shows all")
}

fn token_error(error: RegistryError) -> FarmError {
    match error {
        RegistryError::NoSuchToken => no_token(""),
        RegistryError::TooManyTokens => FarmError::new(Code::ServiceUnavailable, error.to_string())
            .hint("revoke an old one twice: that deletes it"),
        error => errors::registry(error, "token"),
    }
}

fn view(id: &TokenId, row: &TokenRecord, now: Now) -> TokenView {
    let terms = &row.terms;
    let state = if row.suspended_at_ms.is_some() {
        "suspended"
    } else if now.wall.0 >= terms.expires_at_ms {
        "expired"
    } else if row.left == 0 {
        "usedUp"
    } else {
        "active"
    };
    TokenView {
        id: id.to_string(),
        label: terms.label.as_ref().map(|name| name.as_str().to_owned()),
        state,
        uses: terms.uses,
        left: row.left,
        expires_at: EpochMs(terms.expires_at_ms),
        expires_in_ms: terms.expires_at_ms.saturating_sub(now.wall.0),
        name_pattern: terms.name_pattern.as_ref().map(|p| p.as_str().to_owned()),
        group: terms.group.as_ref().map(|name| name.as_str().to_owned()),
        from: terms.from.map(|network| network.to_string()),
        approve: terms.approve,
        ephemeral: terms.ephemeral,
        created_by: row.created_by.as_str().to_owned(),
        created_at: EpochMs(row.created_at_ms),
    }
}

fn waiting(key: &Fingerprint, row: &PendingRecord, now: Now) -> PendingView {
    PendingView {
        id: key.node_id().to_string(),
        name: row.name.as_str().to_owned(),
        fingerprint: key.to_string(),
        software: row.told.software.as_str().to_owned(),
        host: row.told.host.as_str().to_owned(),
        from: row.from.map(|from| from.to_canonical()),
        token: row.origin.token.to_string(),
        group: row.origin.group.as_ref().map(|g| g.as_str().to_owned()),
        since: EpochMs(row.since_ms),
        age_ms: now.wall.0.saturating_sub(row.since_ms),
    }
}
