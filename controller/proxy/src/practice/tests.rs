//! The pool over real sockets, with a hash function that a test can afford; and once with RandomX.

use std::convert::Infallible;
use std::future::Future;

use miner_shared::limits::{MAX_POOL_LINE, MAX_SENT_LINE};
use miner_shared::mining::{Hash, Job, SeedHash, Share};
use miner_shared::stratum::{Client, ClientEvent, LineSplitter, Login};
use miner_shared::text::{PoolPass, PoolUser};
use miner_shared::time::Millis;
use rand_core::{TryCryptoRng, TryRng};
use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Random enough to tell things apart, and the same in every run.
#[derive(Debug)]
pub(crate) struct Counter(pub(crate) u64);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let [a, b, c, d, ..] = self.try_next_u64()?.to_be_bytes();
        Ok(u32::from_be_bytes([a, b, c, d]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.try_next_u64()?.to_be_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}

/// A hash function for tests: any input is a share, and each has its own hash.
struct Toy;

fn toy_hash(seed: &SeedHash, input: &[u8]) -> Hash {
    let mut hash = [0; 32];
    for (at, byte) in (0_u8..).zip(seed.0.iter().chain(input)) {
        hash[usize::from(at % 24)] ^= byte.rotate_left(u32::from(at / 24));
    }
    hash
}

impl Verifier for Toy {
    fn prepare(&mut self, _: &SeedHash) {}

    fn hash(&mut self, seed: &SeedHash, input: &[u8]) -> Option<Hash> {
        Some(toy_hash(seed, input))
    }
}

/// Runs a test against a pool, with a limit on its time.
fn with_pool<F: Future<Output = ()>>(
    config: PracticeConfig,
    verifier: Box<dyn Verifier>,
    test: impl FnOnce(SocketAddr, Receiver<PracticeEvent>) -> F,
) {
    let config = PracticeConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..config
    };
    smol::block_on(async {
        let pool = PracticePool::bind(config).await.expect("a free port");
        let test = test(pool.address(), pool.events());
        let serve = async {
            pool.run_with(Box::new(Counter(7)), verifier, smol::future::pending())
                .await
                .expect("a thread");
        };
        let late = async {
            Timer::after(Duration::from_secs(120)).await;
            panic!("the test takes too long");
        };
        or(test, or(serve, late)).await;
    });
}

/// A miner of one connection: our own client over a socket. Its clock stands still.
struct Miner {
    client: Client,
    stream: TcpStream,
    splitter: LineSplitter<MAX_POOL_LINE>,
}

impl Miner {
    async fn connect(address: SocketAddr) -> (Self, Job) {
        let login = Login {
            user: PoolUser::parse("rig-alpha").expect("valid"),
            pass: PoolPass::parse("x").expect("valid"),
            agent: Label::parse("miner/0.1.0").expect("valid"),
            rig: None,
            nicehash: false,
        };
        let mut miner = Self {
            client: Client::new(Millis(0), login),
            stream: TcpStream::connect(address).await.expect("listening"),
            splitter: LineSplitter::new(),
        };
        match miner.event().await {
            ClientEvent::LoggedIn(job) => (miner, job),
            other => panic!("{other:?}"),
        }
    }

    /// Sends what is owed and waits for the next event.
    async fn event(&mut self) -> ClientEvent {
        loop {
            let mut out = [0; MAX_SENT_LINE];
            while let Some(n) = self.client.poll_transmit(Millis(0), &mut out) {
                self.stream.write_all(&out[..n]).await.expect("open");
            }
            if let Some(line) = self.splitter.next_line().expect("short") {
                match self
                    .client
                    .handle_line(Millis(0), line)
                    .expect("a good line")
                {
                    ClientEvent::Idle => continue,
                    event => return event,
                }
            }
            let n = self.stream.read(self.splitter.spare()).await.expect("open");
            assert_ne!(n, 0, "the pool closed the connection");
            self.splitter.filled(Millis(0), n);
        }
    }

    /// Submits a share and returns its verdict; new jobs in between are passed over.
    async fn submit(&mut self, job: &Job, nonce: u32, hash: Hash) -> Verdict {
        let share = Share {
            job_id: job.id.clone(),
            nonce,
            hash,
            thread: 0,
        };
        self.client.submit(share).expect("room");
        loop {
            if let ClientEvent::Answered { verdict, .. } = self.event().await {
                return verdict;
            }
        }
    }
}

#[test]
fn a_true_share_is_accepted_and_a_false_one_is_not() {
    with_pool(
        PracticeConfig::default(),
        Box::new(Toy),
        async |address, events| {
            let (mut miner, job) = Miner::connect(address).await;
            let hash = toy_hash(&job.seed, job.blob.with_nonce(5).as_bytes());
            assert_eq!(
                miner.submit(&job, 6, hash).await,
                Verdict::Invalid,
                "of another nonce"
            );
            assert_eq!(miner.submit(&job, 5, hash).await, Verdict::Accepted);
            assert_eq!(miner.submit(&job, 5, hash).await, Verdict::Duplicate);
            let mut lost = hash;
            lost[31] = 0xff;
            assert_eq!(miner.submit(&job, 7, lost).await, Verdict::LowDifficulty);
            drop(miner);
            let mut verdicts = Vec::new();
            loop {
                match events.recv().await.expect("running") {
                    PracticeEvent::LoggedIn { miner, .. } => {
                        assert_eq!(miner.as_str(), "rig-alpha")
                    }
                    PracticeEvent::Share { verdict, .. } => verdicts.push(verdict),
                    PracticeEvent::Left { connection, .. } => {
                        assert_eq!(connection, 1);
                        break;
                    }
                    _ => {}
                }
            }
            let expected = [
                Verdict::Invalid,
                Verdict::Accepted,
                Verdict::Duplicate,
                Verdict::LowDifficulty,
            ];
            assert_eq!(verdicts, expected);
        },
    );
}

#[test]
fn a_new_block_brings_every_miner_a_job_and_the_old_one_stays_valid() {
    let config = PracticeConfig {
        block_ms: 50,
        ..PracticeConfig::default()
    };
    with_pool(config, Box::new(Toy), async |address, _| {
        let (mut one, first) = Miner::connect(address).await;
        let (mut two, _) = Miner::connect(address).await;
        let mut blobs = Vec::new();
        for miner in [&mut one, &mut two] {
            match miner.event().await {
                ClientEvent::Job(job) => blobs.push(job.blob),
                other => panic!("{other:?}"),
            }
        }
        assert_ne!(blobs[0], blobs[1], "nobody else hashes the same");
        let hash = toy_hash(&first.seed, first.blob.with_nonce(1).as_bytes());
        assert_eq!(one.submit(&first, 1, hash).await, Verdict::Accepted);
    });
}

#[test]
fn the_seventeenth_connection_of_one_address_is_turned_away() {
    with_pool(
        PracticeConfig::default(),
        Box::new(Toy),
        async |address, _| {
            let mut streams = Vec::new();
            for _ in 0..16 {
                streams.push(Miner::connect(address).await);
            }
            let mut extra = TcpStream::connect(address).await.expect("listening");
            assert_eq!(extra.read(&mut [0; 1]).await.unwrap_or(0), 0);
            streams.pop();
            // The pool notices the closed one in its own time.
            loop {
                let mut again = TcpStream::connect(address).await.expect("listening");
                let login = br#"{"id":1,"method":"login","params":{"login":"x"}}"#;
                let _ = again.write_all(&[&login[..], b"\n"].concat()).await;
                if again.read(&mut [0; 1]).await.unwrap_or(0) == 1 {
                    break;
                }
            }
        },
    );
}

#[test]
fn garbage_and_endless_lines_end_the_connection() {
    with_pool(
        PracticeConfig::default(),
        Box::new(Toy),
        async |address, _| {
            for bytes in [
                &b"GET / HTTP/1.1\r\n\r\n"[..],
                &[b'{'; 5_000],
                b"\x16\x03\x01\n",
            ] {
                let mut stream = TcpStream::connect(address).await.expect("listening");
                stream.write_all(bytes).await.expect("open");
                assert_eq!(stream.read(&mut [0; 64]).await.unwrap_or(0), 0);
            }
            Miner::connect(address).await;
        },
    );
}

#[test]
fn events_that_nobody_reads_are_counted() {
    let (sender, receiver) = bounded(2);
    let events = Events::new(sender);
    for height in 0..5 {
        events.push(PracticeEvent::Block { height });
    }
    let read = || receiver.try_recv().expect("an event");
    assert_eq!(
        (read(), read()),
        (
            PracticeEvent::Block { height: 0 },
            PracticeEvent::Block { height: 1 }
        )
    );
    events.push(PracticeEvent::Block { height: 5 });
    assert_eq!(
        (read(), read()),
        (
            PracticeEvent::Lost { count: 3 },
            PracticeEvent::Block { height: 5 }
        )
    );
}

#[test]
fn shares_found_with_randomx_are_accepted() {
    let config = PracticeConfig {
        start_difficulty: Difficulty(2),
        ..PracticeConfig::default()
    };
    with_pool(
        config,
        Box::<LightVerifier>::default(),
        async |address, _| {
            let (mut miner, job) = Miner::connect(address).await;
            let mut engine = LightVerifier::default();
            let hashed = |nonce| {
                (
                    nonce,
                    engine.hash(&job.seed, job.blob.with_nonce(nonce).as_bytes()),
                )
            };
            let mut found = (0..)
                .map(hashed)
                .filter_map(|(nonce, hash)| Some((nonce, hash?)));
            let (nonce, hash) = found
                .find(|(_, hash)| job.target.is_met_by(hash))
                .expect("endless");
            assert_eq!(miner.submit(&job, nonce, hash).await, Verdict::Accepted);
            let mut bent = hash;
            bent[0] ^= 1;
            assert_eq!(miner.submit(&job, nonce + 1, bent).await, Verdict::Invalid);
        },
    );
}

/// The lines of a miner as it stands in the field, without any of our code between it and the pool.
struct Stock {
    reader: smol::io::BufReader<TcpStream>,
}

impl Stock {
    async fn say(&mut self, line: &str) -> String {
        use smol::io::AsyncBufReadExt;
        let stream = self.reader.get_mut();
        stream.write_all(line.as_bytes()).await.expect("open");
        let mut answer = String::new();
        self.reader.read_line(&mut answer).await.expect("open");
        answer
    }

    /// Connects and logs in as XMRig does; the login's answer.
    async fn login(address: SocketAddr) -> (Self, String) {
        let stream = TcpStream::connect(address).await.expect("listening");
        let mut stock = Self {
            reader: smol::io::BufReader::new(stream),
        };
        let login = concat!(
            r#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"wallet","pass":"x","#,
            r#""agent":"XMRig/6.21.0 (Linux x86_64) libuv/1.44.2 gcc/11.2.1","algo":["rx/0","#,
            r#""cn/r","rx/wow"]}}"#,
            "\n"
        );
        let answer = stock.say(login).await;
        (stock, answer)
    }
}

/// The text of a field of one line of JSON.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line
        .split_once(&format!("\"{name}\":\""))
        .unwrap_or_else(|| panic!("no {name} in {line}"));
    rest.split_once('"').expect("closed").0
}

/// A share of that login's job for the toy hash, as a submit line.
fn stock_submit(login: &str, id: u32, nonce: u32) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let bytes = |text: &str| -> Vec<u8> {
        (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex"))
            .collect()
    };
    let mut blob = bytes(field(login, "blob"));
    blob[39..43].copy_from_slice(&nonce.to_le_bytes());
    let seed = SeedHash(bytes(field(login, "seed_hash")).try_into().expect("32"));
    let (session, job) = (field(login, "id"), field(login, "job_id"));
    let (nonce, result) = (hex(&nonce.to_le_bytes()), hex(&toy_hash(&seed, &blob)));
    format!(
        "{{\"id\":{id},\"jsonrpc\":\"2.0\",\"method\":\"submit\",\"params\":{{\"id\":\"{session}\",\
         \"job_id\":\"{job}\",\"nonce\":\"{nonce}\",\"result\":\"{result}\",\"algo\":\"rx/0\"}}}}\n"
    )
}

#[test]
fn a_stock_miner_logs_in_submits_and_is_kept_alive() {
    let config = PracticeConfig::default();
    with_pool(config, Box::new(Toy), async |address, _| {
        let (mut stock, login) = Stock::login(address).await;
        assert!(login.contains(r#""id":1"#) && login.contains(r#""status":"OK""#));
        assert_eq!(field(&login, "target").len(), 8, "a target of 4 bytes");
        assert_eq!(field(&login, "algo"), "rx/0");
        assert!(login.contains(r#""height":"#));
        let answer = stock.say(&stock_submit(&login, 2, 5)).await;
        assert!(
            answer.contains(r#""id":2"#) && answer.contains(r#""status":"OK""#),
            "{answer}"
        );
        let answer = stock.say(&stock_submit(&login, 3, 5)).await;
        assert!(
            answer.contains(r#""id":3"#) && answer.contains("error"),
            "{answer}"
        );
        assert_eq!(field(&answer, "message"), "Duplicate share");
        let keepalive = r#"{"id":4,"jsonrpc":"2.0","method":"keepalived","params":{"id":"x"}}"#;
        let answer = stock.say(&format!("{keepalive}\n")).await;
        assert_eq!(field(&answer, "status"), "KEEPALIVED");
    });
}

/// The toy, which says when it is asked and hashes only when it is let.
struct Gated {
    asked: Sender<()>,
    gate: Receiver<()>,
}

impl Verifier for Gated {
    fn prepare(&mut self, _: &SeedHash) {}

    fn hash(&mut self, seed: &SeedHash, input: &[u8]) -> Option<Hash> {
        self.asked.send_blocking(()).ok()?;
        self.gate.recv_blocking().ok()?;
        Some(toy_hash(seed, input))
    }
}

#[test]
fn the_end_answers_what_was_submitted_and_then_closes() {
    let config = PracticeConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..PracticeConfig::default()
    };
    smol::block_on(async {
        let pool = PracticePool::bind(config).await.expect("a free port");
        let address = pool.address();
        let (asked, is_asked) = bounded(1);
        let (opens, gate) = bounded(1);
        let (stop, stopped) = bounded::<()>(1);
        let serve = pool.run_with(
            Box::new(Counter(7)),
            Box::new(Gated { asked, gate }),
            async {
                let _ = stopped.recv().await;
            },
        );
        let test = async {
            let (mut stock, login) = Stock::login(address).await;
            let submit = stock_submit(&login, 2, 5);
            let stream = stock.reader.get_mut();
            stream.write_all(submit.as_bytes()).await.expect("open");
            is_asked.recv().await.expect("the share came");
            drop(stop);
            // The pool hears that it ends while the share is being verified.
            for _ in 0..3 {
                smol::future::yield_now().await;
            }
            opens.send(()).await.expect("the verifier waits");
            let answer = stock.say("").await;
            assert!(answer.contains(r#""status":"OK""#), "{answer}");
            assert_eq!(stock.say("").await, "", "closed");
        };
        smol::future::zip(serve, test).await.0.expect("a thread");
    });
}
