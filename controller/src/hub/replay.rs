//! First messages under a token that were answered before: a recording of one gets nothing, and costs
//! nothing but this look.

use std::collections::BTreeMap;

use miner_shared::gate::Ephemerals;
use miner_shared::limits::MAX_TOKEN_RINGS;

use super::{ConnId, Env, Hub, Unreached};

/// A token's name.
type TokenId = [u8; 8];

/// What was answered, by token; the token longest unused falls out.
#[derive(Debug, Default)]
pub(super) struct Answered {
    rings: BTreeMap<TokenId, (u64, Box<Ephemerals>)>,
    uses: u64,
}

impl Answered {
    fn contains(&self, token: &TokenId, ephemeral: &[u8; 32]) -> bool {
        let ring = self.rings.get(token);
        ring.is_some_and(|(_, ring)| ring.contains(ephemeral))
    }

    fn note(&mut self, token: TokenId, ephemeral: [u8; 32]) {
        if self.rings.len() >= MAX_TOKEN_RINGS && !self.rings.contains_key(&token) {
            let oldest = self.rings.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(token, _)| *token) {
                self.rings.remove(&oldest);
            }
        }
        self.uses += 1;
        let (used, ring) = self.rings.entry(token).or_default();
        *used = self.uses;
        ring.note(ephemeral);
    }
}

impl Hub {
    /// A dialler names a token. What is asked of the registry comes after the look at what was
    /// answered; it is noted only if its secret was known, so that strangers push nothing out.
    pub(super) fn on_token_asked(&mut self, env: &mut Env<'_>, id: ConnId, token: TokenId) {
        let first = |hub: &Self| hub.conns.get(&id)?.link.first_ephemeral();
        let Some(ephemeral) = first(self) else {
            return;
        };
        if self.answered.contains(&token, &ephemeral) {
            let reason = "a recorded first message was sent again".to_owned();
            return self.broken(env, id, reason, Unreached::Closed);
        }
        self.answer_token(env, id, token);
        let answered = self
            .conns
            .get(&id)
            .is_some_and(|conn| !conn.link.is_closed());
        if answered && first(self).is_none() {
            self.answered.note(token, ephemeral);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_message_is_known_again_under_its_token_only() {
        let mut answered = Answered::default();
        answered.note([1; 8], [7; 32]);
        assert!(answered.contains(&[1; 8], &[7; 32]));
        assert!(!answered.contains(&[2; 8], &[7; 32]));
        assert!(!answered.contains(&[1; 8], &[8; 32]));
    }

    #[test]
    fn the_token_longest_unused_falls_out() {
        let mut answered = Answered::default();
        let token = |n: usize| (n as u64).to_le_bytes();
        for n in 0..=MAX_TOKEN_RINGS {
            answered.note(token(n), [7; 32]);
            answered.note(token(0), [8; 32]);
        }
        assert_eq!(answered.rings.len(), MAX_TOKEN_RINGS);
        assert!(answered.contains(&token(0), &[7; 32]));
        assert!(!answered.contains(&token(1), &[7; 32]));
    }
}
