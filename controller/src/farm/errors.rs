//! What goes wrong inside, in words for outside: code, sentence, field, advice.

use miner_shared::identity::Fingerprint;
use miner_shared::smsg::LinkError;
use miner_shared::text::{Address, Name};
use miner_shared::wire::Refusal;

use crate::error::{Code, FarmError};
use crate::hub::{Failure, TOO_OLD, Unreached, refusal_text};
use crate::registry::{RegistryError, StoreError};
use crate::wallet::WalletFault;

impl From<StoreError> for FarmError {
    fn from(error: StoreError) -> Self {
        Self::new(Code::DatabaseError, error.to_string())
    }
}

/// This controller keeps no history, as its file could not be opened.
pub(super) fn no_history() -> FarmError {
    let message = "this controller has no history: its file could not be opened";
    FarmError::new(Code::ServiceUnavailable, message)
        .hint("the controller's log says why; see `history.farm` in the data directory")
}

/// A registry's refusal about the peer or profile that a person named so.
pub(super) fn registry(error: RegistryError, named: &str) -> FarmError {
    match error {
        RegistryError::PeerExists(key) => FarmError::new(
            Code::PeerExists,
            format!("{} is registered already", key.node_id()),
        )
        .fingerprint(key),
        RegistryError::IdTaken(key) => {
            FarmError::new(Code::PeerExists, error.to_string()).fingerprint(key)
        }
        RegistryError::NameTaken(name, other) => name_taken(&name, other),
        RegistryError::NoSuchPeer => {
            FarmError::new(Code::PeerNotFound, format!("no peer is called {named:?}"))
                .field("peer")
                .hint("`peer list` shows all: use a name, a node ID or the beginning of one")
        }
        RegistryError::Ambiguous(matches) => {
            let matches: Vec<_> = matches
                .iter()
                .map(|(id, name)| format!("{name} ({id})"))
                .collect();
            FarmError::new(
                Code::PeerAmbiguous,
                format!("{named:?} means more than one peer: {}", matches.join(", ")),
            )
            .field("peer")
            .hint("use the node ID")
        }
        RegistryError::TooManyTags => {
            FarmError::new(Code::InvalidInput, error.to_string()).field("tags")
        }
        RegistryError::TooManyOrders => FarmError::new(
            Code::TooManyOrders,
            format!("{named} has as many orders as may be open at a time"),
        )
        .hint("`remote orders` shows them; each ends at its deadline"),
        RegistryError::Removed => FarmError::new(Code::PeerRemoved, error.to_string()),
        error => profile(error, named),
    }
}

/// Two rigs of one name could not be told apart on a command line.
pub(super) fn name_taken(name: &Name, other: Fingerprint) -> FarmError {
    let id = other.node_id();
    FarmError::new(
        Code::PeerNameTaken,
        format!("{id} is called {name} already"),
    )
    .field("name")
    .hint(format!(
        "choose another name, or `peer remove {id}` first if that rig is gone"
    ))
    .fingerprint(other)
}

fn profile(error: RegistryError, named: &str) -> FarmError {
    match error {
        RegistryError::NoPool => {
            FarmError::new(Code::InvalidConfig, error.to_string()).field("pools")
        }
        RegistryError::ProfileExists(_) => FarmError::new(Code::ProfileExists, error.to_string())
            .field("name")
            .hint("delete that one first, or choose another name"),
        RegistryError::ProfileInUse(rigs) => {
            let rigs: Vec<_> = rigs.iter().map(|name| name.as_str()).collect();
            FarmError::new(
                Code::ProfileInUse,
                format!("rigs are told to mine with {named:?}: {}", rigs.join(", ")),
            )
            .hint("stop them or start them with another profile first")
        }
        RegistryError::NoSuchProfile => FarmError::new(
            Code::ProfileNotFound,
            format!("no profile is called {named:?}"),
        )
        .field("profile")
        .hint("`profile list` shows all"),
        RegistryError::NoSuchVersion(kept) => {
            let kept: Vec<_> = kept.iter().map(ToString::to_string).collect();
            FarmError::new(
                Code::VersionNotFound,
                format!("that version of {named:?} is not kept"),
            )
            .field("version")
            .hint(format!("kept are {}", kept.join(", ")))
        }
        RegistryError::VersionMoved(_) => FarmError::new(Code::VersionConflict, error.to_string())
            .field("version")
            .hint("look at it again, then repeat the change"),
        RegistryError::VersionsInUse => FarmError::new(Code::ProfileInUse, error.to_string())
            .hint("bring rigs to one version first: `rollout start`"),
        RegistryError::OtherProfile(_) => FarmError::new(Code::InvalidInput, error.to_string())
            .field("name")
            .hint("a name can change in spelling only; `profile create` makes another profile"),
        RegistryError::ProfileInRollout => FarmError::new(Code::ProfileInUse, error.to_string())
            .hint("`rollout list` shows it; `rollout abort` ends it"),
        RegistryError::NoSuchRollout => FarmError::new(
            Code::RolloutNotFound,
            format!("no rollout has the number {named}"),
        )
        .hint("`rollout list` shows all"),
        RegistryError::TooManyRollouts => FarmError::new(Code::RolloutConflict, error.to_string())
            .hint("`rollout abort` or `rollout rollback` one of them"),
        RegistryError::TooManyProfiles => FarmError::new(Code::InvalidInput, error.to_string())
            .hint("`profile delete` those that nobody uses"),
        RegistryError::Store(error) => error.into(),
        error => FarmError::new(Code::InternalError, error.to_string()),
    }
}

/// A wallet at pool number `at`, from 0, that pays nobody.
pub(super) fn wallet(at: usize, fault: WalletFault) -> FarmError {
    let field = format!("pools[{at}].user");
    let error = FarmError::new(
        Code::InvalidInput,
        format!("`{field}` cannot be used: {fault}"),
    );
    let hint = match fault {
        WalletFault::OtherCoin { .. } => "name the coin that it is of: `coin`",
        _ => "copy it again from the wallet, whole",
    };
    error.field(field).hint(hint)
}

/// What helps against [`Code::Busy`].
const LATER: &str = "ask again in some seconds, and less often";

/// Why a rig called so did not answer.
pub(super) fn failure(failure: Failure, name: &str) -> FarmError {
    match failure {
        Failure::Busy => {
            FarmError::new(Code::Busy, format!("too many requests wait for {name}")).hint(LATER)
        }
        Failure::Offline => {
            FarmError::new(Code::ConnectionFailed, format!("{name} cannot be reached"))
                .hint("is the rig on, its agent running, and this controller among its managers?")
        }
        Failure::Removed => {
            FarmError::new(Code::PeerNotFound, format!("{name} was removed meanwhile"))
                .hint("or it has another key, and so another ID: `peer list` shows all")
        }
        Failure::Superseded => FarmError::new(
            Code::StartFailed,
            format!("a newer command for {name} took this one's place"),
        ),
        Failure::TimedOut => {
            FarmError::new(Code::Timeout, format!("{name} did not answer in time"))
        }
        Failure::TooOld => too_old(name),
    }
}

/// A rig called so that is told to mine nothing cannot rest.
pub(super) fn nothing_mined(name: &str) -> FarmError {
    FarmError::new(
        Code::NothingMined,
        format!("{name} is told to mine nothing, so there is nothing to pause"),
    )
    .hint("`remote start` tells it what to mine")
}

/// What the agent of a rig called so does not know.
pub(super) fn too_old(name: &str) -> FarmError {
    FarmError::new(Code::AgentTooOld, format!("{name}: {TOO_OLD}"))
        .hint("put a newer `miner` on that rig")
}

/// Why a rig called so refused.
pub(super) fn refusal(refusal: &Refusal, code: Code, name: &str) -> FarmError {
    if let Refusal::NoSuchMiner(present) = refusal {
        return no_such_miner(name, present.iter().map(|miner| miner.as_str()));
    }
    if *refusal == Refusal::NoSuchManager {
        return no_such_manager(name);
    }
    let message = format!("{name} refused: {}", refusal_text(refusal));
    match refusal {
        Refusal::Busy => FarmError::new(Code::Busy, message).hint(LATER),
        Refusal::NotAllowed => {
            FarmError::new(code, message).hint("`remote managers` shows whose word it takes")
        }
        _ => FarmError::new(code, message),
    }
}

/// A manager that a rig called so does not have.
pub(super) fn no_such_manager(name: &str) -> FarmError {
    FarmError::new(
        Code::ManagerNotFound,
        format!("{name} has no such manager, or more than one that begins so"),
    )
    .hint("`remote managers` shows all; a controller is introduced on the rig: `miner peer accept FINGERPRINT`")
}

/// A miner that a rig called so does not have; it has these.
pub(super) fn no_such_miner<'a>(name: &str, present: impl Iterator<Item = &'a str>) -> FarmError {
    let present: Vec<_> = present.collect();
    let hint = match present.as_slice() {
        [] => "it has no miner at all".to_owned(),
        _ => format!("it has {}", present.join(", ")),
    };
    FarmError::new(
        Code::MinerNotFound,
        format!("{name} has no miner of this name"),
    )
    .field("miner")
    .hint(hint)
}

/// An answer that does not fit the question.
pub(super) fn nonsense(name: &str) -> FarmError {
    FarmError::new(
        Code::InternalError,
        format!("{name} answered something else than it was asked"),
    )
}

/// Why nobody was reached at an address.
pub(super) fn unreached(unreached: Unreached, address: &Address, pairing: bool) -> FarmError {
    let (code, hint) = match unreached {
        Unreached::Handshake(LinkError::OwnKey) => {
            return FarmError::new(Code::InvalidInput, format!("{address} is this node itself"))
                .field("address");
        }
        Unreached::Closed | Unreached::Handshake(_) if pairing => (
            Code::PairingFailed,
            "is the code right, unused, and younger than 15 minutes? `miner peer pair` on the rig makes a new one",
        ),
        Unreached::Registry => (Code::DatabaseError, "the log says why"),
        _ => (
            Code::ConnectionFailed,
            "is it a node of this farm system, with the role worker or dual?",
        ),
    };
    FarmError::new(code, format!("{address}: {unreached}")).hint(hint)
}

/// An address that could not be connected to.
pub(super) fn unconnected(error: &std::io::Error, address: &Address) -> FarmError {
    FarmError::new(
        Code::ConnectionFailed,
        format!("{address} cannot be connected to: {error}"),
    )
    .field("address")
    .hint("is the rig on, and `miner node serve --listen` running there?")
}
