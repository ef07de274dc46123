//! What a rig finds wrong, or right, with itself and its machine; and by which addresses it is woken.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::limits::{
    MAX_CHECK_NAME, MAX_FINDING, MAX_FINDINGS, MAX_INTERFACE_NAME, MAX_INTERFACES,
};
use crate::text::Text;

/// All findings of a rig.
pub type Findings = Vec<Finding, MAX_FINDINGS>;
/// The network interfaces of a rig that are up.
pub type Interfaces = Vec<Interface, MAX_INTERFACES>;

/// What one check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which check, such as `huge-pages`. A text, so that an agent may check what its controller does
    /// not know of.
    pub check: Text<MAX_CHECK_NAME>,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub detail: Text<MAX_FINDING>,
    /// What the owner can do; empty where there is nothing to do.
    pub fix: Text<MAX_FINDING>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// As it should be.
    Good,
    /// It could not be told.
    Unknown,
    /// It costs hash rate, or may.
    Warning,
    /// It keeps the rig from mining.
    Bad,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The system's name for it, such as `eth0`.
    pub name: Text<MAX_INTERFACE_NAME>,
    /// Its hardware address.
    pub mac: [u8; 6],
}
