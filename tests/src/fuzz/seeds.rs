//! Where fuzzing begins: small inputs made by our own encoders.
//!
//! `cargo run --package farm-tests --example corpora` writes them to `tests/fuzz/corpus/`.

use core::net::Ipv4Addr;

use miner_shared::dhcp::{Header, Mac, MessageType, Writer, option};
use miner_shared::identity::{EnrolToken, NodeKeys, PairingCode, Statement};
use miner_shared::limits::{MAX_DHCP_MESSAGE, MAX_MESSAGE};
use miner_shared::mdns::{QUERY, Responder};
use miner_shared::time::Millis;
use miner_shared::wire::{Desired, Message, Query, State};

use super::input::XorShift;
use super::messages::{messages, profile, stats};
use super::{mdns_packet, world};

/// One input, with a name for its file.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Name of the file.
    pub name: String,
    /// The input.
    pub data: Vec<u8>,
}

/// The seeds of the target of this name.
pub fn seeds(target: &str) -> Vec<Seed> {
    let inputs: Vec<Vec<u8>> = match target {
        "boot_question" => questions(),
        "config" => written(),
        "handshake_first" => first(),
        "handshake_second" | "handshake_third" => handshake(),
        "json" => texts(&JSON),
        "key_file" => files(),
        "link_machine" => schedules(),
        "mdns_packet" => mdns(),
        "program" => programs(),
        "rest_body" => rest(),
        "smsg_frame" => frames(),
        "stratum_line" => stratum(),
        "succession" => statements(),
        "tftp_packet" => loads(),
        "token_text" => typed(),
        "wire_message" => bodies(),
        _ => panic!("no target is called {target}"),
    };
    let named = |(number, data)| Seed {
        name: format!("seed-{number:02}"),
        data,
    };
    inputs.into_iter().enumerate().map(named).collect()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Programs of some instructions, each kind in the majority once, in every mode that there is.
fn programs() -> Vec<Vec<u8>> {
    /// An opcode of each kind of instruction in rx/0, and as many ways to run it.
    const OPCODES: [u8; 29] = [
        0, 16, 23, 39, 46, 62, 66, 70, 71, 75, 76, 84, 86, 101, 106, 114, 116, 120, 124, 140, 145,
        161, 166, 172, 204, 208, 214, 239, 240,
    ];
    let mut rng = XorShift::new(6);
    let mut seed = |(number, opcode): (u8, u8)| {
        let mut data = vec![number, number, number, 0, 4 * number];
        data.extend((0..128).map(|_| rng.byte()));
        for at in 0..8 {
            let mut instruction = [(); 8].map(|()| rng.byte());
            if at % 2 == 0 {
                instruction[0] = opcode;
            }
            data.extend(instruction);
        }
        data
    };
    (0..).zip(OPCODES).map(&mut seed).collect()
}

/// What the manual shows, and what it says is refused.
fn written() -> Vec<Vec<u8>> {
    let controller = world::controller().fingerprint().to_string();
    let lines = |choice: u8, lines: &[&str]| [&[choice], lines.join("\n").as_bytes()].concat();
    vec![
        lines(0, &["init", "--name", "rig-alpha", "--role", "worker"]),
        lines(0, &["init", "--controller", &controller]),
        lines(0, &["info", "--json"]),
        lines(0, &["serve", "--listen", ":9091", "--log-level", "debug"]),
        lines(
            0,
            &[
                "serve",
                "--controller",
                "10.0.0.1:9091",
                "--token-file",
                "-",
            ],
        ),
        lines(
            0,
            &["serve", "--fingerprint", &controller, "--threads", "2"],
        ),
        lines(0, &["serve", "--help"]),
        lines(
            1,
            &["--pool", "pool.example:3333", "--user", "w", "--light"],
        ),
        lines(
            1,
            &["--http", "[::1]:9090", "--listen", "rig.local:0", "-v"],
        ),
        lines(1, &["--pool-listen", "127.0.0.1:3333", "--no-worker"]),
        lines(1, &["--threads", "x"]),
        lines(2, &["rig-*", "rig-7"]),
        lines(2, &["a*b*c", "a-b-b-c"]),
        lines(2, &["*", "\u{fffd}"]),
        lines(3, &["10.0.0.0/8", "::ffff:10.1.2.3"]),
        lines(3, &["fd00::/8", "fdff::1"]),
        lines(3, &["0.0.0.0/0", "::1"]),
        lines(3, &["192.0.2.7", "192.0.2.6"]),
        lines(4, &["[::1]:9091"]),
        lines(4, &["localhost:0"]),
        lines(4, &["0.0.0.0:9090"]),
        lines(2, &["rig-*", "xrig"]),
        lines(2, &["a*b*c", "a-c"]),
        lines(2, &["rig-7", "rig-7"]),
        lines(2, &["rig\u{1b}", ""]),
        lines(3, &["10.0.0.0/33", ""]),
        lines(3, &["10.0.0.1/8", ""]),
        lines(3, &["fd00::1/8", ""]),
        lines(
            5,
            &[
                "owner = \"Alice\" # hall 2",
                &format!("controllers = [\"{controller}\"]"),
                "wallets = [",
                "  \"44Affq5\", # the first",
                "]",
                "pools = [\"pool.example:3333\", \"*.farm.lan\", \"[::1]\"]",
                "mine = true",
                "max_threads = 8",
                "light = false",
            ],
        ),
    ]
}

/// A genuine first message of each suite, as edits and as bytes.
fn first() -> Vec<Vec<u8>> {
    let raw = |enrol| {
        let mut dialler = world::dialler(enrol);
        let first = world::owed(&mut dialler, world::worker(), &mut XorShift::new(0));
        [vec![1], first.expect("it dials")].concat()
    };
    // Edits of version, suite, part and token.
    let edited = [[4, 3], [8, 2], [9, 3], [9, 2], [10, 1]];
    let edited = edited.map(|[at, xor]| vec![0, at, 0, xor]);
    let plain = vec![vec![0], vec![2], raw(false), raw(true), vec![2, 60, 0, 1]];
    plain.into_iter().chain(edited).collect()
}

/// Genuine, one bit changed, cut, lengthened; good keys with a payload, a hello and a heartbeat.
fn handshake() -> Vec<Vec<u8>> {
    let hello = encoded(&Message::Hello(world::card("rig-alpha")));
    let beat = encoded(&Message::Heartbeat(stats()));
    let query = encoded(&Message::Query(1, Query::GetInfo));
    let pong = encoded(&Message::Pong(1));
    // No edit of the payload, then messages: flags, length, body.
    let inside = |messages: &[(u8, &Vec<u8>)]| {
        let mut out = vec![1, 0, 0, 0, 0, 0, 0];
        for (flags, body) in messages {
            let [low, high, ..] = body.len().to_le_bytes();
            out.extend_from_slice(&[*flags, low, high]);
            out.extend_from_slice(body);
        }
        out
    };
    let payload = |edits: &[u8]| [&[1], edits].concat();
    vec![
        vec![0],
        vec![0, 9, 0, 1],
        vec![0, 0, 4, 100],
        vec![0, 1, 4, 0],
        inside(&[(0, &hello), (0, &beat), (2, &beat), (1, &beat)]),
        inside(&[(0, &beat)]),
        inside(&[(0, &hello), (0, &pong), (0, &query)]),
        inside(&[(0, &hello), (0, &hello)]),
        inside(&[(4, &hello)]),
        payload(&[2, 4, 0, 0, 0, 0]),
        payload(&[0, 3, 0, 0, 0, 0]),
        payload(&[2, 1, 0, 0, 0, 0]),
        payload(&[3, 1, 60, 4, 0, 0]),
    ]
}

/// What each end waits for, from another session.
fn frames() -> Vec<Vec<u8>> {
    let mut rng = XorShift::new(77);
    let (mut dialler, mut listener) = (world::dialler(false), world::listener());
    let mut all = Vec::new();
    for _ in 0..2 {
        while let Some(frame) = world::owed(&mut dialler, world::worker(), &mut rng) {
            all.push(frame.clone());
            let _event =
                listener.handle_frame(world::controller(), world::START, &mut frame.clone());
        }
        while let Some(frame) = world::owed(&mut listener, world::controller(), &mut rng) {
            all.push(frame.clone());
            let _event = dialler.handle_frame(world::worker(), world::START, &mut frame.clone());
        }
    }
    let at = |stage: u8, frame: &Vec<u8>| [&[stage], &frame[..]].concat();
    let stages = (0..).zip(&all).map(|(index, frame)| at(index % 4, frame));
    // A reserved kind, one that there is not, another name, another version, too long.
    let kind = |kind: u8| [&[0][..], b"SMSG\x01", &[kind, 0, 0]].concat();
    let odd = [
        vec![0],
        vec![3],
        kind(0x04),
        kind(0x11),
        kind(0x7f),
        kind(0x03),
        [&[0][..], b"GMSG\x01\x01\0\0"].concat(),
        [&[0][..], b"SMSG\x02\x01\0\0"].concat(),
        vec![0; 258],
    ];
    stages.chain(odd).collect()
}

/// Handshakes, talk, faults; see the table in `link_machine`.
fn schedules() -> Vec<Vec<u8>> {
    let talk = [0x07, 0x0f, 1, 0, 0x07, 1, 0x0f, 0];
    vec![
        vec![0, 1, 0, 1, 1, 0],
        [&[2][..], &talk].concat(),
        [&[3][..], &talk].concat(),
        [&[2][..], &talk, &[0x17, 0, 0x1f, 1]].concat(),
        vec![2, 0x07, 0x0b, 1, 1],
        vec![2, 0x07, 0x0c, 9, 0, 1, 1],
        vec![2, 0x07, 0x07, 0x0d, 1],
        vec![2, 6, 90, 1, 0, 6, 90, 6, 90],
        vec![2, 6, 90, 1, 0, 1, 0, 1, 0],
        vec![0, 0x0c, 30, 0, 4, 1, 0],
        vec![2, 0x07, 0x0a, 0x07, 1],
    ]
}

/// What firmware asks, by class, user class and architecture; a lease; options in the fields of names.
fn questions() -> Vec<Vec<u8>> {
    let mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    let message = |kind, options: &[(u8, &[u8])]| {
        let mut out = [0; MAX_DHCP_MESSAGE];
        let header = Header::request(mac, 0x1234_5678);
        let mut writer = Writer::new(&mut out, &header, kind).expect("fits");
        for (code, value) in options {
            writer.option(*code, value).expect("fits");
        }
        writer.finish().expect("fits").to_vec()
    };
    let asked = |kind, class: &str, architecture: u8, user: &[u8]| {
        let options: [(u8, &[u8]); 4] = [
            (option::VENDOR_CLASS, class.as_bytes()),
            (option::CLIENT_ARCHITECTURE, &[0, architecture]),
            (option::CLIENT_UUID, &[0; 17]),
            (option::USER_CLASS, user),
        ];
        message(kind, &options)
    };
    let discover = |class, architecture| asked(MessageType::Discover, class, architecture, b"");
    let lease: [(u8, &[u8]); 8] = [
        (option::SERVER_ID, &[10, 77, 0, 1]),
        (option::LEASE_TIME, &[0, 0, 14, 16]),
        (option::SUBNET_MASK, &[255, 255, 255, 0]),
        (option::ROUTERS, &[10, 77, 0, 1, 10, 77, 0, 3]),
        (option::DNS_SERVERS, &[10, 77, 0, 1]),
        (option::HOST_NAME, b"rig-alpha"),
        (
            option::CLASSLESS_ROUTES,
            b"\0\x0a\x4d\0\x01\x14\x0a\x4e\x1f\0\0\0\0",
        ),
        (option::INTERFACE_MTU, &[5, 120]),
    ];
    let mut overloaded = message(MessageType::Ack, &[(option::OVERLOAD, &[3])]);
    overloaded.splice(44..50, [54, 4, 10, 77, 0, 1]);
    overloaded.splice(108..114, [51, 4, 0, 0, 14, 16]);
    vec![
        discover("PXEClient:Arch:00000:UNDI:002001", 0),
        discover("PXEClient:Arch:00007:UNDI:003000", 7),
        discover("PXEClient:Arch:00011:UNDI:003000", 11),
        discover("HTTPClient:Arch:00016:UNDI:003000", 16),
        discover("HTTPClient:Arch:00019:UNDI:003000", 19),
        asked(MessageType::Discover, "PXEClient", 0, b"iPXE"),
        asked(
            MessageType::Request,
            "PXEClient:Arch:00007:UNDI:003000",
            7,
            b"",
        ),
        message(MessageType::Ack, &lease),
        overloaded,
    ]
}

/// What firmware asks for, and how it goes on.
fn loads() -> Vec<Vec<u8>> {
    let request = |packet: &[u8]| {
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        [&length.to_le_bytes(), packet].concat()
    };
    let after = |ms: u16, packet: &[u8]| {
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        [&length.to_le_bytes(), &ms.to_le_bytes(), packet].concat()
    };
    let ack = |ms, block| after(ms, &[0, 4, 0, block]);
    let acks = |blocks: &[u8]| -> Vec<u8> {
        let acks = blocks.iter().map(|block| ack(1, *block));
        acks.collect::<Vec<_>>().concat()
    };
    let ipxe = b"\0\x0152-54-00-12-34-56/undionly.kpxe\0octet\0blksize\x001432\0tsize\x000\0";
    let ovmf = b"\0\x01x64.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0";
    let aborted = b"\0\x05\0\x08User aborted the transfer\0";
    let all: Vec<u8> = (1..=40).collect();
    vec![
        [request(ipxe), acks(&[0, 1, 2]), ack(1_500, 2)].concat(),
        [request(ovmf), after(1, aborted)].concat(),
        [request(ovmf), acks(&[0, 4, 6, 6, 10, 14])].concat(),
        [request(b"\0\x01x\0octet\0"), acks(&all)].concat(),
        [
            request(b"\0\x01x\0octet\0timeout\x003\0"),
            ack(3_000, 0),
            ack(3_000, 1),
        ]
        .concat(),
        request(b"\0\x02x\0octet\0"),
        request(b"\0\x01x\0netascii\0"),
    ]
}

/// Questions, announcements, a goodbye, and names that lead astray.
fn mdns() -> Vec<Vec<u8>> {
    let after = |ms: u16, packet: &[u8]| {
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        [&length.to_le_bytes(), &ms.to_le_bytes(), packet].concat()
    };
    let mut node = Responder::new(mdns_packet::instance(), Ipv4Addr::LOCALHOST, Millis(0));
    let announced = mdns_packet::said(&mut node, Millis(0)).expect("announced");
    let mut goodbye = [0; 1500];
    let length = node.goodbye(&mut goodbye).expect("fits");
    let question = |name: &[u8], kind: u8| {
        let header = b"\0\0\0\0\0\x01\0\0\0\0\0\0";
        after(2_000, &[&header[..], name, &[0, kind, 0x80, 1]].concat())
    };
    // The first record of an announcement, as an answer that is known already.
    let record = announced.get(30..69).expect("a PTR record");
    let mut known = [QUERY, b"\xc0\x0c", record].concat();
    known.splice(6..8, [0, 1]);
    let id = mdns_packet::instance().fingerprint.node_id();
    let instance = format!("\u{1a}rig-alpha {id}\u{5}_smsg\u{4}_tcp\u{5}local\0");
    let host = format!("\u{15}smsg-{id}\u{5}local\0");
    vec![
        after(2_000, QUERY),
        [after(1_000, QUERY), after(20, QUERY), after(999, QUERY)].concat(),
        after(0, &announced),
        after(0, goodbye.get(..length).expect("whole")),
        after(2_000, &known),
        question(instance.as_bytes(), 33),
        question(instance.as_bytes(), 16),
        question(host.as_bytes(), 1),
        question(b"\xc0\x0c", 12),
        question(b"\x05_smsg\xc0\x0c", 12),
        question(b"\xff\xff", 255),
    ]
}

const JSON: [&str; 6] = [
    r#"{"id":1,"method":"login","params":{"login":"w","pass":"x","agent":"a","algo":["rx/0"]}}"#,
    r#" [ -1.5e+3 , 18446744073709551615, true, false, null, "" ] "#,
    r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 \u0000""#,
    r#"{"a":{"a":{"a":{"a":[[[[0]]]]}}},"a":1,"\u0061":2}"#,
    "\"h\u{e9}llo \u{1f600}\"",
    r#"{"":[],"b":{}}"#,
];

/// Genuine chains, a thief's, a recovery key's, changed ones, bytes that are none.
fn statements() -> Vec<Vec<u8>> {
    // From node 0 to 1, 1 to 2, and so on: the low half is the old node.
    let (one, two, three) = ([0, 0x10], [0, 0x21], [0, 0x32]);
    let recovered = |new: u8, counter: u8| [1, new << 4, counter];
    let any = [&[3, 0][..], b"SMSG/1 succ\0", &[7; 128]].concat();
    vec![
        [&[0][..], &one, &two, &three].concat(),
        [&[1][..], &one, &two, &one].concat(),
        [&[0x80][..], &one, &recovered(2, 0), &one, &two].concat(),
        [
            &[0x80][..],
            &recovered(2, 5),
            &recovered(3, 5),
            &recovered(3, 6),
        ]
        .concat(),
        [&[0x80][..], &recovered(1, 255), &recovered(2, 255)].concat(),
        [&[0][..], &recovered(2, 0), &one].concat(),
        [&[0x80][..], &[2, 0x20, 9], &one].concat(),
        [&[0][..], &[0x40, 0x10, 148, 0, 3]].concat(),
        [&[0][..], &[0x80, 0x10, 140, 0, 1, 148, 0, 3]].concat(),
        [&[0][..], &[0x40, 0x10, 213, 0, 1], &one].concat(),
        [&[0x80][..], &any, &[0; 8], &[2]].concat(),
    ]
}

fn files() -> Vec<Vec<u8>> {
    let sealed = |choice: u8, body: &[u8]| [&[0x80 | choice], body].concat();
    let file = |which: u8| (0..7).find(|c| (0x80 | *c) % 7 == which).unwrap_or(0);
    let desired = |state| {
        let generation = 7;
        let desired = Desired { generation, state };
        postcard::to_slice(&desired, &mut [0; 1024])
            .expect("fits")
            .to_vec()
    };
    let mut code = [&[0; 16][..], &u64::MAX.to_le_bytes()].concat();
    code.extend_from_slice(pairing().to_string().as_bytes());
    let json = r#"{"id":"x","name":"rig-alpha","role":"worker","createdAt":"2026-01-01T00:00:00Z","publicKey":"","signingKey":"","fingerprint":""}"#;
    vec![
        sealed(file(0), &[1; 32]),
        sealed(file(0), &[1; 31]),
        sealed(file(1), &[]),
        sealed(file(1), &[0]),
        sealed(file(1), &pins(2, 1)),
        sealed(file(1), &pins(4, 8)),
        sealed(file(1), &pins(5, 0)),
        sealed(file(1), &pins(1, 9)),
        sealed(file(5), &[5; 64]),
        sealed(file(5), &[5; 33]),
        sealed(file(5), &[5; 160]),
        sealed(file(6), &[]),
        sealed(file(6), &chain(1)),
        sealed(file(6), &chain(4)),
        sealed(file(6), &chain(5)),
        sealed(file(2), &desired(State::Stopped)),
        sealed(file(2), &desired(State::Mine(profile()))),
        sealed(file(3), &code),
        [&[4], json.as_bytes()].concat(),
        [&[0], &b"SMSGKEY1"[..], &[0; 40]].concat(),
    ]
}

/// The body of a list of managers, each other one with a recovery key.
fn pins(count: u8, former: usize) -> Vec<u8> {
    let mut body = vec![count];
    for number in 0..count {
        let known = number % 2;
        body.extend_from_slice(&[number; 32]);
        body.push(known);
        body.extend_from_slice(&[7 * known; 32]);
        body.extend_from_slice(&u64::from(number).to_le_bytes());
    }
    body.resize(body.len() + 64 * former, 9);
    body
}

/// Statements that end at the node of the files' seed.
fn chain(count: u8) -> Vec<u8> {
    let keys = |seed: u8| NodeKeys::from_seed(&[seed; 32]);
    let steps = (1..=count).rev();
    let steps = steps.map(|step| Statement::by_old(&keys(step + 1), &keys(step)));
    steps.flat_map(|statement| *statement.as_bytes()).collect()
}

fn rest() -> Vec<Vec<u8>> {
    let with = |route: u8, segment: &str, body: &str| {
        [&[route], segment.as_bytes(), &[0], body.as_bytes()].concat()
    };
    let id = world::worker().fingerprint().node_id().to_string();
    let other = world::controller().fingerprint();
    let pools = r#"[{"url":"pool.example:3333","user":"wallet","pass":"x","tls":false}]"#;
    vec![
        with(0, "", r#"{"name":"x","role":"dual"}"#),
        with(1, "", r#"{"name":"b","fingerprint":"KEY","tofu":true}"#)
            .into_iter()
            .collect(),
        with(1, "", &format!(r#"{{"fingerprint":"{other}"}}"#)),
        with(1, "", r#"{"pairingCode":"AAAA"}"#),
        with(
            2,
            "",
            &format!(r#"{{"name":"p","pools":{pools},"threads":2,"mode":"light"}}"#),
        ),
        with(3, &id, r#"{"profileId":"p"}"#),
        with(4, "rig-alpha", r#"{"minerName":"miner-rx0"}"#),
        with(5, &id, ""),
        with(6, "ab", ""),
        with(8, &id, ""),
        with(10, "lines=100", ""),
        with(12, &id, ""),
        with(11, "p%2f..%00", ""),
        with(11, "p", ""),
        with(13, "p", ""),
        with(
            15,
            "",
            r#"{"uses":2,"expiresSecs":60,"namePattern":"rig-*","from":"10.0.0.0/8","group":"hall","approve":false,"ephemeral":true,"label":"t"}"#,
        ),
        with(15, "", "{}"),
        with(2, "", r#"{"name":"p","pools":[]}"#),
        with(
            2,
            "",
            &format!(r#"{{"name":"p","pools":{pools},"threads":257,"mode":"slow"}}"#),
        ),
        with(10, "lines=0", ""),
        with(16, "0102030405060708", ""),
        with(17, &id, r#"{"name":"rig-beta"}"#),
        with(18, &id, ""),
        with(19, &id, ""),
        with(20, &id, ""),
        with(21, "events", ""),
        with(22, "", ""),
        with(23, "", ""),
        with(24, "", ""),
        with(25, "", ""),
        with(26, "", ""),
        with(27, "", ""),
        with(7, &id, ""),
        with(13, "none", ""),
        with(1, "", r#"{"fingerprint":"x","tofu":true}"#),
        with(1, "", r#"{"name":"\u001b","tofu":false}"#),
    ]
}

fn stratum() -> Vec<Vec<u8>> {
    let (blob, seed) = ("0".repeat(152), "ab".repeat(32));
    let job = format!(
        r#"{{"blob":"{blob}","job_id":"a","target":"b88d0600","algo":"rx/0","height":7,"seed_hash":"{seed}"}}"#
    );
    let welcome = format!(
        r#"{{"id":1,"jsonrpc":"2.0","error":null,"result":{{"id":"s1","job":{job},"extensions":["algo","nicehash","keepalive"],"status":"OK"}}}}"#
    );
    let next = format!(
        r#"{{"method":"job","params":{}}}"#,
        job.replace("\"a\"", "\"b\"")
    );
    let pool = |lines: &[&str]| [&[0], lines.join("\n").as_bytes(), b"\n"].concat();
    let miner = |lines: &[&str]| [&[1], lines.join("\n").as_bytes(), b"\n"].concat();
    let login = r#"{"id":1,"method":"login","params":{"login":"w","pass":"x","agent":"xmrig/6","algo":["rx/0"],"rigid":"r"}}"#;
    let submit = |nonce: &str| {
        let (session, result) = ("0807060504030201", "ee".repeat(24));
        format!(
            r#"{{"id":2,"method":"submit","params":{{"id":"{session}","job_id":"080706051","nonce":"{nonce}","result":"{result}0100000000000000"}}}}"#
        )
    };
    let (one, two) = (submit("00000000"), submit("00000001"));
    let ping = r#"{"id":3,"method":"keepalived","params":{"id":"0807060504030201"}}"#;
    let ok = r#"{"id":2,"error":null,"result":{"status":"OK"}}"#;
    let stale = r#"{"id":3,"error":{"code":-1,"message":"Block expired"}}"#;
    let banned = r#"{"error":{"code":-1,"message":"your IP is banned"}}"#;
    let unwelcome = r#"{"id":2,"error":{"code":-1,"message":"Unauthenticated"}}"#;
    let with = |from: &str, to: &str| one.replace(from, to);
    let without = |key: &str| welcome.replace(&format!("\"{key}\":"), "\"x\":");
    vec![
        pool(&[&welcome, &next, "!s", ok, "!s", stale]),
        pool(&[&welcome, "!s", "!t\u{19}", "!t<", "!t<"]),
        pool(&["!t\u{7f}"]),
        pool(&[&welcome, "!s", "!t<", "!t\u{7f}"]),
        pool(&[
            &welcome,
            "!t<",
            r#"{"id":2,"result":{"status":"KEEPALIVED"}}"#,
        ]),
        pool(&[&welcome, "!s", r#"{"id":"2","error":null,"result":true}"#]),
        pool(&[&welcome, "!s", r#"{"id":2.0,"error":null,"result":1}"#]),
        pool(&[&welcome, "!s", "!s", "!s", "!s", "!s", "!s", banned]),
        pool(&[&welcome, banned]),
        pool(&[&welcome, "!s", unwelcome]),
        pool(&[&welcome, "!t<", "!t\u{7f}", "!t\u{7f}"]),
        pool(&[&without("job_id")]),
        pool(&[&without("blob")]),
        pool(&[&without("target")]),
        pool(&[&without("seed_hash")]),
        pool(&[&without("job")]),
        pool(&[&welcome.replace("rx/0", "cn/r")]),
        pool(&[
            &welcome,
            &next,
            "!s",
            &ok.replace("{\"status\":\"OK\"}", "null"),
        ]),
        pool(&[
            "",
            "{}",
            &welcome,
            "{}",
            r#"{"id":77,"result":{}}"#,
            "[]",
            "[]",
            "[]",
        ]),
        [&[0], "\u{8}".repeat(40).as_bytes()].concat(),
        pool(&["[1]", r#"{"id":1,"result":{"status":"OK"}}"#]),
        pool(&["x", "y", "z"]),
        pool(&[&"x".repeat(17_000)]),
        pool(&[r#"{"id":1,"error":{"code":-1,"message":"Invalid payment address"}}"#]),
        pool(&[
            &welcome,
            r#"{"method":"client.reconnect","params":[]}"#,
            "x",
            "y",
        ]),
        pool(&[&welcome, r#"{"method":"job","params":{"blob":"00"}}"#]),
        miner(&[login, &one, "!a0", &one, &two, "!a1", "!j1", ping]),
        miner(&[login, "!j2", "!j3", &two, "!a4"]),
        miner(&[&login.replace("\"w\"", "\"refused\""), ping]),
        miner(&[login, r#"{"id":9,"method":"getjob"}"#, r#"{"id":9}"#, "[]"]),
        miner(&[ping]),
        miner(&["!t\u{7f}"]),
        miner(&[
            login, &one, "!a5", &two, "!a2", "!t\u{7f}", "!t\u{7f}", "!t\u{7f}",
        ]),
        miner(&[r#"{"id":1,"method":"login","params":{"login":"w","algo":["cn/r"]}}"#]),
        miner(&[r#"{"id":1,"method":"login","params":{}}"#]),
        miner(&[
            &login.replace("xmrig/6", "miner/0.1"),
            "!j5",
            "!j2",
            "!j3",
            "!j4",
            "!j6",
        ]),
        miner(&[login, &with("0807060504030201", "0")]),
        miner(&[login, &with("\"nonce\":\"00", "\"nonce\":\"zz")]),
        miner(&[login, &with("0100000000000000", "ffffffffffffffff")]),
        miner(&[
            login,
            &with("\"params\":{", "\"params\":{\"algo\":\"cn/r\","),
        ]),
        miner(&[login, "!j2", &with("080706051\"", "080706052\"")]),
        miner(&["x"]),
        miner(&[login, login]),
        miner(&[login, r#"{"id":5,"method":"submit"}"#]),
        miner(&[
            login,
            &one,
            &two,
            &one.replace("00000000", "00000002"),
            "!a5",
        ]),
        miner(&[
            &login.replace("xmrig/6", "p"),
            "!j2",
            "!j8",
            &with("080706051", "080706053"),
        ]),
    ]
}

fn pairing() -> PairingCode {
    PairingCode::generate(&mut XorShift::new(3))
}

fn typed() -> Vec<Vec<u8>> {
    let controller = world::controller().fingerprint();
    let token = EnrolToken::generate(&mut XorShift::new(4), &controller);
    let hash = "ab".repeat(32);
    let blob = "0".repeat(152);
    let code = pairing().to_string();
    // The last character but the two of the check has bits that no byte has; the check itself.
    let other = |at: usize| {
        let next = |c: char| {
            if c == 'Z' {
                '0'
            } else {
                char::from(c as u8 + 1)
            }
        };
        let changed = code
            .char_indices()
            .map(|(i, c)| if i == at { next(c) } else { c });
        changed.collect::<String>()
    };
    let owned = [
        other(code.len() - 4),
        other(code.len() - 1),
        "0".repeat(900),
        "0".repeat(10),
        "0".repeat(60),
        "x".repeat(300),
        controller.to_string(),
        controller.to_string().to_lowercase().replace('-', " "),
        controller.node_id().to_string(),
        pairing().to_string(),
        token.to_string(),
        hash,
        blob,
    ];
    let short = [
        "rig-alpha",
        "miner-rx0",
        "pool.example:3333",
        "[::1]:9091",
        "b88d0600",
        "00000000",
        "0000000000000000",
        "zzzzzzzz",
        "worker",
        "controller",
        "",
        "rig-",
        "rig alpha",
        "pool.example:0",
        "Miner",
        "b88d060000000000",
        "rx/0",
        "dual",
        "a\u{1b}[2J\u{202e}",
    ];
    let owned = owned.iter().map(String::as_str);
    let all: Vec<&str> = owned.chain(short).collect();
    texts(&all)
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut out = [0; MAX_MESSAGE];
    message.encode(&mut out).expect("fits").to_vec()
}

/// Good ones; no message, one cut short, one with a byte too many.
fn bodies() -> Vec<Vec<u8>> {
    let good = messages().iter().map(encoded).collect::<Vec<_>>();
    let odd = [
        vec![],
        vec![0x7f],
        vec![4, 0],
        [&good[3][..], &[0]].concat(),
    ];
    good.into_iter().chain(odd).collect()
}
