//! Where the money goes: a change of it takes an admin who has looked at the new wallet.
//!
//! | request | who mines for another wallet by it |
//! |---|---|
//! | a new version of a profile, or an older one brought back | the rigs that are told to mine with it, once they are told the new one |
//! | start, rollout, many rigs at once | the rigs that it is about |
//!
//! A rig that was told to mine nothing has no wallet that could change. What is typed is the end of the
//! wallet, which nobody knows by heart: whoever types it has looked where the wallet is kept.

use std::collections::BTreeSet;

use miner_shared::identity::{Fingerprint, NodeId};
use miner_shared::text::wallet_of;
use miner_shared::wire::Profile;

use super::Farm;
use crate::error::{Code, FarmError};
use crate::registry::{ProfileId, Registry};

/// Characters of a new wallet that have to be repeated.
pub const REPEATED: usize = 6;

/// Wallets that were not paid before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayoutChange(BTreeSet<String>);

/// Which wallets of the new profile were none of the old one's; `None` if there is none. Without an old
/// profile there is nothing that could change.
pub fn payout_change(old: Option<&Profile>, new: &Profile) -> Option<PayoutChange> {
    let known: BTreeSet<&str> = wallets(old?).collect();
    let added = wallets(new).filter(|wallet| !known.contains(wallet));
    PayoutChange(added.map(str::to_owned).collect()).if_any()
}

fn wallets(profile: &Profile) -> impl Iterator<Item = &str> {
    let users = profile.pools.iter().map(|pool| pool.user.as_str());
    // What is no wallet by its form may be an account, and is paid as well.
    let paid = users.map(|user| {
        Some(wallet_of(user))
            .filter(|w| !w.is_empty())
            .unwrap_or(user)
    });
    paid.filter(|wallet| !wallet.is_empty())
}

impl PayoutChange {
    fn if_any(self) -> Option<Self> {
        (!self.0.is_empty()).then_some(self)
    }

    /// What has to be repeated: the ends of the new wallets, in their order, with commas between.
    fn ends(&self) -> String {
        let ends = self.0.iter().map(|wallet| {
            let skipped = wallet.chars().count().saturating_sub(REPEATED);
            wallet.chars().skip(skipped).collect::<String>()
        });
        ends.collect::<Vec<_>>().join(",")
    }

    /// Refuses the change unless that was repeated.
    pub fn confirm(&self, said: Option<&str>) -> Result<(), FarmError> {
        if said.map(str::trim) == Some(&*self.ends()) {
            return Ok(());
        }
        // Not the end, or it could be typed without a look at the wallet itself.
        let begins = |wallet: &String| {
            let shown = wallet.chars().count().saturating_sub(REPEATED).min(12);
            let shown: String = wallet.chars().take(shown).collect();
            format!("{shown}…")
        };
        let begins: Vec<_> = self.0.iter().map(begins).collect();
        let message = format!("rigs would mine for another wallet: {}", begins.join(", "));
        let each = if self.0.len() > 1 {
            " of each, with commas between,"
        } else {
            ""
        };
        let hint = format!(
            "look the wallet up where you keep it, and repeat its last {REPEATED} characters{each} as confirmPayout"
        );
        Err(FarmError::new(Code::PayoutUnconfirmed, message)
            .field("confirmPayout")
            .hint(hint))
    }
}

impl Farm {
    /// What a new version of this profile would change for rigs that are told to mine with it.
    pub(crate) fn payout_of_version(&self, profile: &str, new: &Profile) -> Option<PayoutChange> {
        let core = self.lock();
        let id = ProfileId::of(profile);
        if core.registry.users_of(&id).is_empty() {
            return None;
        }
        let newest = core.registry.profile(&id).map(|row| &row.profile);
        payout_change(newest, new)
    }

    /// The same of an older version that is brought back.
    pub(crate) fn payout_of_restored(&self, profile: &str, version: u32) -> Option<PayoutChange> {
        let restored = {
            let core = self.lock();
            let row = core
                .registry
                .version(&ProfileId::of(profile), Some(version));
            row.ok()?.profile.clone()
        };
        self.payout_of_version(profile, &restored)
    }

    /// What it would change for these rigs to mine with a version of this profile, or with its newest.
    pub(crate) fn payout_of_start(
        &self,
        rigs: &[Fingerprint],
        profile: &str,
        version: Option<u32>,
    ) -> Option<PayoutChange> {
        let core = self.lock();
        let id = ProfileId::of(profile);
        let new = core.registry.version(&id, version).ok()?;
        let changes = rigs
            .iter()
            .filter_map(|key| payout_change(told(&core.registry, key), &new.profile));
        let all = changes.flat_map(|change| change.0).collect();
        PayoutChange(all).if_any()
    }

    /// The key of the rig of this ID.
    pub(crate) fn key_of(&self, rig: NodeId) -> Result<Fingerprint, FarmError> {
        Ok(self.named(rig)?.0)
    }

    /// The rigs that are told to mine with this profile.
    pub(crate) fn mining_with(&self, profile: &str) -> Vec<Fingerprint> {
        let core = self.lock();
        let id = ProfileId::of(profile);
        let uses = |key: &&Fingerprint| {
            let told = core.registry.desired(key);
            told.is_some_and(|told| told.profile.as_ref() == Some(&id))
        };
        let keys = core.registry.peers().map(|(key, _)| key);
        keys.filter(uses).copied().collect()
    }
}

/// What a rig is told to mine with. Of a version that is no longer kept, the newest stands for it.
fn told<'r>(registry: &'r Registry, key: &Fingerprint) -> Option<&'r Profile> {
    let told = registry.desired(key)?;
    let id = told.profile.as_ref()?;
    let row = registry.version(id, Some(told.version)).ok();
    row.or_else(|| registry.profile(id)).map(|row| &row.profile)
}

#[cfg(test)]
mod tests {
    use miner_shared::text::{Address, Name, PoolPass, PoolUser};
    use miner_shared::wire::{Algo, Backend, Mode, Pool, Threads};

    use super::*;

    const OLD: &str = "48oldoldoldoldoldoldoldoldoldold";
    const NEW: &str = "48newnewnewnewnewnewnewnewXqPz12";

    fn paying(users: &[&str]) -> Profile {
        let pool = |user: &&str| Pool {
            address: Address::parse("pool.example:3333").expect("valid"),
            tls: false,
            user: PoolUser::parse(user).expect("valid"),
            pass: PoolPass::parse("").expect("valid"),
        };
        Profile {
            name: Name::parse("p").expect("valid"),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: Mode::Auto,
            threads: Threads::Auto,
            pools: users.iter().map(pool).collect(),
        }
    }

    #[test]
    fn another_wallet_is_a_change_and_another_worker_or_fewer_pools_are_none() {
        let change = |old: &[&str], new: &[&str]| payout_change(Some(&paying(old)), &paying(new));
        assert!(change(&[OLD], &[NEW]).is_some());
        assert!(change(&[OLD], &[OLD, NEW]).is_some());
        assert_eq!(change(&[OLD], &[&format!("{OLD}.rig-7+5000")]), None);
        assert_eq!(change(&[OLD, NEW], &[NEW]), None);
        assert_eq!(payout_change(None, &paying(&[NEW])), None);
    }

    #[test]
    fn only_the_end_of_the_new_wallet_confirms_it_and_the_error_does_not_tell_it() {
        let change = payout_change(Some(&paying(&[OLD])), &paying(&[NEW])).expect("a change");
        for wrong in [None, Some(""), Some("xqpz12"), Some("PZ12"), Some(NEW)] {
            let error = change.confirm(wrong).expect_err("not confirmed");
            assert_eq!(error.code, Code::PayoutUnconfirmed);
            assert!(error.message.contains("48newnewnewn…"), "{error}");
            let text = format!("{error:?}");
            assert!(!text.contains("XqPz12"), "{text}");
        }
        change.confirm(Some(" XqPz12 ")).expect("confirmed");
    }

    #[test]
    fn several_new_wallets_are_all_repeated() {
        let new = paying(&["4aaaaaaaaaaaaaaaaaaa11", "4bbbbbbbbbbbbbbbbbbb22"]);
        let change = payout_change(Some(&paying(&[OLD])), &new).expect("a change");
        assert!(change.confirm(Some("aaaa11")).is_err());
        change.confirm(Some("aaaa11,bbbb22")).expect("confirmed");
    }
}
