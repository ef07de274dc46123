//! Backup and restore: everything that makes a controller this controller, in one encrypted file.
//!
//! ```text
//!   pieces (files of the node, a copy of the registry) ─▶ Archive ─▶ seal to a Recipient ─▶ farm.backup
//!   farm.backup + passphrase ─▶ open ─▶ Archive, checked as a whole ─▶ files, the registry last
//! ```
//!
//! | in it | not in it |
//! |---|---|
//! | private key, how it came to be, `node.json`, managers and state of a dual node | statistics over time, events, the audit log |
//! | the registry as a file of its own: rigs, removed keys, wishes, profiles, tokens | `local-worker/`: a rig of its own, enrolled anew by `up` |
//! | key and certificate of `--tls`, the configuration file | pairing codes, locks, addresses of what runs |
//!
//! Whoever makes a backup needs no secret: a [`Recipient`] is a public key, made of a passphrase once.
//! So a backup can be made each night by a machine that could not read one, and a request for one
//! carries nothing worth stealing. The registry inside is a whole file of the schema of its time: an old
//! backup is brought up to date by the migration that every old registry takes.

mod archive;
mod seal;

pub use self::archive::{
    Archive, ArchiveError, Piece, collect, made_at, note_made, present, restore,
};
pub use self::seal::{
    MAX_BACKUP, MIN_PASSPHRASE, Recipient, SealError, Unsealed, open, recipient_of, seal,
};
