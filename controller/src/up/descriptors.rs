//! File descriptors: each link takes one, and most systems give a program 1,024 unless it asks.

use miner_shared::limits::MAX_CONTROLLER_LINKS;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::api::MAX_CONNECTIONS;

/// What else is open: registry, standard streams, listeners, the runtime's own, a child's pipes.
const OTHERS: usize = 64;

/// Asks for as many as this process may have; how many links they suffice for.
pub(super) fn raise() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    // Cannot fail for what is allowed; if it does, fewer links are served, which accept says.
    let _raised = setrlimit(Resource::Nofile, all);
    let current = getrlimit(Resource::Nofile).current;
    links(current.map_or(usize::MAX, |current| {
        usize::try_from(current).unwrap_or(usize::MAX)
    }))
}

fn links(descriptors: usize) -> usize {
    let links = descriptors.saturating_sub(MAX_CONNECTIONS + OTHERS);
    links.min(MAX_CONTROLLER_LINKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_limit_suffices_for_some_hundred_links() {
        assert_eq!(links(1_024), 832);
        assert_eq!(links(20_000), MAX_CONTROLLER_LINKS);
        assert_eq!(links(10), 0);
    }

    #[test]
    fn all_that_is_allowed_is_asked_for() {
        let _links = raise();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
    }
}
