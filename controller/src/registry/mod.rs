//! The registry: what the farm must not forget. Which keys are peers, which were removed or replaced,
//! what each rig should be doing, what is written on it, the profiles, the tokens by which rigs enrol,
//! the recovery key, and from where rigs came lately.
//!
//! ```text
//!   hub, farm ──▶ Registry   the rules, written once, and all rows in memory
//!                    │ batches of Change, each batch whole or not at all
//!                    ▼
//!                 trait Store ──▶ RedbStore (one file, fsynced before it is acknowledged)
//!                             └─▶ MemoryStore (tests)
//! ```
//!
//! Rows are few and small (10,000 rigs are about 5 MB), so reads never touch the disk. Nothing
//! outside this folder knows redb.

mod access;
#[cfg(test)]
mod conformance;
mod index;
#[cfg(test)]
mod label_tests;
mod labels;
mod memory;
mod orders;
mod pattern;
mod profiles;
#[cfg(test)]
mod profiles_tests;
mod record;
mod recovery;
mod redb_store;
mod resolve;
mod rollouts;
mod rules;
mod store;
mod succession;
#[cfg(test)]
mod succession_tests;
#[cfg(test)]
mod token_tests;
mod tokens;
mod updates;

pub use self::access::{ApiTokenId, ApiTokenRecord, MAX_API_TOKENS, USED_EVERY_MS};
pub use self::labels::{LabelName, LabelsRecord, MAX_TAGS, MachineRecord, Relabel};
pub use self::memory::MemoryStore;
pub use self::orders::{MAX_OPEN_ORDERS, MAX_ORDERS, Order, OrderRecord, OrderState};
pub use self::pattern::{NamePattern, Network};
pub use self::profiles::{
    Author, Comment, MAX_COMMENT, MAX_PROFILES, MAX_VERSIONS, ProfileRecord, ProfileSpec, Revision,
    Settings, YieldRecord,
};
pub use self::record::{DesiredRecord, PeerRecord, ProfileId, SCHEMA, Told, Tombstone, Trust};
pub use self::recovery::{Authority, MAX_RECOVERY_KEYS, PinnedRecord, RecoveryPin, RecoveryRecord};
pub use self::redb_store::RedbStore;
pub use self::resolve::meant;
pub use self::rollouts::{
    Before, MAX_OPEN_ROLLOUTS, MAX_ROLLOUTS, MAX_STAGES, OnFailure, Phase, Reason, RigOutcome,
    RolloutRecord, RolloutRig, RolloutRigs, RolloutStatus, RolloutTerms, Step,
};
pub use self::rules::{Registry, RegistryError, Wish};
pub use self::store::{Change, Contents, Durable, KnownSource, Store, StoreError};
pub use self::succession::Standing;
pub use self::tokens::{
    Applicant, Enrolled, MAX_TOKENS, MAX_USES, MAX_WAITING, Origin, PendingRecord, Terms, TokenId,
    TokenRecord, TokenRefusal, TokenSecret,
};
pub use self::updates::{MAX_UPDATES, UpdateOutcome, UpdateRecord, UpdateRig, UpdateRigs};
