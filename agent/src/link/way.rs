//! How to introduce oneself to the controller: by key, or by an enrolment token.
//!
//! ```text
//!              ┌───────── registered: pinned ─────────▶ ┌─────────┐
//!   token ─▶ ByToken ── a silent close, key known ────▶ │  ByKey  │ ◀─ pinned before
//!              ▲   └─ pending: key known                └────┬────┘
//!              └──────── three silent closes ────────────────┘ while it holds a token
//! ```
//! A key is known from the Welcome of a controller that the token vouched for. After an approval the
//! token may be used up or revoked, so the key is tried as well. A key that another took the place of,
//! on whichever link that was seen, is followed before the next attempt.

use miner_shared::identity::{EnrolToken, Enrolment, Fingerprint, NodeId};
use miner_shared::smsg::Expect;

use crate::store::Managers;

/// Silent closes in a row after which the token is used again.
const SILENT_CLOSES: u8 = 3;

/// What is known of the controller to dial, and which way comes next.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    key: Option<Fingerprint>,
    token: Option<EnrolToken>,
    by_token: bool,
    silent: u8,
}

impl Way {
    /// To a controller that is pinned; the token, if there is one, is for later.
    pub(crate) fn by_key(key: Fingerprint, token: Option<EnrolToken>) -> Self {
        Self {
            key: Some(key),
            token,
            by_token: false,
            silent: 0,
        }
    }

    /// By a token first; `key` if more than the token says is known of the controller.
    pub(crate) fn by_token(token: EnrolToken, key: Option<Fingerprint>) -> Self {
        Self {
            key,
            token: Some(token),
            by_token: true,
            silent: 0,
        }
    }

    /// Whom to expect there.
    pub(crate) fn expect(&self) -> Option<Expect> {
        let prefix = || self.token.as_ref().map(|t| Expect::Prefix(*t.controller()));
        self.key.map(Expect::Fingerprint).or_else(prefix)
    }

    /// What to show, if it is not the key alone.
    pub(crate) fn enrolment(&self) -> Option<&Enrolment> {
        let token = self.token.as_ref().filter(|_| self.by_token);
        token.map(EnrolToken::enrolment)
    }

    /// The controller's key, as far as it is known.
    pub(crate) fn key(&self) -> Option<&Fingerprint> {
        self.key.as_ref()
    }

    /// Goes on with the key that this controller has now.
    pub(crate) fn follow(&mut self, managers: &Managers) {
        self.key = self.key.map(|key| managers.current(key));
    }

    /// Another node than the expected one answered. If it is a manager as well, it is the one to dial: a
    /// rig that was told no more than an address expects the first, who may have changed.
    pub(crate) fn answered_by(&mut self, other: NodeId, managers: &Managers) {
        if self.enrolment().is_none()
            && let Some(key) = managers.iter().find(|key| key.node_id() == other)
        {
            self.key = Some(*key);
        }
    }

    /// The controller welcomed us, as `registered` or as pending.
    pub(crate) fn welcomed(&mut self, by: Fingerprint, registered: bool) {
        self.key = Some(by);
        self.silent = 0;
        if registered {
            self.by_token = false;
        }
    }

    /// The controller was there and closed without a word.
    pub(crate) fn closed_silently(&mut self) {
        if self.by_token {
            // Without its key there is no other way.
            self.by_token = self.key.is_none();
            self.silent = 0;
            return;
        }
        self.silent = self.silent.saturating_add(1);
        if self.silent >= SILENT_CLOSES && self.token.is_some() {
            self.by_token = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::Pin;

    use super::*;
    use crate::store::{Dirs, NodeStore, system_rng};

    const KEY: Fingerprint = Fingerprint([7; 32]);

    fn token() -> EnrolToken {
        EnrolToken::generate(&mut system_rng(), &KEY)
    }

    #[test]
    fn a_token_leads_by_its_prefix_until_the_rig_is_registered() {
        let mut way = Way::by_token(token(), None);
        assert!(matches!(way.expect(), Some(Expect::Prefix(p)) if p == KEY.prefix()));
        assert!(way.enrolment().is_some());
        way.closed_silently();
        assert!(way.enrolment().is_some(), "there is no other way");
        way.welcomed(KEY, true);
        assert!(matches!(way.expect(), Some(Expect::Fingerprint(KEY))));
        assert!(way.enrolment().is_none());
    }

    #[test]
    fn three_silent_closes_bring_the_token_back_for_one_attempt() {
        let mut way = Way::by_key(KEY, Some(token()));
        for _ in 0..2 {
            way.closed_silently();
            assert!(way.enrolment().is_none());
        }
        way.closed_silently();
        assert!(way.enrolment().is_some());
        way.closed_silently();
        assert!(way.enrolment().is_none(), "one attempt, then the key again");
    }

    #[test]
    fn a_link_between_ends_the_counting() {
        let mut way = Way::by_key(KEY, Some(token()));
        way.closed_silently();
        way.closed_silently();
        way.welcomed(KEY, true);
        way.closed_silently();
        assert!(way.enrolment().is_none());
    }

    #[test]
    fn without_a_token_the_key_is_the_only_way() {
        let mut way = Way::by_key(KEY, None);
        (0..9).for_each(|_| way.closed_silently());
        assert!(way.enrolment().is_none());
    }

    #[test]
    fn the_way_goes_on_with_the_key_that_took_the_known_one_s_place() {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        std::fs::create_dir_all(store.dirs().node()).expect("ours");
        let [own, new] = [8, 9].map(|fill| Fingerprint([fill; 32]));
        let pinned = store.pin_successor(own, new, Some(KEY));
        pinned.expect("written");
        let mut way = Way::by_key(KEY, None);
        way.follow(&store.managers().expect("readable"));
        assert_eq!(way.key(), Some(&new));
        way.follow(&Managers::default());
        assert_eq!(way.key(), Some(&new), "unpinned, and still the one to dial");
    }

    #[test]
    fn another_manager_at_the_address_is_the_one_to_dial_and_a_stranger_is_not() {
        let [other, stranger] = [8, 9].map(|fill| Fingerprint([fill; 32]));
        let managers: Managers = [KEY, other].map(Pin::new).into_iter().collect();
        let mut way = Way::by_key(KEY, None);
        way.answered_by(stranger.node_id(), &managers);
        assert_eq!(way.key(), Some(&KEY));
        way.answered_by(other.node_id(), &managers);
        assert_eq!(way.key(), Some(&other));
        let mut way = Way::by_token(token(), None);
        way.answered_by(other.node_id(), &managers);
        assert_eq!(way.key(), None, "the token names its controller");
    }

    #[test]
    fn a_rig_that_waits_tries_its_key_when_the_token_is_refused() {
        let mut way = Way::by_token(token(), None);
        way.welcomed(KEY, false);
        assert!(way.enrolment().is_some(), "it still waits");
        way.closed_silently();
        assert!(way.enrolment().is_none(), "approved, and the token revoked");
        assert!(matches!(way.expect(), Some(Expect::Fingerprint(KEY))));
    }
}
