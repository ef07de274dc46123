//! The history: hash rate, shares and links of every rig and of the farm, at three resolutions, in a file
//! whose size is known in advance.
//!
//! ```text
//!   hub (Tally of each rig) ── every 10 s ──▶ Step ──▶ queue, bounded ──▶ thread "history"
//!                                                        full: lost, counted     │ owns
//!   REST, CLI ── read, few at a time ───────────────────────────────────────────▶ Archive ─▶ history.farm
//!                                                                                 10 s for 1 h
//!                                                                                  1 min for 24 h
//!                                                                                 15 min for 90 d
//! ```
//!
//! Nobody who holds a link waits for the disk: a step is a push into the queue. Nothing is synced either;
//! after a `kill -9` the step that was open is missing and nothing else, after a power cut perhaps the last
//! half a minute, which then reads as unknown ([`archive`]). A header that is not ours sets the file aside
//! and begins a new one; a start never fails because of the history.
//!
//! | file | what |
//! |---|---|
//! | [`tier`] | the three rings, steps, and a wall clock that jumps |
//! | [`point`] | what is known of a step, and how steps are merged |
//! | `format` | bytes of the file, and the arithmetic of its size |
//! | `archive`, `disk` | the file: closing steps, reading, repair after a kill |
//! | `report` | what each rig said last, for the next start |
//! | `writer` | the thread and its queue |

mod archive;
mod disk;
mod format;
pub mod point;
pub mod report;
#[cfg(test)]
mod tests;
pub mod tier;
mod writer;

pub use self::archive::{Kept, Step};
pub use self::point::{Fleet, Point, Shares, Tally};
pub use self::tier::{Tier, Timeline};
pub use self::writer::{Found, History, Points, Unread, Whose, Writing};
