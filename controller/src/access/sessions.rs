//! Logins of browsers: a code that is good once becomes a session, which ends by rest or by age.
//!
//! ```text
//!   `up`, `miner-ctrl login` ─▶ code ── 15 min, once ─▶ session ─┬─ 12 h without a request ─▶ gone
//!                                                                 ├─ 7 d (read: 90 d) ─▶ gone
//!                                                                 └─ logout, restart ─▶ gone
//! ```
//! Both live in memory, by their hashes: a backup or a core of a later process opens nothing.

use std::collections::BTreeMap;

use miner_shared::time::Millis;

use crate::scope::Scope;

/// How long a login code is good.
pub const CODE_MS: u64 = 15 * 60_000;
/// Login codes that wait; one more takes the place of the oldest.
pub const MAX_CODES: usize = 8;
/// How long a session lives without a request. The page asks each two seconds while it is looked at.
pub const IDLE_MS: u64 = 12 * 3_600_000;
/// How long a session lives at most.
pub const LIFE_MS: u64 = 7 * 86_400_000;
/// The same for scope `read`: a display on the wall is not logged in each week.
pub const READ_LIFE_MS: u64 = 90 * 86_400_000;
/// Sessions at a time; one more takes the place of the one that rests longest.
pub const MAX_SESSIONS: usize = 64;

/// A browser that logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Counts from 1 since the start: what logs call it.
    pub number: u64,
    /// What it may do.
    pub scope: Scope,
    since: Millis,
    used: Millis,
}

impl Session {
    fn is_over(&self, now: Millis) -> bool {
        let life = match self.scope {
            Scope::Read => READ_LIFE_MS,
            Scope::Operate | Scope::Admin => LIFE_MS,
        };
        // A display sleeps at night with the screen that it is on.
        let idle = if self.scope == Scope::Read {
            life
        } else {
            IDLE_MS
        };
        now.since(self.used) >= idle || now.since(self.since) >= life
    }
}

/// All sessions and the codes that may become some.
#[derive(Debug, Default)]
pub struct Sessions {
    codes: BTreeMap<[u8; 32], (Scope, Millis)>,
    sessions: BTreeMap<[u8; 32], Session>,
    made: u64,
}

impl Sessions {
    /// Keeps a code, by its hash, for a session of this scope.
    pub fn invite(&mut self, code: [u8; 32], scope: Scope, now: Millis) {
        self.codes.retain(|_, (_, until)| *until > now);
        if self.codes.len() >= MAX_CODES {
            forget_first(&mut self.codes, |(_, until)| *until);
        }
        self.codes.insert(code, (scope, now + CODE_MS));
    }

    /// Turns a code into a session whose cookie has this hash. The code is gone, whoever has it too.
    pub fn redeem(&mut self, code: &[u8; 32], cookie: [u8; 32], now: Millis) -> Option<Session> {
        let (scope, until) = self.codes.remove(code)?;
        if until <= now {
            return None;
        }
        self.sessions.retain(|_, session| !session.is_over(now));
        if self.sessions.len() >= MAX_SESSIONS {
            forget_first(&mut self.sessions, |session| session.used);
        }
        self.made += 1;
        let session = Session {
            number: self.made,
            scope,
            since: now,
            used: now,
        };
        self.sessions.insert(cookie, session);
        Some(session)
    }

    /// The session whose cookie has this hash; it has not rested until now.
    pub fn find(&mut self, cookie: &[u8; 32], now: Millis) -> Option<Session> {
        let session = self.sessions.get_mut(cookie)?;
        if session.is_over(now) {
            self.sessions.remove(cookie);
            return None;
        }
        session.used = now;
        Some(*session)
    }

    /// Ends a session.
    pub fn end(&mut self, cookie: &[u8; 32]) -> bool {
        self.sessions.remove(cookie).is_some()
    }
}

/// Takes out the entry whose moment is the earliest.
fn forget_first<T>(all: &mut BTreeMap<[u8; 32], T>, moment: impl Fn(&T) -> Millis) {
    let first = all.iter().min_by_key(|(_, entry)| moment(entry));
    if let Some(first) = first.map(|(key, _)| *key) {
        all.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000);

    fn logged_in(scope: Scope) -> Sessions {
        let mut sessions = Sessions::default();
        sessions.invite([1; 32], scope, NOW);
        sessions.redeem(&[1; 32], [2; 32], NOW).expect("good");
        sessions
    }

    #[test]
    fn a_code_is_good_once_and_for_fifteen_minutes() {
        let mut sessions = Sessions::default();
        sessions.invite([1; 32], Scope::Read, NOW);
        assert!(sessions.redeem(&[9; 32], [2; 32], NOW).is_none());
        let session = sessions.redeem(&[1; 32], [2; 32], NOW + (CODE_MS - 1));
        assert_eq!(session.expect("good").scope, Scope::Read);
        assert!(sessions.redeem(&[1; 32], [3; 32], NOW).is_none(), "used");
        sessions.invite([1; 32], Scope::Read, NOW);
        let late = sessions.redeem(&[1; 32], [2; 32], NOW + CODE_MS);
        assert!(late.is_none());
    }

    #[test]
    fn a_session_ends_by_rest_and_by_age() {
        let mut rested = logged_in(Scope::Admin);
        assert!(rested.find(&[2; 32], NOW + (IDLE_MS - 1)).is_some());
        assert!(rested.find(&[2; 32], NOW + (2 * IDLE_MS - 1)).is_none());
        let mut used = logged_in(Scope::Admin);
        let hours = (0..LIFE_MS / 3_600_000).map(|hour| NOW + hour * 3_600_000);
        for at in hours {
            assert!(used.find(&[2; 32], at).is_some(), "{at:?}");
        }
        assert!(used.find(&[2; 32], NOW + LIFE_MS).is_none());
    }

    #[test]
    fn a_display_on_the_wall_stays_logged_in_over_a_weekend() {
        let mut wall = logged_in(Scope::Read);
        assert!(wall.find(&[2; 32], NOW + 3 * 86_400_000).is_some());
        assert!(wall.find(&[2; 32], NOW + READ_LIFE_MS).is_none());
    }

    #[test]
    fn a_session_that_logged_out_is_gone() {
        let mut sessions = logged_in(Scope::Admin);
        assert!(sessions.end(&[2; 32]) && !sessions.end(&[2; 32]));
        assert!(sessions.find(&[2; 32], NOW).is_none());
    }

    #[test]
    fn codes_and_sessions_are_bounded_and_the_oldest_make_way() {
        let mut sessions = Sessions::default();
        let hash = |n: usize| [u8::try_from(n).expect("few"); 32];
        for n in 0..=MAX_CODES {
            let at = NOW + u64::try_from(n).expect("few");
            sessions.invite(hash(n), Scope::Read, at);
        }
        assert_eq!(sessions.codes.len(), MAX_CODES);
        assert!(sessions.redeem(&hash(0), [9; 32], NOW).is_none());
        for n in 0..=MAX_SESSIONS {
            let at = NOW + u64::try_from(n).expect("few");
            sessions.invite([200; 32], Scope::Admin, at);
            sessions.redeem(&[200; 32], hash(n), at).expect("good");
        }
        assert_eq!(sessions.sessions.len(), MAX_SESSIONS);
        assert!(sessions.find(&hash(0), NOW).is_none());
        assert!(sessions.find(&hash(1), NOW + 99).is_some());
    }
}
