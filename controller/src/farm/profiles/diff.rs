//! What two versions of a profile differ in, field by field. Passwords are compared and not shown.

use std::collections::BTreeSet;

use miner_shared::text::wallet_of;
use miner_shared::wire::Pool;

use super::threads;
use super::view::{ChangeView, mode, pages};
use crate::registry::ProfileSpec;

/// The fields that change, in the order of the profile.
pub(in crate::farm) fn changes(old: &ProfileSpec, new: &ProfileSpec) -> Vec<ChangeView> {
    let mut out = Vec::new();
    let mut compare = |field: String, old: Option<String>, new: Option<String>| {
        if old != new {
            out.push(ChangeView { field, old, new });
        }
    };
    for (field, say) in FIELDS {
        compare(field.to_owned(), say(old), say(new));
    }
    let pools = old.profile.pools.len().max(new.profile.pools.len());
    for at in 0..pools {
        let (old, new) = (old.profile.pools.get(at), new.profile.pools.get(at));
        for (field, say) in POOL_FIELDS {
            compare(format!("pools[{at}].{field}"), old.map(say), new.map(say));
        }
        let (old_pass, new_pass) = (old.and_then(pass), new.and_then(pass));
        if old_pass != new_pass {
            let other = if old_pass.is_some() { "another" } else { "set" };
            compare(
                format!("pools[{at}].pass"),
                old_pass.map(|_| "set".to_owned()),
                new_pass.map(|_| other.to_owned()),
            );
        }
    }
    out
}

/// Whether another wallet is named than before, or a known one no more.
pub(in crate::farm) fn pays_others(old: &ProfileSpec, new: &ProfileSpec) -> bool {
    fn wallets(spec: &ProfileSpec) -> BTreeSet<&str> {
        let pools = spec.profile.pools.iter();
        pools.map(|pool| wallet_of(pool.user.as_str())).collect()
    }
    wallets(old) != wallets(new)
}

/// A field's name, and what it says.
type Say<T, S> = (&'static str, fn(&T) -> S);

const FIELDS: [Say<ProfileSpec, Option<String>>; 7] = [
    ("name", |spec| Some(spec.profile.name.to_string())),
    ("coin", |spec| {
        spec.settings.coin.as_ref().map(ToString::to_string)
    }),
    ("mode", |spec| Some(mode(spec.profile.mode).to_owned())),
    ("threads", |spec| Some(threads(spec.profile.threads))),
    ("pages", |spec| Some(pages(spec.settings.pages).to_owned())),
    ("nice", |spec| Some(spec.settings.nice.to_string())),
    ("windows", |spec| {
        let windows: Vec<_> = spec
            .settings
            .windows
            .iter()
            .map(ToString::to_string)
            .collect();
        (!windows.is_empty()).then(|| windows.join("; "))
    }),
];

const POOL_FIELDS: [Say<Pool, String>; 3] = [
    ("url", |pool| pool.address.to_string()),
    ("tls", |pool| pool.tls.to_string()),
    ("user", |pool| pool.user.as_str().to_owned()),
];

fn pass(pool: &Pool) -> Option<&str> {
    let pass = pool.pass.as_str();
    (!pass.is_empty()).then_some(pass)
}

#[cfg(test)]
mod tests {
    use miner_shared::text::{Address, Name, PoolPass, PoolUser};
    use miner_shared::wire::{Algo, Backend, Mode, Profile, Threads};

    use super::*;

    fn pool(url: &str, user: &str, pass: &str) -> Pool {
        Pool {
            address: Address::parse(url).expect("valid"),
            tls: false,
            user: PoolUser::parse(user).expect("valid"),
            pass: PoolPass::parse(pass).expect("valid"),
        }
    }

    fn spec(pools: &[Pool]) -> ProfileSpec {
        ProfileSpec::from(Profile {
            name: Name::parse("p").expect("valid"),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: Mode::Auto,
            threads: Threads::Auto,
            pools: pools.iter().cloned().collect(),
        })
    }

    fn said(old: &ProfileSpec, new: &ProfileSpec) -> Vec<String> {
        let said = |change: ChangeView| {
            let word = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            format!(
                "{}: {} > {}",
                change.field,
                word(change.old),
                word(change.new)
            )
        };
        changes(old, new).into_iter().map(said).collect()
    }

    #[test]
    fn fields_that_differ_are_named_and_others_not() {
        let old = spec(&[pool("a:1", "w", "")]);
        assert_eq!(said(&old, &old), [""; 0]);
        let mut new = spec(&[pool("a:1", "w.rig", ""), pool("b:2", "w", "")]);
        new.profile.threads = Threads::Percent(75);
        new.settings.windows = vec!["daily 01:00-05:00".parse().expect("valid")];
        assert_eq!(
            said(&old, &new),
            [
                "threads: auto > 75 %",
                "windows: - > daily 01:00-05:00",
                "pools[0].user: w > w.rig",
                "pools[1].url: - > b:2",
                "pools[1].tls: - > false",
                "pools[1].user: - > w",
            ]
        );
    }

    #[test]
    fn passwords_are_compared_and_never_shown() {
        let with = |pass| spec(&[pool("a:1", "w", pass)]);
        assert_eq!(
            said(&with(""), &with("hunter2")),
            ["pools[0].pass: - > set"]
        );
        assert_eq!(
            said(&with("hunter2"), &with("")),
            ["pools[0].pass: set > -"]
        );
        assert_eq!(
            said(&with("hunter2"), &with("hunter3")),
            ["pools[0].pass: set > another"]
        );
    }

    #[test]
    fn a_worker_name_is_no_payout_and_another_wallet_is() {
        let paid = |user| spec(&[pool("a:1", user, "")]);
        assert!(!pays_others(&paid("w1.rig+500"), &paid("w1.other")));
        assert!(pays_others(&paid("w1"), &paid("w2")));
        let two = spec(&[pool("a:1", "w1", ""), pool("b:2", "w2", "")]);
        assert!(pays_others(&paid("w1"), &two));
        assert!(pays_others(&two, &paid("w1")));
    }
}
