//! Boot images for rigs, built without root, loop mounts or the network.
//!
//! | module | what |
//! |---|---|
//! | [`fat`], [`gpt`], [`mbr`] | file system and partition tables |
//! | [`sparse`] | a file that is mostly zeros |

pub mod fat;
pub mod gpt;
pub mod mbr;
pub mod sparse;
