//! The last state applied: what a rig resumes after a power cut, without its controller.

use miner_shared::record;
use miner_shared::wire::Desired;

use super::file::{self, Access};
use super::{NodeStore, StoreError};

const MAGIC: &[u8; 8] = b"SMSGSTA1";
/// A plan with three pools and all texts at their bounds takes under 2 KiB.
const MAX_BODY: usize = 2_048;
const MAX_FILE: usize = MAX_BODY + record::OVERHEAD;

impl NodeStore {
    /// The last state stored; `None` if this rig was never told one.
    pub fn state(&self) -> Result<Option<Desired>, StoreError> {
        let path = self.dirs().state();
        let Some(bytes) = file::read(&path, Access::Private, MAX_FILE as u64)? else {
            return Ok(None);
        };
        let body = record::decode(MAGIC, &bytes).map_err(|_| StoreError::Damaged(path.clone()))?;
        match postcard::take_from_bytes(body) {
            Ok((desired, [])) => Ok(Some(desired)),
            _ => Err(StoreError::Damaged(path)),
        }
    }

    /// Keeps the state; on disk when this returns.
    pub fn set_state(&self, desired: &Desired) -> Result<(), StoreError> {
        let path = self.dirs().state();
        let damaged = || StoreError::Damaged(path.clone());
        let (mut body, mut out) = ([0; MAX_BODY], [0; MAX_FILE]);
        let body = postcard::to_slice(desired, &mut body).map_err(|_| damaged())?;
        let bytes = record::encode(MAGIC, body, &mut out).map_err(|_| damaged())?;
        file::write(&path, bytes, Access::Private)
    }
}

#[cfg(test)]
mod tests {
    use heapless::Vec;
    use miner_shared::limits::{MAX_NAME, MAX_POOL_PASS, MAX_POOL_USER};
    use miner_shared::text::{Address, Name, PoolPass, PoolUser};
    use miner_shared::wire::{Algo, Backend, Mode, PageWish, Plan, Pool, Profile, State, Threads};

    use super::super::Dirs;
    use super::*;

    fn largest() -> Desired {
        let host = "h".repeat(253);
        let pool = Pool {
            address: Address::parse(&format!("{host}:65535")).expect("longest"),
            tls: true,
            user: PoolUser::parse(&"u".repeat(MAX_POOL_USER)).expect("longest"),
            pass: PoolPass::parse(&"p".repeat(MAX_POOL_PASS)).expect("longest"),
        };
        let profile = Profile {
            name: Name::parse(&"n".repeat(MAX_NAME)).expect("longest"),
            backend: Backend::External,
            algo: Algo::Rx0,
            mode: Mode::Light,
            threads: Threads::Count(u16::MAX),
            pools: Vec::from_array([pool.clone(), pool.clone(), pool]),
        };
        Desired {
            generation: u64::MAX,
            state: State::Plan(Plan {
                profile,
                paused: true,
                pages: PageWish::Huge1G,
                nice: u8::MAX,
            }),
        }
    }

    #[test]
    fn the_largest_state_comes_back_as_it_was() {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        assert_eq!(store.state().expect("none yet"), None);
        store.set_state(&largest()).expect("fits");
        assert_eq!(store.state().expect("readable"), Some(largest()));
    }

    #[test]
    fn a_damaged_state_is_reported() {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        store.set_state(&largest()).expect("fits");
        let path = store.dirs().state();
        let mut bytes = std::fs::read(&path).expect("there");
        bytes[12] ^= 1;
        std::fs::write(&path, bytes).expect("ours");
        assert!(matches!(store.state(), Err(StoreError::Damaged(_))));
    }
}
