//! What the integration tests share: the workspace as text ([`sources`]), the real programs with a
//! data directory each ([`home`], [`service`], [`http`]), the wire between them ([`relay`]), releases ([`release`]), what is
//! fuzzed ([`fuzz`]), attacks that are measured ([`load`]), kills ([`kill`]), power cuts ([`cuts`]), whole machines ([`machine`])
//! with a farm for them ([`farm`]), what they write to their disks ([`writes`], [`state_volume`]), and a network that they boot from ([`lan`]).
//!
//! ```text
//!   Home::new("rig")   one temporary directory, XDG variables point into it
//!     ├─ run(MINER, ["node", "info"])            a command: code, text, JSON
//!     └─ serve(MINER, ["node", "serve", ..])     a Service: its lines, SIGINT, killed when dropped
//!   eventually("an accepted share", 60 s, || ..) asks until it is so, or says what was not
//! ```

mod clock;
pub mod cuts;
pub mod farm;
pub mod fuzz;
pub mod home;
pub mod http;
pub mod kill;
pub mod lan;
pub mod load;
pub mod machine;
pub mod relay;
pub mod release;
pub mod seeded;
pub mod service;
pub mod sources;
pub mod state_volume;
pub mod writes;

pub use clock::{Deadline, eventually};
