//! The network: a card with a cable, its address, and what comes with the address.
//!
//! ```text
//!   all Ethernet cards up ─▶ the first by name with a cable ─▶ DHCP or what miner.ip says ─▶ address,
//!      ▲    each second                                        routes, MTU, resolver, host name
//!      └── cable gone, and another card has one
//! ```
//! USB cards come seconds after the start: it looks for ever, and nothing waits for it but the worker's first
//! start, and that not long.

use std::cell::RefCell;
use std::fs;

use log::{info, warn};
use miner_shared::cmdline::Ip;
use miner_shared::dhcp::Mac;
use miner_shared::dhcp::client::Client;
use miner_shared::time::Millis;

use super::address::{self, Address, Unleased};
use super::dhcp::Socket;
use super::{Root, resolver};
use crate::clock::Clock;
use crate::platform::{self, netif};

/// Between two looks at the cards, in milliseconds.
const LOOK_MS: u64 = 250;
/// Cards that are used, at most.
const MAX_CARDS: usize = 32;
/// `ARPHRD_ETHER`, linux/if_arp.h.
const ETHERNET: &str = "1";

/// What the rest of process 1 wants to know of the network.
#[derive(Debug, Default)]
pub(super) struct Net {
    state: RefCell<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// The card, and the address that it has.
    card: Option<Card>,
    address: Option<Address>,
    host_name: Option<String>,
}

/// An Ethernet card.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Card {
    name: String,
    mac: [u8; 6],
    /// Whether a cable leads somewhere.
    linked: bool,
}

impl Net {
    /// Whether the machine has an address.
    pub(super) fn is_up(&self) -> bool {
        self.state.borrow().address.is_some()
    }

    /// What a DHCP server calls the machine.
    pub(super) fn host_name(&self) -> Option<String> {
        self.state.borrow().host_name.clone()
    }

    /// The hardware address of the card in use.
    pub(super) fn mac(&self) -> Option<[u8; 6]> {
        self.state.borrow().card.as_ref().map(|card| card.mac)
    }

    /// For the console.
    pub(super) fn words(&self) -> String {
        let state = self.state.borrow();
        match (&state.card, &state.address) {
            (None, _) => String::from("no network card with a cable"),
            (Some(card), None) => format!("none yet on {}: waits for a lease", card.name),
            (Some(card), Some(address)) => format!("{address} on {}", card.name),
        }
    }

    /// Keeps the machine on the network, for ever.
    pub(super) async fn keep(&self, root: &Root, told: Ip, clock: Clock) {
        if let Err(error) = netif::set_up("lo", true) {
            warn!("lo stays down: {error}");
        }
        loop {
            let cards = look(root);
            if let Some(card) = choose(&cards, None) {
                info!(
                    "network card {} mac={} has a cable",
                    card.name,
                    Mac(card.mac)
                );
                self.state.borrow_mut().card = Some(card.clone());
                self.use_card(root, card, told, clock).await;
            }
            clock.timer_at(clock.now() + LOOK_MS).await;
        }
    }

    /// Works with one card until another is the better choice.
    async fn use_card(&self, root: &Root, card: &Card, told: Ip, clock: Clock) {
        let mut client = Client::new(Mac(card.mac));
        let asks = !matches!(told, Ip::Static(_));
        let socket = match asks.then(|| Socket::open(&card.name)) {
            None => None,
            Some(Ok(socket)) => Some(socket),
            Some(Err(error)) => {
                warn!("no DHCP on {}: {error}", card.name);
                None
            }
        };
        let mut unleased = Unleased::default();
        loop {
            let now = now();
            let cards = look(root);
            let is_there = cards.iter().any(|one| one.name == card.name);
            let better = choose(&cards, Some(&card.name)).is_some_and(|one| one.name != card.name);
            if better || !is_there {
                break;
            }
            let linked = cards.iter().any(|one| one.name == card.name && one.linked);
            client.set_link(linked, now);
            if let Some(socket) = &socket {
                socket.send_due(&mut client, now);
            }
            let unleased_ms = unleased.for_ms(linked, client.lease().is_some(), now);
            let wanted = address::wanted(told, client.lease(), unleased_ms);
            let host_name = client.lease().and_then(|lease| lease.host_name.as_ref());
            self.state.borrow_mut().host_name = host_name.map(|name| name.as_str().to_owned());
            if wanted != self.state.borrow().address {
                self.change(root, &card.name, wanted);
            }
            // Each look costs little, so the client's timers need no other clock than this one.
            let timer = clock.timer_at(clock.now() + LOOK_MS);
            match &socket {
                Some(socket) => socket.receive(&mut client, timer, self::now).await,
                None => drop(timer.await),
            }
        }
        info!("network card {} is not used any more", card.name);
        self.change(root, &card.name, None);
        self.state.borrow_mut().card = None;
    }

    /// Takes another address, or none.
    fn change(&self, root: &Root, card: &str, wanted: Option<Address>) {
        let before = self.state.borrow().address.clone();
        if before.is_some()
            && let Err(error) = netif::clear_address(card)
        {
            warn!("the old address of {card} stays: {error}");
        }
        match &wanted {
            None => {
                info!("{card} has no address any more");
                resolver::write(root, &[], None);
            }
            Some(address) => {
                info!("{card} has {address}");
                if let Err((what, error)) = configure(card, address) {
                    warn!("{card}: {what}: {error}");
                }
                resolver::write(root, &address.resolvers, address.domain.as_deref());
            }
        }
        self.state.borrow_mut().address = wanted;
    }
}

fn configure(card: &str, address: &Address) -> Result<(), (String, std::io::Error)> {
    let what = |what: &str| {
        let what = what.to_owned();
        move |error| (what, error)
    };
    netif::set_address(card, address.ip, address.prefix).map_err(what("address not set"))?;
    if let Some(mtu) = address.mtu {
        netif::set_mtu(card, mtu).map_err(what("MTU not set"))?;
    }
    for (network, prefix, gateway) in &address.routes {
        netif::add_route(*network, *prefix, *gateway)
            .map_err(what(&format!("no route through {gateway}")))?;
    }
    Ok(())
}

/// Leases are counted by the kernel's uptime, which goes on while a machine sleeps.
fn now() -> Millis {
    Millis(platform::uptime_ms().unwrap_or_default())
}

/// The Ethernet cards, by name; those that are down are brought up, as only then they tell of a cable.
fn look(root: &Root) -> Vec<Card> {
    let cards = cards(root);
    for card in cards.iter().filter(|card| !card.linked) {
        let flags = root.text(&format!("sys/class/net/{}/flags", card.name));
        if flags.is_some_and(|flags| is_down(&flags))
            && let Err(error) = netif::set_up(&card.name, true)
        {
            warn!("network card {} stays down: {error}", card.name);
        }
    }
    cards
}

/// `flags` is a hexadecimal number with `IFF_UP` in bit 0.
fn is_down(flags: &str) -> bool {
    let hex = flags.strip_prefix("0x").unwrap_or(flags);
    u32::from_str_radix(hex, 16).is_ok_and(|flags| flags & 1 == 0)
}

fn cards(root: &Root) -> Vec<Card> {
    let entries = fs::read_dir(root.at("sys/class/net"));
    let entries = entries.into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut cards: Vec<Card> = names
        .filter_map(|name| {
            let text = |file: &str| root.text(&format!("sys/class/net/{name}/{file}"));
            if text("type")? != ETHERNET {
                return None;
            }
            let Mac(mac) = text("address")?.parse().ok()?;
            // Reading it of a card that is down is an error.
            let linked = text("carrier").is_some_and(|carrier| carrier == "1");
            Some(Card { name, mac, linked })
        })
        .collect();
    cards.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    cards.truncate(MAX_CARDS);
    cards
}

/// The card to use: the one in use as long as it has a cable, else the first with one, else none.
fn choose<'c>(cards: &'c [Card], used: Option<&str>) -> Option<&'c Card> {
    let linked = || cards.iter().filter(|card| card.linked);
    linked()
        .find(|card| Some(card.name.as_str()) == used)
        .or_else(|| linked().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(name: &str, linked: bool) -> Card {
        Card {
            name: name.to_owned(),
            mac: [2, 0, 0, 0, 0, 1],
            linked,
        }
    }

    #[test]
    fn ethernet_cards_are_found_with_their_cables_whatever_else_there_is() {
        let mac = "02:00:00:00:00:01\n";
        let (_folder, root) = Root::with(&[
            ("sys/class/net/eth1/type", "1\n"),
            ("sys/class/net/eth1/address", mac),
            ("sys/class/net/eth1/carrier", "1\n"),
            ("sys/class/net/eth0/type", "1\n"),
            ("sys/class/net/eth0/address", mac),
            ("sys/class/net/lo/type", "772\n"),
            ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
            ("sys/class/net/odd/type", "1\n"),
            ("sys/class/net/odd/address", "02:00\n"),
        ]);
        assert_eq!(cards(&root), [card("eth0", false), card("eth1", true)]);
        assert_eq!(cards(&Root::with(&[]).1), []);
    }

    #[test]
    fn a_card_is_kept_as_long_as_it_has_a_cable() {
        let both = [card("eth0", true), card("eth1", true)];
        let name = |card: Option<&Card>| card.map(|card| card.name.clone());
        assert_eq!(name(choose(&both, None)), Some("eth0".into()));
        assert_eq!(name(choose(&both, Some("eth1"))), Some("eth1".into()));
        let one = [card("eth0", true), card("eth1", false)];
        assert_eq!(name(choose(&one, Some("eth1"))), Some("eth0".into()));
        assert_eq!(choose(&[card("eth0", false)], Some("eth0")), None);
    }

    #[test]
    fn a_card_that_is_down_is_known_by_its_flags() {
        assert!(is_down("0x1002"));
        assert!(!is_down("0x1003"));
        assert!(!is_down("nonsense"));
    }
}
