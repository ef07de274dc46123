//! The announcing task: it answers on every network until it is dropped, and then says goodbye.

use std::net::SocketAddr;

use log::{debug, info, warn};
use miner_shared::gate::Bucket;
use miner_shared::limits::{MAX_MDNS_PACKET, MDNS_RATE};
use miner_shared::mdns::{Instance, Responder};
use miner_shared::time::Millis;
use smol::future;

use super::{Group, Network, networks_of};
use crate::clock::Clock;
use crate::store::system_rng;

/// Between two looks at the networks of this machine, in milliseconds: cables and leases come late.
const LOOK_MS: u64 = 30_000;

/// Announces what listens at `listening`, for ever. Dropping it says goodbye.
pub async fn announce(instance: Instance, listening: SocketAddr, clock: Clock) {
    announce_on(instance, || networks_of(listening), clock).await;
}

/// As [`announce`], on the networks that `networks` finds each time that it is asked.
pub async fn announce_on(instance: Instance, networks: impl Fn() -> Vec<Network>, clock: Clock) {
    let mut warned = false;
    loop {
        let on = networks();
        if !on.is_empty() {
            match Announcer::start(&instance, &on, clock) {
                Ok(mut announcer) => {
                    let joined = announcer.group.networks().len();
                    info!("announced on the local network networks={joined}");
                    announcer.speak_while(|| networks() == on).await;
                    continue;
                }
                Err(error) if !warned => {
                    warned = true;
                    warn!("not announced on the local network: UDP port 5353: {error}");
                }
                Err(error) => debug!("not announced on the local network: {error}"),
            }
        }
        clock.timer_at(clock.now() + LOOK_MS).await;
    }
}

struct Announcer {
    group: Group,
    /// One for each network of the group.
    responders: Vec<Responder>,
    heard: Bucket,
    clock: Clock,
}

impl Announcer {
    fn start(instance: &Instance, on: &[Network], clock: Clock) -> std::io::Result<Self> {
        let group = Group::join(on)?;
        let now = clock.now();
        let responder = |on: &Network| Responder::new(instance.clone(), on.address, now);
        Ok(Self {
            responders: group.networks().iter().map(responder).collect(),
            group,
            heard: Bucket::default(),
            clock,
        })
    }

    /// Answers until the networks are others.
    async fn speak_while(&mut self, same: impl Fn() -> bool) {
        let mut look = self.clock.now() + LOOK_MS;
        let mut buffer = [0; MAX_MDNS_PACKET];
        loop {
            let now = self.clock.now();
            if now >= look {
                if !same() {
                    return;
                }
                look = now + LOOK_MS;
            }
            self.transmit(now);
            let due = self.responders.iter().filter_map(Responder::poll_timeout);
            let timer = self.clock.timer_at(due.fold(look, Millis::min));
            let heard = async { Some(self.group.receive(&mut buffer).await) };
            let heard = future::or(heard, async {
                timer.await;
                None
            });
            let wait = match heard.await {
                Some(Ok((at, _, length))) => self.handle(at, buffer.get(..length)),
                Some(Err(error)) => {
                    debug!("multicast not received: {error}");
                    LOOK_MS
                }
                None => 0,
            };
            if wait > 0 {
                self.clock.timer_at(self.clock.now() + wait).await;
            }
        }
    }

    /// Takes a packet; how long to read no other, in milliseconds.
    fn handle(&mut self, at: usize, packet: Option<&[u8]>) -> u64 {
        let now = self.clock.now();
        if let (Some(responder), Some(packet)) = (self.responders.get_mut(at), packet) {
            responder.handle_packet(now, &mut system_rng(), packet);
        }
        self.heard.take_ahead(MDNS_RATE, now)
    }

    fn transmit(&mut self, now: Millis) {
        let mut out = [0; MAX_MDNS_PACKET];
        for (network, responder) in self.group.networks().iter().zip(&mut self.responders) {
            let length = responder.poll_transmit(now, &mut out);
            send(
                &self.group,
                network,
                length.and_then(|length| out.get(..length)),
            );
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        let mut out = [0; MAX_MDNS_PACKET];
        for (network, responder) in self.group.networks().iter().zip(&self.responders) {
            let length = responder.goodbye(&mut out);
            send(
                &self.group,
                network,
                length.and_then(|length| out.get(..length)),
            );
        }
    }
}

fn send(group: &Group, network: &Network, packet: Option<&[u8]>) {
    let sent = packet.map(|packet| group.send(network, packet));
    if let Some(Err(error)) = sent {
        debug!("not announced to={}: {error}", network.address);
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::{Fingerprint, Role};
    use miner_shared::mdns::QUERY;
    use miner_shared::text::Name;

    use super::*;

    #[test]
    fn a_flood_of_packets_is_read_at_a_hundred_a_second() {
        let instance = Instance {
            name: Name::parse("rig-alpha").expect("a name"),
            role: Role::Worker,
            fingerprint: Fingerprint([1; 32]),
            port: 9091,
        };
        let on = [Network::LOOPBACK];
        let mut announcer = Announcer::start(&instance, &on, Clock::start()).expect("joined");
        let waits: Vec<u64> = (0..10_000)
            .map(|_| announcer.handle(0, Some(QUERY)))
            .collect();
        assert!(waits.iter().take(100).all(|wait| *wait == 0), "a burst");
        let last = waits.last().copied().expect("10,000");
        // 9,900 packets too many, at 10 ms each, less the time that this took.
        assert!((60_000..=99_000).contains(&last), "{last}");
    }
}
