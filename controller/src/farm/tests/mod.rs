//! The farm over real loopback sockets, with a tiny scripted rig at the other end.

mod attention;
mod boots;
mod discover;
mod drift;
mod fleet;
mod history;
mod keys;
mod limits;
mod map;
mod page;
mod pools;
mod rig;
mod scale;
mod table;
mod updates;

use std::net::SocketAddr;

use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{ClientRequestBuilder, Error, Message as WsMessage};
use async_tungstenite::{WebSocketStream, client_async};
use miner_shared::identity::{EnrolToken, PairingCode, Role};
use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::Expect;
use miner_shared::text::{Address, MinerName, Name, PoolPass, PoolUser};
use miner_shared::wire::{Algo, Backend, Mode, Pool, Profile, Threads};
use smol::net::{TcpListener, TcpStream};
use smol::stream::StreamExt;

use self::rig::{TestRig, node};
use super::*;
use crate::error::Code;
use crate::hub::EventKind;
use crate::registry::{MemoryStore, RedbStore};

/// A running farm that listens, its executor, and where it listens.
struct Fixture {
    executor: Arc<Executor<'static>>,
    farm: Arc<Farm>,
    listen: SocketAddr,
}

/// Runs a test on a farm of its own.
fn with_farm<F: Future<Output = ()>>(test: impl FnOnce(Fixture) -> F) {
    with_store(Box::new(MemoryStore::default()), test);
}

fn with_store<F: Future<Output = ()>>(store: Box<dyn Store>, test: impl FnOnce(Fixture) -> F) {
    with_clock(store, Clock::start(), test);
}

fn with_clock<F: Future<Output = ()>>(
    store: Box<dyn Store>,
    clock: Clock,
    test: impl FnOnce(Fixture) -> F,
) {
    let executor = Arc::new(Executor::new());
    let me = node(0xcc, Role::Controller, "control-center");
    let farm = Farm::open(store, me, clock).expect("opens");
    farm.run(&executor);
    let listen = farm
        .listen(([127, 0, 0, 1], 0).into(), Speaks::Plain)
        .expect("listens");
    let fixture = Fixture {
        executor: Arc::clone(&executor),
        farm: Arc::clone(&farm),
        listen,
    };
    smol::block_on(executor.run(test(fixture)));
    farm.close();
}

impl Fixture {
    /// Starts a rig that listens; its address.
    async fn listening(&self, rig: TestRig) -> Address {
        let (address, running) = self.listening_at("127.0.0.1:0", rig).await;
        running.detach();
        address
    }

    /// The same at this address; it ends with the task.
    async fn listening_at(&self, at: &str, rig: TestRig) -> (Address, Task<()>) {
        let listener = TcpListener::bind(at).await.expect("binds");
        let address = listener.local_addr().expect("bound").to_string();
        let running = self.executor.spawn(rig.listen(listener));
        (Address::parse(&address).expect("valid"), running)
    }

    async fn add(
        &self,
        address: &Address,
        proof: Proof,
    ) -> Result<PeerView, crate::error::FarmError> {
        let peer = AddPeer {
            address: Some(address.clone()),
            name: None,
            proof,
        };
        self.farm.add_peer(peer).await
    }

    /// Waits for an event of this kind.
    async fn event(events: &Receiver<Event>, wanted: impl Fn(&EventKind) -> bool) {
        while let Ok(event) = events.recv().await {
            if wanted(&event.kind) {
                return;
            }
        }
        panic!("the farm closed");
    }
}

fn profile() -> Profile {
    let pool = Pool {
        address: Address::parse("127.0.0.1:3333").expect("valid"),
        tls: false,
        user: PoolUser::parse("practice").expect("valid"),
        pass: PoolPass::parse("secret-pass").expect("valid"),
    };
    Profile {
        name: Name::parse("My Profile").expect("valid"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        mode: Mode::Auto,
        threads: Threads::Auto,
        pools: [pool].into_iter().collect(),
    }
}

/// So many of the last records.
fn last(lines: u16) -> LogsWanted {
    LogsWanted {
        lines,
        cursor: None,
        level: None,
    }
}

fn miner(name: &str) -> MinerName {
    MinerName::parse(name).expect("valid")
}

#[test]
fn an_unconfirmed_key_is_shown_and_a_wrong_one_refused() {
    with_farm(|fixture| async move {
        let rig = TestRig::new(1);
        let key = rig.fingerprint();
        let address = fixture.listening(rig).await;

        let shown = fixture.add(&address, Proof::None).await.expect_err("asks");
        assert_eq!(shown.code, Code::FingerprintUnconfirmed);
        assert_eq!(shown.fingerprint, Some(key));
        let other = TestRig::new(2).fingerprint();
        let wrong = fixture.add(&address, Proof::Fingerprint(other)).await;
        assert_eq!(wrong.expect_err("wrong").code, Code::FingerprintMismatch);
        assert_eq!(fixture.farm.peers().expect("lists").len(), 0);

        let added = fixture
            .add(&address, Proof::Fingerprint(key))
            .await
            .expect("adds");
        assert!(added.connected);
        assert_eq!(
            (added.name.as_str(), added.trust),
            ("rig-alpha", "fingerprint")
        );
        assert_eq!(added.id, key.node_id().to_string());
        let twice = AddPeer {
            address: None,
            name: None,
            proof: Proof::Fingerprint(key),
        };
        let twice = fixture.farm.add_peer(twice).await.expect_err("exists");
        assert_eq!(twice.code, Code::PeerExists);
    });
}

#[test]
fn a_pairing_code_adds_the_rig_and_a_wrong_one_says_so() {
    with_farm(|fixture| async move {
        let mut rng = UnwrapErr(getrandom::SysRng);
        let code = PairingCode::generate(&mut rng);
        let address = fixture
            .listening(TestRig::new(1).with_code(code.clone()))
            .await;
        let wrong = Proof::Pairing(PairingCode::generate(&mut rng));
        let refused = fixture.add(&address, wrong).await.expect_err("wrong code");
        assert_eq!(refused.code, Code::PairingFailed);
        let added = fixture
            .add(&address, Proof::Pairing(code))
            .await
            .expect("adds");
        assert!(added.connected);
        assert_eq!(added.trust, "pairing");
    });
}

#[test]
fn commands_of_the_page_work_over_a_real_link() {
    with_farm(|fixture| async move {
        let address = fixture.listening(TestRig::new(1)).await;
        let farm = &fixture.farm;
        let added = fixture.add(&address, Proof::Tofu).await.expect("adds");
        let id = farm.resolve("rig-alpha").expect("by name");
        assert_eq!(added.id, id.to_string());
        farm.ping(id).await.expect("answers");

        let stats = farm.stats_of(id).await.expect("answers");
        assert_eq!(stats.miners[0].name, "miner-rx0");
        assert_eq!(stats.miners[0].hashrate, Some(1.5));
        assert_eq!(stats.miners[0].windows.m15, None, "unknown is null");

        let created = farm.create_profile(profile()).expect("creates");
        assert_eq!(created.id, "my-profile");
        let unknown = farm.start(id, "nothing").await.expect_err("no profile");
        assert_eq!(unknown.code, Code::ProfileNotFound);
        let started = farm.start(id, "my-profile").await.expect("starts");
        assert_eq!(
            (started.generation, started.status),
            (1, DesiredStatus::Applied)
        );
        assert_eq!(
            farm.stats_of(id).await.expect("answers").activity.state,
            "mining"
        );
        let in_use = farm.delete_profile("my-profile").expect_err("in use");
        assert!(in_use.message.contains("rig-alpha"), "{in_use}");

        let wrong = farm
            .stop(id, Some(&miner("xmrig-123")))
            .await
            .expect_err("unknown");
        assert_eq!(wrong.code, Code::MinerNotFound);
        assert!(wrong.hint.expect("hint").contains("miner-rx0"));
        let stopped = farm
            .stop(id, Some(&miner("miner-rx0")))
            .await
            .expect("stops");
        assert_eq!(
            (stopped.generation, stopped.status),
            (2, DesiredStatus::Applied)
        );
        farm.delete_profile("My Profile").expect("free now");
    });
}

#[test]
fn logs_come_in_pages_and_in_order() {
    with_farm(|fixture| async move {
        let address = fixture.listening(TestRig::new(1)).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        let farm = &fixture.farm;
        let id = farm.resolve("rig-alpha").expect("by name");
        let logs = farm
            .logs(id, &miner("miner-rx0"), &last(37))
            .await
            .expect("answers");
        let texts: Vec<_> = logs.lines.iter().map(|line| line.text.clone()).collect();
        let wanted: Vec<_> = (3..rig::LOG).map(|n| format!("line {n}")).collect();
        assert_eq!(texts, wanted);
        assert!(!logs.has_more);
        let wrong = farm
            .logs(id, &miner("nothing"), &last(5))
            .await
            .expect_err("unknown");
        assert_eq!(wrong.code, Code::MinerNotFound);
    });
}

#[test]
fn a_wish_for_a_rig_that_is_away_is_kept_until_it_dials_in() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = RedbStore::open(dir.path()).expect("opens");
    with_store(Box::new(store), |fixture| async move {
        let Fixture {
            farm,
            listen,
            executor,
        } = &fixture;
        let events = farm.subscribe();
        let rig = TestRig::new(1);
        let key = rig.fingerprint();
        let peer = AddPeer {
            address: None,
            name: Some(Name::parse("shed").expect("valid")),
            proof: Proof::Fingerprint(key),
        };
        let added = farm.add_peer(peer).await.expect("adds");
        assert!(!added.connected);
        farm.create_profile(profile()).expect("creates");
        let id = farm.resolve("shed").expect("by name");
        let started = farm.start(id, "My Profile").await.expect("stored");
        assert_eq!(started.status, DesiredStatus::Pending);
        let offline = farm.ping(id).await.expect_err("offline");
        assert!(offline.code == Code::ConnectionFailed && offline.retryable);

        let to = *listen;
        let controller = farm.me.fingerprint();
        let gone = executor.spawn(rig.dial(to, controller));
        Fixture::event(&events, |e| {
            matches!(e, EventKind::Applied { generation: 1 })
        })
        .await;
        let view = farm.peer(id).expect("registered");
        assert!(view.connected);
        assert_eq!(view.desired.status, DesiredStatus::Applied);

        farm.remove_peer(id, false).expect("removes");
        let rig = gone.await;
        assert_eq!(farm.peers().expect("lists").len(), 0);
        rig.dial(to, controller).await;
        Fixture::event(&events, |e| *e == EventKind::RemovedKey).await;
    });
}

#[test]
fn what_the_farm_knows_outlives_it() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let open = || Box::new(RedbStore::open(dir.path()).expect("opens"));
    with_store(open(), |fixture| async move {
        let address = fixture.listening(TestRig::new(1)).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
    });
    with_store(open(), |fixture| async move {
        let peers = fixture.farm.peers().expect("lists");
        let [peer] = peers.as_slice() else {
            panic!("{peers:?}");
        };
        assert_eq!((peer.name.as_str(), peer.trust), ("rig-alpha", "tofu"));
        assert_eq!(peer.role, Some("worker"));
        assert!(peer.last_seen.is_some() && peer.public_key.is_some());
        assert!(!peer.connected && peer.score.is_none());
    });
}

#[test]
fn a_link_ends_with_the_code_that_says_why() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        for (seed, code) in [(1, CloseCode::Normal), (2, CloseCode::Away)] {
            let rig = TestRig::new(seed);
            let key = rig.fingerprint();
            let proof = Proof::Fingerprint(key);
            let (address, name) = (None, Name::parse(&format!("rig-{seed}")).ok());
            let peer = AddPeer {
                address,
                name,
                proof,
            };
            farm.add_peer(peer).await.expect("adds");
            let events = farm.subscribe();
            let controller = farm.me.fingerprint();
            let ended = fixture.executor.spawn(rig.dial(fixture.listen, controller));
            Fixture::event(&events, |e| matches!(e, EventKind::LinkUp { .. })).await;
            if code == CloseCode::Normal {
                farm.remove_peer(key.node_id(), false).expect("removes");
            } else {
                farm.end().await;
            }
            assert_eq!(ended.await.goodbye, Some(code));
        }
    });
}

#[test]
fn two_rigs_never_have_one_name() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        let named = |seed, name: Option<&str>, address| AddPeer {
            address,
            name: name.map(|name| Name::parse(name).expect("valid")),
            proof: Proof::Fingerprint(TestRig::new(seed).fingerprint()),
        };
        let first = farm.add_peer(named(1, Some("rig-alpha"), None)).await;
        let first = first.expect("adds");
        let taken = farm.add_peer(named(2, Some("rig-alpha"), None)).await;
        let taken = taken.expect_err("taken");
        assert_eq!(
            (taken.code, taken.field.as_deref()),
            (Code::PeerNameTaken, Some("name"))
        );
        assert_eq!(taken.code.http_status(), 409);
        assert!(taken.hint.expect("hint").contains(&first.id));

        // It calls itself rig-alpha as well.
        let address = fixture.listening(TestRig::new(2)).await;
        let second = farm.add_peer(named(2, None, Some(address))).await;
        let second = second.expect("adds");
        assert!(second.connected);
        assert_eq!(second.name, second.id);
    });
}

#[test]
fn a_code_is_not_spent_on_a_name_that_is_taken() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        let other = TestRig::new(1).fingerprint();
        let shed = || Name::parse("shed").ok();
        let peer = AddPeer {
            address: None,
            name: shed(),
            proof: Proof::Fingerprint(other),
        };
        farm.add_peer(peer).await.expect("adds");
        let code = PairingCode::generate(&mut UnwrapErr(getrandom::SysRng));
        let rig = TestRig::new(2).with_code(code.clone());
        let key = rig.fingerprint();
        let address = fixture.listening(rig).await;
        let pair = |name| AddPeer {
            address: Some(address.clone()),
            name,
            proof: Proof::Pairing(code.clone()),
        };
        let taken = farm.add_peer(pair(shed())).await.expect_err("taken");
        assert_eq!(taken.code, Code::PeerNameTaken);
        assert!(farm.peer(key.node_id()).is_err(), "the rig was not asked");
        let hut = Name::parse("hut").ok();
        let added = farm.add_peer(pair(hut)).await.expect("adds");
        assert_eq!(added.name, "hut");
    });
}

#[test]
fn what_a_rig_says_before_its_receipt_is_shown_after_it() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        let address = fixture.listening(TestRig::new(1)).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        let id = farm.resolve("rig-alpha").expect("by name");
        farm.create_profile(profile()).expect("creates");
        for wished in ["mining", "stopped", "mining"] {
            match wished {
                "mining" => farm.start(id, "my-profile").await.expect("starts"),
                _ => farm.stop(id, None).await.expect("stops"),
            };
            let shown = farm.peer(id).expect("there").activity.expect("reported");
            assert_eq!(shown.state, wished, "on the page");
            let stats = farm.stats().expect("lists");
            assert_eq!(stats[0].activity.state, wished, "in `remote status`");
        }
    });
}

async fn upgrade(
    to: SocketAddr,
    path: &str,
    protocol: &str,
    origin: Option<&str>,
) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(to).await.expect("connects");
    let uri = format!("ws://{to}{path}").parse().expect("a URI");
    let mut request = ClientRequestBuilder::new(uri).with_sub_protocol(protocol);
    if let Some(origin) = origin {
        request = request.with_header("Origin", origin);
    }
    client_async(request, stream).await.map(|(ws, _)| ws)
}

#[test]
fn browsers_other_paths_and_other_protocols_are_refused() {
    with_farm(|fixture| async move {
        let to = fixture.listen;
        for (path, protocol, origin, status) in [
            ("/ws", "smsg.1", Some("http://localhost"), 403),
            ("/other", "smsg.1", None, 404),
            ("/ws", "chat", None, 400),
        ] {
            match upgrade(to, path, protocol, origin).await {
                Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), status),
                other => panic!("{path} {protocol} {origin:?}: {:?}", other.err()),
            }
        }
        upgrade(to, "/ws", "smsg.1", None)
            .await
            .expect("ours is let through");
    });
}

#[test]
fn a_text_frame_is_closed_with_1003_and_an_oversized_one_at_once() {
    with_farm(|fixture| async move {
        let mut ws = upgrade(fixture.listen, "/ws", "smsg.1", None)
            .await
            .expect("upgrades");
        ws.send(WsMessage::text("{}")).await.expect("sends");
        match ws.next().await {
            Some(Ok(WsMessage::Close(Some(frame)))) => {
                assert_eq!(frame.code, CloseCode::Unsupported);
            }
            other => panic!("{other:?}"),
        }
        let mut ws = upgrade(fixture.listen, "/ws", "smsg.1", None)
            .await
            .expect("upgrades");
        let big = vec![0; MAX_FRAME + 1];
        ws.send(WsMessage::binary(big)).await.expect("sends");
        assert!(!matches!(ws.next().await, Some(Ok(WsMessage::Binary(_)))));
    });
}

#[test]
fn twelve_rigs_race_for_four_uses_over_sockets_and_exactly_four_get_in() {
    with_farm(|fixture| async move {
        let Fixture {
            executor,
            farm,
            listen,
        } = fixture;
        let made = farm.create_token(NewToken {
            label: None,
            uses: 4,
            expires_secs: 3_600,
            name_pattern: None,
            group: None,
            from: Some("127.0.0.0/8".parse().expect("valid")),
            approve: true,
            ephemeral: false,
        });
        let token: EnrolToken = made.expect("made").token.parse().expect("well formed");
        let events = farm.subscribe();
        for seed in 1..=12 {
            let token = token.clone();
            let rig = async move {
                let expect = Expect::Prefix(*token.controller());
                let dialled = TestRig::new(seed).dial_by(listen, expect, Some(token.enrolment()));
                dialled.await;
            };
            executor.spawn(rig).detach();
        }
        let (mut admitted, mut refused) = (0, 0);
        while admitted + refused < 12 {
            match events.recv().await.expect("the farm runs").kind {
                EventKind::Enrolled { .. } => admitted += 1,
                EventKind::EnrolRefused { .. } => refused += 1,
                _ => {}
            }
        }
        assert_eq!((admitted, refused), (4, 8));
        let peers = farm.peers().expect("peers");
        assert_eq!(peers.len(), 4);
        assert!(peers.iter().all(|peer| peer.trust == "token"));
        assert_eq!(farm.tokens().first().expect("kept").left, 0);
    });
}
