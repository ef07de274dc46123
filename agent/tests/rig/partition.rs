//! N2, the rig's side: the network between it and its controller goes away and comes back. It hashes on,
//! is served again within a minute, and does once what it was told meanwhile.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use miner_agent::clock::Clock;
use miner_agent::url::ControllerUrls;
use miner_shared::smsg::{Event, SeqMemory};
use miner_shared::wire::{Message, Outcome, State};
use smol::channel::{Receiver, Sender, bounded};
use smol::future;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};

use crate::common::{Managed, Manager, Straw, accept, beside, controller, rig_by, run_within};
use crate::pool::Pool;
use crate::work::{profile, set_state, with};

/// How much faster than the world the rig's clock runs.
const HASTE: u32 = 20;
/// How long the network is away, in milliseconds of the rig. What is longer than the first second of
/// the world is a leap of the clock, as of a machine that slept.
const LENGTHS_MS: [u64; 3] = [30_000, 600_000, 24 * 3_600_000];
/// The promise, in milliseconds of the rig, and what a busy machine makes of it.
const HEALED_MS: u64 = 60_000 * 10;

/// The network: a wire from the rig to its controller that can be held.
struct Network {
    listener: TcpListener,
    to: SocketAddr,
    held: Rc<Cell<bool>>,
    /// Closed and made anew by each release.
    released: (Sender<()>, Receiver<()>),
}

impl Network {
    async fn to(to: SocketAddr) -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
            to,
            held: Rc::default(),
            released: bounded(64),
        }
    }

    fn address(&self) -> ControllerUrls {
        let address = self.listener.local_addr().expect("bound").to_string();
        address.parse().expect("valid")
    }

    fn hold(&self) {
        self.held.set(true);
    }

    fn release(&self) {
        self.held.set(false);
        while self.released.0.try_send(()).is_ok() {}
    }

    /// Until the network is there.
    async fn there(&self) {
        while self.held.get() {
            self.released.1.recv().await.expect("both ends are held");
        }
    }

    /// Carries connections, for ever.
    async fn carry(&self) {
        let executor = smol::LocalExecutor::new();
        let accepting = async {
            loop {
                let (rig, _) = self.listener.accept().await.expect("accepts");
                executor
                    .spawn(async move {
                        self.there().await;
                        let Ok(controller) = TcpStream::connect(self.to).await else {
                            return;
                        };
                        // Whoever ends first ends it.
                        let up = self.pump(rig.clone(), controller.clone());
                        future::or(up, self.pump(controller, rig)).await;
                    })
                    .detach();
            }
        };
        executor.run(accepting).await
    }

    async fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut buffer).await {
            self.there().await;
            if to.write_all(&buffer[..len]).await.is_err() {
                return;
            }
        }
        // An end too is news that has to travel.
        self.there().await;
    }
}

/// The controller: whichever connection the rig makes, and the numbers across them.
struct Controller {
    listener: TcpListener,
    me: Rc<miner_shared::smsg::LocalNode>,
    link: Option<Manager>,
    memory: Option<SeqMemory>,
}

impl Controller {
    /// The next message of the rig, on whatever connection; whether a new one came up counts as none.
    async fn hears(&mut self) -> Option<Message> {
        let Some(link) = &mut self.link else {
            let mut link = accept(&self.listener, &self.me).await;
            if link.comes_up_from(self.memory).await {
                self.link = Some(link);
            }
            return None;
        };
        // The rig may come anew while this end still waits on the old connection.
        let heard = async { Ok(link.next().await) };
        let anew = async { Err(accept(&self.listener, &self.me).await) };
        let heard = future::or(heard, anew).await;
        self.memory = merge(self.memory, link.memory());
        match heard {
            Ok(Some(Event::Message(message))) => Some(message),
            Ok(Some(_)) => None,
            Ok(None) => {
                self.link = None;
                None
            }
            Err(mut link) => {
                if link.comes_up_from(self.memory).await {
                    self.link = Some(link);
                }
                None
            }
        }
    }

    /// Sends this, and again on every new connection, until its receipt comes.
    async fn tells(&mut self, command: &Message) -> Outcome {
        let Message::Command(op_id, _) = command else {
            panic!("no command: {command:?}");
        };
        let mut told = false;
        loop {
            if let (Some(link), false) = (&mut self.link, told) {
                link.say(command).await;
                told = true;
            }
            let up = self.link.is_some();
            match self.hears().await {
                Some(Message::Receipt(of, outcome)) if of == *op_id => return outcome,
                Some(_) => {}
                // Perhaps another connection.
                None => told &= up && self.link.is_some(),
            }
        }
    }
}

fn merge(kept: Option<SeqMemory>, later: Option<SeqMemory>) -> Option<SeqMemory> {
    match (kept, later) {
        (Some(kept), Some(later)) => Some(kept.merge(later)),
        (kept, later) => later.or(kept),
    }
}

/// One partition; how long after it the rig had done what it was told, by its own clock.
async fn partition(
    network: &Network,
    farm: &mut Controller,
    straw: &Straw,
    clock: Clock,
    pool: &Pool,
    (generation, length_ms): (u8, u64),
) -> u64 {
    let (hashes, interruptions) = (straw.hashes(), straw.interruptions());
    let configurations = straw.configurations();
    let job = straw.job();
    assert!(job.is_some());
    let begun = clock.now();
    network.hold();
    let mine = State::Mine(profile(&[pool]));
    let command = set_state(generation, generation.into(), mine);
    if let Some(link) = &mut farm.link {
        link.say(&command).await;
    }
    // The controller listens meanwhile, to nobody.
    let away = async {
        let real = length_ms.min(1_000 * u64::from(HASTE));
        smol::Timer::after(Duration::from_millis(real / u64::from(HASTE))).await;
        if length_ms > real {
            clock.leap(length_ms - real);
            // The rig's own timers, of at most a minute of its clock, see it.
            clock.timer_at(begun + length_ms + 60_000).await;
        }
    };
    future::or(away, async {
        loop {
            farm.hears().await;
        }
    })
    .await;
    assert!(straw.hashes() > hashes, "the counter stood still");
    assert_eq!(straw.interruptions(), interruptions, "hashing paused");
    assert_eq!(straw.job(), job);

    network.release();
    let healed = clock.now();
    let outcome = farm.tells(&command).await;
    assert_eq!(outcome, Outcome::Applied, "{length_ms} ms");
    let took = clock.now().since(healed);
    assert_eq!(
        straw.configurations(),
        configurations + 1,
        "{length_ms} ms: a wish has one effect, however often it is sent"
    );
    assert_eq!(straw.interruptions(), interruptions, "the pool is the same");
    took
}

fn partitions(count: usize) {
    let rig = Managed::by(&[1, 2]);
    let clock = Clock::hasty(HASTE);
    let me = controller(1, 1);
    let patience = Duration::from_secs(30 + 30 * count as u64);
    run_within(patience, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let network = Network::to(listener.local_addr().expect("bound")).await;
        let (serving, straw) = rig_by(clock, rig.root(), |config| {
            config.listen = None;
            config.controller = Some(network.address());
            config.fingerprint = Some(me.fingerprint());
        });
        let pool = Pool::bind("aa").await;
        let mut farm = Controller {
            listener,
            me: Rc::clone(&me),
            link: None,
            memory: None,
        };
        let test = with(&pool, async {
            let start = set_state(1, 1, State::Mine(profile(&[&pool])));
            assert_eq!(farm.tells(&start).await, Outcome::Applied);
            straw.next_job().await;
            let mut slowest = 0;
            for n in 0..count {
                let generation = u8::try_from(n + 2).expect("few");
                let of = (generation, LENGTHS_MS[n % LENGTHS_MS.len()]);
                let took = partition(&network, &mut farm, &straw, clock, &pool, of).await;
                slowest = slowest.max(took);
            }
            println!("slowest of {count} after the network was back: {slowest} ms");
            assert!(slowest <= HEALED_MS, "{slowest} ms");
        });
        let carry = async {
            network.carry().await;
        };
        beside(
            serving,
            future::or(test, async {
                carry.await;
                unreachable!("it carries for ever")
            }),
        )
        .await;
    });
}

#[test]
fn a_rig_hashes_through_three_partitions_and_does_once_what_it_was_told() {
    partitions(3);
}

#[test]
#[ignore = "slow: the count of the promise"]
fn a_rig_hashes_through_a_hundred_partitions_and_does_once_what_it_was_told() {
    partitions(100);
}
