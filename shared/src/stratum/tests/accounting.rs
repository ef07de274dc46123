//! Whatever happens between a client and a server, each share is accounted for exactly once.

use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// What may happen next.
#[derive(Clone, Debug)]
enum Move {
    /// The rig finds this many shares for the current job.
    Find(u8),
    /// The lines on their way to the server arrive, or get lost.
    ToServer(bool),
    /// The lines on their way to the client arrive, or get lost.
    ToClient(bool),
    /// The verifier decides on one of the open claims.
    Verify(prop::sample::Index, bool),
    /// A new block.
    Block,
    /// Time passes, in milliseconds.
    Pass(u64),
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        (1..9_u8).prop_map(Move::Find),
        proptest::bool::weighted(0.9).prop_map(Move::ToServer),
        proptest::bool::weighted(0.9).prop_map(Move::ToClient),
        (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(at, good)| Move::Verify(at, good)),
        Just(Move::Block),
        (1..9_000_u64).prop_map(Move::Pass),
    ]
}

/// Both ends, what is on its way between them, and the books.
struct World {
    now: Millis,
    client: Client,
    server: Server,
    to_server: Vec<String>,
    to_client: Vec<String>,
    claims: Vec<Ticket>,
    nonce: u32,
    found: u32,
    answered: u32,
    lost: u32,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: Millis(0),
            client: Client::new(Millis(0), login()),
            server: Server::new(Millis(0), [3; 8]),
            to_server: Vec::new(),
            to_client: Vec::new(),
            claims: Vec::new(),
            nonce: 0,
            found: 0,
            answered: 0,
            lost: 0,
        };
        world.flush();
        world.step(&Move::ToServer(true));
        world.step(&Move::ToClient(true));
        assert!(world.client.is_logged_in());
        world
    }

    fn step(&mut self, next: &Move) {
        match next {
            Move::Find(count) => (0..*count).for_each(|_| self.find()),
            Move::ToServer(arrive) => self.deliver_to_server(*arrive),
            Move::ToClient(arrive) => self.deliver_to_client(*arrive),
            Move::Verify(at, good) if !self.claims.is_empty() => {
                let ticket = self.claims.swap_remove(at.index(self.claims.len()));
                let verdict = if *good {
                    Verdict::Accepted
                } else {
                    Verdict::Invalid
                };
                assert!(self.server.answer(ticket, verdict));
            }
            Move::Verify(..) => {}
            Move::Block => self
                .server
                .send_job(template(self.nonce.to_le_bytes()[0]), Difficulty(1)),
            Move::Pass(ms) => self.pass(*ms),
        }
        self.flush();
        let on_the_way = sent_shares(&self.to_server);
        assert!(on_the_way <= MAX_UNANSWERED * 4, "bounded: {on_the_way}");
        let booked = self.answered + self.lost + self.client.outstanding();
        assert_eq!(self.found, booked, "each share exactly once");
    }

    fn find(&mut self) {
        let Some(job) = self.client.job() else { return };
        let share = share(&job.id, self.nonce);
        self.nonce += 1;
        if self.client.submit(share).is_ok() {
            self.found += 1;
        }
    }

    fn deliver_to_server(&mut self, arrive: bool) {
        for line in core::mem::take(&mut self.to_server) {
            if !arrive || !self.server.wants_line() {
                continue;
            }
            match self
                .server
                .handle_line(self.now, line.as_bytes())
                .expect("a good line")
            {
                ServerEvent::Login(_) => self.server.accept(template(0), Difficulty(1)),
                ServerEvent::Claimed(claim) => self.claims.push(claim.ticket),
                _ => {}
            }
        }
    }

    fn deliver_to_client(&mut self, arrive: bool) {
        for line in core::mem::take(&mut self.to_client) {
            if !arrive {
                continue;
            }
            let event = self.client.handle_line(self.now, line.as_bytes());
            if let ClientEvent::Answered { .. } = event.expect("a good line") {
                self.answered += 1;
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
        // A dead link ends by its pings; the books are settled before that.
        if let Ok(ClientEvent::Lost { shares, .. }) = self.client.handle_timeout(self.now) {
            self.lost += u32::try_from(shares.len()).expect("few");
        }
    }

    fn flush(&mut self) {
        self.to_server.extend(sent(&mut self.client, self.now.0));
        self.to_client.extend(answered(&mut self.server));
    }
}

fn sent_shares(lines: &[String]) -> usize {
    lines
        .iter()
        .filter(|line| line.contains("\"submit\""))
        .count()
}

proptest! {
    #[test]
    fn each_share_is_answered_or_lost_exactly_once(
        moves in proptest::collection::vec(any_move(), 0..120),
    ) {
        let mut world = World::new();
        for next in &moves {
            world.step(next);
        }
        // Let everything arrive, verify what is open, and nothing is left hanging.
        // Two rounds for each four of the queue, and 20 s for what got lost.
        for _ in 0..2 * SHARE_QUEUE / MAX_UNANSWERED + 30 {
            for next in [Move::ToServer(true), Move::ToClient(true), Move::Pass(1_000)] {
                world.step(&next);
            }
            while let Some(ticket) = world.claims.pop() {
                world.server.answer(ticket, Verdict::Accepted);
            }
        }
        prop_assert_eq!(world.client.outstanding(), 0);
        prop_assert_eq!(world.found, world.answered + world.lost);
    }
}
