//! The crates that end up inside `miner`.

use std::collections::BTreeSet;

use crate::tools::{Failure, cargo, output};

/// One linked crate: name and version.
pub(crate) type Linked = (String, String);

/// Crates linked into the agent for `triple`, our own included, in order of name and version.
///
/// cargo's resolver answers, with the features of a build of the agent alone; build scripts and
/// procedural macros run on the build machine and are not counted.
///
/// # Errors
/// cargo cannot resolve the workspace.
pub(crate) fn agent(triple: &str) -> Result<BTreeSet<Linked>, Failure> {
    let tree = output(
        cargo()
            .args([
                "tree",
                "--locked",
                "--package",
                "miner-agent",
                "--target",
                triple,
            ])
            .args([
                "--edges",
                "normal,no-proc-macro",
                "--prefix",
                "none",
                "--format",
                "{p}",
            ]),
    )?;
    Ok(tree.lines().filter_map(linked).collect())
}

/// Reads a line such as `smol v2.0.2` or `miner-agent v0.1.0 (/path)`.
fn linked(line: &str) -> Option<Linked> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let version = words.next()?.strip_prefix('v')?;
    Some((name.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_lines_give_name_and_version() {
        assert_eq!(
            linked("smol v2.0.2"),
            Some(("smol".to_owned(), "2.0.2".to_owned()))
        );
        assert_eq!(
            linked("miner-agent v0.1.0 (/somewhere/agent)"),
            Some(("miner-agent".to_owned(), "0.1.0".to_owned()))
        );
        assert_eq!(linked(""), None);
    }
}
