//! Who may come in: bounds on connections, in all, per address, and before login.
//!
//! | bound | value |
//! |---|---|
//! | connections | [`MAX_CONNECTIONS`] |
//! | of one address | [`MAX_PER_ADDRESS`] |
//! | not logged in yet | [`MAX_HALF_OPEN`] |
//!
//! A [`Guest`] counts as long as it lives; there is no call to give a place back.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use super::lock;

/// Connections in all.
pub(super) const MAX_CONNECTIONS: usize = 1_024;
/// Connections from one address.
pub(super) const MAX_PER_ADDRESS: usize = 16;
/// Connections that have not logged in.
pub(super) const MAX_HALF_OPEN: usize = 200;

/// Counts who is in.
#[derive(Clone, Debug, Default)]
pub(super) struct Door(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    half_open: usize,
    of_address: BTreeMap<IpAddr, usize>,
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Guest {
    door: Door,
    address: IpAddr,
    half_open: bool,
}

impl Door {
    /// A place for a connection from this address; `None` if a bound is reached.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Guest> {
        let mut counts = lock(&self.0);
        let of_address = counts.of_address.get(&address).copied().unwrap_or_default();
        if counts.all >= MAX_CONNECTIONS
            || counts.half_open >= MAX_HALF_OPEN
            || of_address >= MAX_PER_ADDRESS
        {
            return None;
        }
        counts.all += 1;
        counts.half_open += 1;
        counts.of_address.insert(address, of_address + 1);
        Some(Guest {
            door: self.clone(),
            address,
            half_open: true,
        })
    }
}

impl Guest {
    /// It logged in.
    pub(super) fn logged_in(&mut self) {
        if std::mem::take(&mut self.half_open) {
            lock(&self.door.0).half_open -= 1;
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = lock(&self.door.0);
        counts.all -= 1;
        counts.half_open -= usize::from(self.half_open);
        match counts.of_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.of_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: usize) -> IpAddr {
        let [.., high, low] = n.to_be_bytes();
        IpAddr::from([10, 0, high, low])
    }

    #[test]
    fn sixteen_of_one_address_come_in_and_a_place_comes_back() {
        let door = Door::default();
        let mut guests: Vec<Guest> = (0..16)
            .map(|_| door.enter(address(1)).expect("room"))
            .collect();
        assert!(door.enter(address(1)).is_none());
        assert!(door.enter(address(2)).is_some());
        guests.pop();
        assert!(door.enter(address(1)).is_some());
        drop(guests);
        let counts = lock(&door.0);
        assert_eq!(
            (counts.all, counts.half_open, counts.of_address.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn two_hundred_may_be_without_login_and_a_thousand_in_all() {
        let door = Door::default();
        let mut guests = Vec::new();
        for n in 0..MAX_HALF_OPEN {
            guests.push(door.enter(address(n)).expect("room"));
        }
        assert!(door.enter(address(999)).is_none());
        guests.iter_mut().for_each(Guest::logged_in);
        for n in MAX_HALF_OPEN..MAX_CONNECTIONS {
            let mut guest = door.enter(address(n)).expect("room");
            guest.logged_in();
            guest.logged_in();
            guests.push(guest);
        }
        assert!(door.enter(address(9_999)).is_none());
    }
}
