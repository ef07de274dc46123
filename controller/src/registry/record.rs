//! The rows of the registry, and their bytes.
//!
//! A stored value is one schema byte and the postcard of the row. Rows are append-only like the
//! wire: a changed row gets a new schema number, and says what rows of older ones lack ([`Row`]).

use std::fmt;

use miner_shared::identity::{Fingerprint, Role};
use miner_shared::smsg::Peer;
use miner_shared::text::{Address, Label, Name};
use miner_shared::wire::{NodeCard, OpId, State};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::StoreError;
use crate::clock::EpochMs;

/// Number of the row format that this program writes.
pub const SCHEMA: u8 = 5;
/// Oldest row format that it reads. 2 brought tokens, pending rigs and origins, and a kind of trust;
/// 3 the recovery key and who pinned it, and the successor in a tombstone; 4 what a farm run by intent
/// needs: labels, versions of profiles, orders, API tokens, rollouts; 5 update rollouts, and orders about
/// updates.
pub(super) const OLDEST: u8 = 1;
/// Largest encoded row: a profile with its pools (3 times 579 bytes), its hours and a comment, rounded up.
const MAX_ROW: usize = 4096;

/// A registered peer. Its fingerprint is the key of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRecord {
    /// Its name here: a label, not necessarily unique.
    pub name: Name,
    /// Where to dial it; `None` for a peer that dials in.
    pub address: Option<Address>,
    /// How its key was confirmed.
    pub trust: Trust,
    /// When it was registered, in milliseconds since 1970.
    pub added_at_ms: u64,
    /// When it was last heard of, in milliseconds since 1970.
    pub last_seen_ms: Option<u64>,
    /// What it told of itself on its first link; unknown before.
    pub told: Option<Told>,
}

/// What a peer proved or said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// X25519 public key.
    pub x25519: [u8; 32],
    /// Ed25519 public key.
    pub ed25519: [u8; 32],
    /// Role.
    pub role: Role,
    /// Program and version.
    pub software: Label,
    /// Operating system and architecture.
    pub host: Label,
}

impl Told {
    /// What a peer proved (keys, role), and what its card says (software, host).
    pub fn new(peer: &Peer, card: &NodeCard) -> Self {
        Self {
            x25519: peer.keys.x25519,
            ed25519: peer.keys.ed25519,
            role: peer.role,
            software: card.software.clone(),
            host: card.host.clone(),
        }
    }
}

/// How a peer's key was confirmed; written once, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// By the one-time code from the rig's console.
    Pairing,
    /// By the fingerprint, compared by the owner.
    Fingerprint,
    /// By believing whoever answered first.
    Tofu,
    /// By the secret of an enrolment token.
    Token,
}

impl Trust {
    /// The word for it in REST, page and CLI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pairing => "pairing",
            Self::Fingerprint => "fingerprint",
            Self::Tofu => "tofu",
            Self::Token => "token",
        }
    }
}

/// A key that is refused: its peer was removed, or has another one now. The fingerprint is the key of
/// the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The name that it had.
    pub name: Name,
    /// When, in milliseconds since 1970.
    pub removed_at_ms: u64,
    /// The key that took its place; `None` if the peer was removed or denied.
    pub successor: Option<Fingerprint>,
}

/// What a rig should be doing. Outlives the peer's removal, so that generations never go back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredRecord {
    /// Orders the wishes for one rig; rises with each.
    pub generation: u64,
    /// Names the command that carries this wish, so that however often it is sent, it has one
    /// effect per boot of the rig.
    pub op_id: OpId,
    /// The profile's id, to know who uses it; the profile itself is in `state`.
    pub profile: Option<ProfileId>,
    /// The wish.
    pub state: State,
    /// When it was made, in milliseconds since 1970.
    pub set_at_ms: u64,
    /// Which version of the profile; without one it means nothing. Before schema 4 each had one version.
    pub version: u32,
    /// A person has paused the rig: it rests until a person resumes it, whatever the profile's hours say.
    pub held: bool,
}

impl DesiredRecord {
    /// Whether it has a profile and is told to rest, in whatever words.
    pub fn rests(&self) -> bool {
        rests(self.profile.as_ref(), &self.state)
    }
}

/// Rest in whatever words: with a profile, to mine nothing is one of them.
pub(super) fn rests(profile: Option<&ProfileId>, state: &State) -> bool {
    profile.is_some() && (state.is_paused() || *state == State::Stopped)
}

impl fmt::Debug for DesiredRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "DesiredRecord {{ {}, {:?} }}",
            self.generation, self.profile
        )
    }
}

/// What `--profile` takes: a profile's name in lower case, with `-` for what is neither letter nor
/// digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProfileId(String);

impl ProfileId {
    /// The id that a profile of this name has. Any spelling of a name leads to the same id.
    pub fn of(name: &str) -> Self {
        let slug = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '-',
        };
        Self(name.chars().map(slug).collect())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a table holds. Fields are only ever added, at the end.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// The bytes that a row of this older schema lacks at its end.
    fn missing_since(_schema: u8) -> &'static [u8] {
        &[]
    }
}

impl Row for PeerRecord {}
impl Row for DesiredRecord {
    fn missing_since(schema: u8) -> &'static [u8] {
        const FIRST_VERSION_NOT_HELD: &[u8] = &[1, 0];
        if schema < 4 {
            FIRST_VERSION_NOT_HELD
        } else {
            &[]
        }
    }
}
impl Row for Tombstone {
    fn missing_since(schema: u8) -> &'static [u8] {
        const NO_SUCCESSOR: &[u8] = &[0];
        if schema < 3 { NO_SUCCESSOR } else { &[] }
    }
}

/// The bytes of a row.
pub(super) fn encode<T: Row>(row: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = [0; MAX_ROW];
    let row = postcard::to_slice(row, &mut bytes).map_err(|_| StoreError::RowTooLong)?;
    let mut out = Vec::with_capacity(1 + row.len());
    out.push(SCHEMA);
    out.extend_from_slice(row);
    Ok(out)
}

/// The row that these bytes are. An unknown schema and a damaged row are different errors, because
/// the owner has to do different things about them.
pub(super) fn decode<T: Row>(bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&schema @ OLDEST..=SCHEMA, row)) => {
            let row = [row, T::missing_since(schema)].concat();
            match postcard::take_from_bytes(&row) {
                Ok((row, [])) => Ok(row),
                Ok(_) | Err(_) => Err(StoreError::Damaged("a row cannot be read".to_owned())),
            }
        }
        Some((&schema, _)) if schema > SCHEMA => Err(StoreError::Newer(schema)),
        Some(_) | None => Err(StoreError::Damaged("a row has no schema".to_owned())),
    }
}

impl PeerRecord {
    /// When it was last heard of.
    pub fn last_seen(&self) -> Option<EpochMs> {
        self.last_seen_ms.map(EpochMs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_spelling_of_a_profile_name_has_the_same_id() {
        for name in ["My Profile", "my-profile", "MY_PROFILE", "my.profile"] {
            assert_eq!(ProfileId::of(name).as_str(), "my-profile");
        }
    }

    #[test]
    fn rows_of_a_newer_schema_are_told_from_damaged_ones() {
        let row = Tombstone {
            name: Name::parse("rig").expect("valid"),
            removed_at_ms: 7,
            successor: None,
        };
        let mut bytes = encode(&row).expect("short");
        assert_eq!(decode::<Tombstone>(&bytes).expect("whole"), row);

        bytes.push(0);
        assert!(matches!(
            decode::<Tombstone>(&bytes),
            Err(StoreError::Damaged(_))
        ));
        bytes[0] = SCHEMA + 1;
        assert!(matches!(
            decode::<Tombstone>(&bytes),
            Err(StoreError::Newer(newer)) if newer == SCHEMA + 1
        ));
        assert!(matches!(
            decode::<Tombstone>(&[]),
            Err(StoreError::Damaged(_))
        ));
    }
}
