//! What a credential may do. Each scope holds the ones before it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a credential may do; the order is the order of power.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See the farm.
    Read,
    /// Change what rigs do.
    Operate,
    /// Change who belongs to the farm, who may command it, and who is paid.
    Admin,
}

impl Scope {
    /// All of them, the weakest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// Whether a credential of this scope may do what needs `needed`.
    pub fn allows(self, needed: Self) -> bool {
        self >= needed
    }

    /// The scope as people and programs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        let named = |scope: &Self| scope.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(NoScope)
    }
}

/// The text names no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be read, operate or admin")]
pub struct NoScope;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_allows_itself_and_what_is_weaker() {
        let allows = |scope: Scope| Scope::ALL.map(|needed| scope.allows(needed));
        assert_eq!(allows(Scope::Read), [true, false, false]);
        assert_eq!(allows(Scope::Operate), [true, true, false]);
        assert_eq!(allows(Scope::Admin), [true, true, true]);
    }

    #[test]
    fn a_scope_is_read_as_it_is_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert_eq!("Admin".parse::<Scope>(), Err(NoScope));
    }
}
