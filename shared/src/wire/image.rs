//! What a rig was booted from, and how a release gets to it in pieces: what version 3 brought.
//!
//! ```text
//!   manager                                        worker
//!      ── Command Update(Offer) ────────────────▶  the first manager's alone
//!      ◀──────────────────────── Receipt Applied ──  it fetches from now on
//!      ◀──────────── Wanted { file 0, from 0 } ──  the manifest first: it says what follows
//!      ── Piece { file 0, from 0, bytes } ──────▶
//!      ◀──────────── Wanted { file n, from m } ──  from where it was when the link, or the machine, went down
//!      ── Piece … ──────────────────────────────▶  each answers one `Wanted`
//!      ◀────────────────────────── ImageStatus ──  on change, a second apart at least
//! ```
//! The worker asks, so that a slow one is never sent more than it can write, and nothing has to be
//! remembered about it. What it got is worth something only when the manifest's signature and each file's
//! hash say so: the manager could be anyone's.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_NAME, MAX_PIECE};
use crate::release::Version;
use crate::text::{Label, Text};

/// A release that a manager has for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// SHA-256 of the manifest's file: by this a release is called.
    pub release: [u8; 32],
    /// Bytes of the manifest's file, at most [`MAX_MANIFEST`](crate::limits::MAX_MANIFEST).
    pub manifest_size: u32,
    /// The version that the manifest has; what counts is the manifest.
    pub version: Version,
}

/// A piece of a file that a worker asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Which release: [`Offer::release`].
    pub release: [u8; 32],
    /// Which file: 0 is the manifest, n the n-th that the manifest lists.
    pub file: u8,
    /// Where the piece begins, in bytes.
    pub from: u64,
}

/// What is there of a file, from a place on: [`MAX_PIECE`] bytes, fewer at the file's end. None at all says
/// that the manager no longer has the release, or no such place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// What it answers.
    pub wanted: Wanted,
    /// The bytes.
    pub bytes: Vec<u8, MAX_PIECE>,
}

/// What a worker's machine was booted from, and how an update of it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageStatus {
    /// How it was booted.
    pub boot: Boot,
    /// The image, if it is one of ours.
    pub image: Option<ImageId>,
    /// The update that it was last told of, until the next.
    pub update: Option<Update>,
}

/// An image that a machine runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageId {
    /// What it runs on: `x86_64`, `aarch64`, as manifests write it.
    pub arch: Text<MAX_NAME>,
    /// Its version.
    pub version: Version,
    /// Whether it runs on trial: it has yet to show that it works.
    pub on_trial: bool,
    /// The Ed25519 key that releases for it are signed by; without one it takes none.
    pub release_key: Option<[u8; 32]>,
}

/// How a machine was booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Boot {
    /// By a system that is not ours.
    Foreign,
    /// By our image, from the network or from a medium without slots.
    Whole,
    /// By our image, from a slot of a disk.
    Slot,
}

/// An update of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// [`Offer::release`].
    pub release: [u8; 32],
    /// The version that it leads to.
    pub version: Version,
    /// How far it is.
    pub step: Step,
}

/// How far an update is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Step {
    /// Its files are being fetched.
    Fetching {
        /// Bytes that are there.
        done: u64,
        /// Bytes of all files; 0 until the manifest is there.
        total: u64,
    },
    /// All files are there; they are checked, and written to the other slot.
    Installing,
    /// The other slot is whole; the machine starts anew to try it.
    Restarting,
    /// The machine runs it on trial.
    Trying,
    /// It works: it is what the machine starts from now on.
    Confirmed,
    /// It did not work: the machine is back at what it ran before.
    FellBack,
    /// It is not gone on with, and why; the machine runs what it ran.
    Failed(UpdateFault),
}

/// Why an update is not gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum UpdateFault {
    /// A manager said so.
    Cancelled,
    /// The manager no longer has it.
    Gone,
    /// The manifest is none, or another one than was offered.
    BadManifest,
    /// It is not signed by the key that the image was made with.
    BadSignature,
    /// For another product or architecture.
    OtherMachine,
    /// Not newer than what the machine runs.
    NotNewer,
    /// The machine runs something that is too old for it.
    TooOld,
    /// A file is not the one that the manifest names.
    BadFile,
    /// There is no room for it.
    NoRoom,
    /// The disk could not be written to, or does not read back what was written.
    Disk,
}

/// What the machine's owner wrote into `owner.toml`, without the lists themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerView {
    /// How the owner is called.
    pub owner: Option<Label>,
    /// Whether the machine may mine at all.
    pub mine: bool,
    /// Hash threads at most.
    pub max_threads: Option<u16>,
    /// Whether it may use light mode alone.
    pub light: bool,
    /// How many controllers may manage it; `None`: any that was let in.
    pub controllers: Option<u8>,
    /// How many wallets it may mine for; `None`: any.
    pub wallets: Option<u8>,
    /// How many pools it may log in at; `None`: any.
    pub pools: Option<u8>,
}
