//! How many may be served at a time: in all, per address, and one at a time from the same port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts who is in.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// Guests at a time.
    all: usize,
    /// Of them, those of one address.
    of_address: usize,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    guests: BTreeSet<SocketAddr>,
    of_address: BTreeMap<IpAddr, usize>,
}

/// One place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    from: SocketAddr,
    inside: Arc<Mutex<Inside>>,
}

impl Door {
    pub(crate) fn new(all: usize, of_address: usize) -> Self {
        Self {
            all,
            of_address,
            inside: Arc::default(),
        }
    }

    /// A place; `None` if a bound is reached, or for whoever has one already.
    pub(crate) fn enter(&self, from: SocketAddr) -> Option<Guest> {
        let mut inside = lock(&self.inside);
        let of_address = inside
            .of_address
            .get(&from.ip())
            .copied()
            .unwrap_or_default();
        if inside.guests.len() >= self.all || of_address >= self.of_address {
            return None;
        }
        if !inside.guests.insert(from) {
            return None;
        }
        inside.of_address.insert(from.ip(), of_address + 1);
        Some(Guest {
            from,
            inside: Arc::clone(&self.inside),
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut inside = lock(&self.inside);
        inside.guests.remove(&self.from);
        let address = self.from.ip();
        match inside.of_address.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                inside.of_address.remove(&address);
            }
        }
    }
}

/// What a panic left behind is still consistent here: no step of ours ends halfway.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 77, 0, host], port))
    }

    #[test]
    fn places_end_per_address_and_in_all_and_come_back() {
        let door = Door::new(3, 2);
        let first = door.enter(from(1, 1)).expect("room");
        let _second = door.enter(from(1, 2)).expect("room");
        assert!(door.enter(from(1, 3)).is_none(), "two of one address");
        let _third = door.enter(from(2, 1)).expect("room");
        assert!(door.enter(from(3, 1)).is_none(), "three in all");
        drop(first);
        assert!(door.enter(from(3, 1)).is_some());
    }

    #[test]
    fn nobody_is_in_twice() {
        let door = Door::new(3, 3);
        let guest = door.enter(from(1, 1)).expect("room");
        assert!(door.enter(from(1, 1)).is_none());
        drop(guest);
        assert!(door.enter(from(1, 1)).is_some());
        assert!(lock(&door.inside).of_address.is_empty());
    }
}
