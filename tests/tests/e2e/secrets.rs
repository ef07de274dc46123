//! What a whole run leaves behind: consoles, logs, files, process lists and the wire. No secret is in
//! any of it, in whatever form, but in the files whose purpose it is.
//!
//! | secret | may be in |
//! |---|---|
//! | a node's seed | its `private.key` |
//! | the token's secret | the file that `token create` wrote, the controller's registry |
//! | an API token, the token of the controller's run | no file that is left: the registry has a SHA-256 |
//! | the pairing code | the rig's console (and not here: its file is removed once it is used) |
//! | the pool's password | the file that the owner wrote, the controller's registry, the rigs' `state` |
//!
//! What is derived of them (both keys of a seed, pre-shared keys) is nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use farm_tests::eventually;
use farm_tests::home::{self, Home, MINER, MINER_CTRL};
use farm_tests::relay::Relay;
use farm_tests::service::Service;
use miner_shared::base32::{self, Label};
use miner_shared::crypto::hkdf_sha256;
use miner_shared::identity::{EnrolToken, PairingCode, key_file};

use super::{ANSWER, Controller, Outcome, Pool, START, last_word};

/// Something that must not be found, and the files that it may be in.
struct Secret {
    name: String,
    /// Every way to write it.
    forms: Vec<Vec<u8>>,
    /// The characters that it alone decides in the text form of which it is a part.
    base32: Option<String>,
    home: &'static [&'static str],
}

impl Secret {
    fn new(name: &str, bytes: &[u8], home: &'static [&'static str]) -> Self {
        let hex = hex::encode(bytes);
        let decimal = format!("{bytes:?}");
        let spaced = format!("{bytes:02x?}");
        let within = |text: &str| text.trim_matches(['[', ']']).as_bytes().to_vec();
        let mut forms = vec![
            bytes.to_vec(),
            hex.to_uppercase().into_bytes(),
            hex.into_bytes(),
            within(&decimal),
            within(&spaced),
        ];
        // Three times: the bytes in front of it move the groups of base64.
        for skipped in 0..3 {
            let whole = bytes.len().saturating_sub(skipped) / 3 * 3;
            let text = base64(&bytes[skipped..skipped + whole]);
            forms.push(text.replace('+', "-").replace('/', "_").into_bytes());
            forms.push(text.into_bytes());
        }
        Self {
            name: name.to_owned(),
            forms,
            base32: None,
            home,
        }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let squeezed: Vec<u8> = bytes
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(u8::to_ascii_uppercase)
            .collect();
        self.forms.iter().any(|form| holds(bytes, form))
            || (self.base32.iter()).any(|text| holds(&squeezed, text.as_bytes()))
    }
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    assert!(wanted.len() >= 12, "too short to mean anything");
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// RFC 4648, for whole groups of three.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.as_chunks::<3>().0 {
        let bits = group
            .iter()
            .fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        out.extend(
            (0..4)
                .rev()
                .map(|at| char::from(LETTERS[bits >> (6 * at) & 63])),
        );
    }
    out
}

/// The secrets of a node, read from its key file.
fn of_node(name: &str, home: &Home) -> [Secret; 3] {
    let file = fs::read(home.path().join("data/lethean-desktop/node/private.key")).unwrap();
    let seed = key_file::decode(&file).unwrap();
    let derived = |info: &[u8]| hkdf_sha256::<32>(b"SMSG/1 keys", &*seed, info);
    [
        Secret::new(&format!("{name}: seed"), &*seed, &["private.key"]),
        Secret::new(&format!("{name}: x25519"), &*derived(b"x25519"), &[]),
        Secret::new(&format!("{name}: ed25519"), &*derived(b"ed25519"), &[]),
    ]
}

fn of_token(text: &str) -> [Secret; 2] {
    let token: EnrolToken = text.parse().unwrap();
    let enrolment = token.enrolment();
    let files = &["hall.token", "registry.redb"];
    let mut secret = Secret::new("token", &*enrolment.secret, files);
    // Behind its prefix: 64 bits of id, 128 of the secret, five to a character.
    let characters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    secret.base32 = characters.get(4 + 13..4 + 38).map(str::to_owned);
    let psk = hkdf_sha256::<32>(b"SMSG/1 enrol", &*enrolment.secret, &enrolment.token_id);
    [secret, Secret::new("token: pre-shared key", &*psk, &[])]
}

/// An API token: its secret is kept by its hash alone.
fn of_api_token(text: &str) -> Secret {
    let text = text.strip_prefix("mct_").unwrap();
    let bytes: [u8; 40] = base32::read(Label::Api, text).unwrap();
    let mut secret = Secret::new("API token", &bytes[8..], &[]);
    // 64 bits of its name, 256 of the secret, five to a character.
    secret.base32 = text.get(13..13 + 51).map(str::to_owned);
    secret
}

fn of_code(text: &str) -> [Secret; 2] {
    let code: PairingCode = text.parse().unwrap();
    let mut secret = Secret::new("pairing code", code.secret(), &[]);
    let characters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    secret.base32 = characters.get(..25).map(str::to_owned);
    let psk = hkdf_sha256::<32>(b"SMSG/1 enrol", code.secret(), &code.token_id());
    [
        secret,
        Secret::new("pairing code: pre-shared key", &*psk, &[]),
    ]
}

/// What was found where.
#[derive(Default)]
struct Artefacts(Vec<(String, Vec<u8>)>);

impl Artefacts {
    fn add(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.0.push((name.to_owned(), bytes.into()));
    }

    /// What the system shows of a process to whoever looks.
    fn process(&mut self, name: &str, service: &Service) {
        for id in service.children().into_iter().chain([service.id()]) {
            for file in ["cmdline", "environ", "comm"] {
                let path = format!("/proc/{id}/{file}");
                let bytes = fs::read(&path).unwrap();
                assert!(!bytes.is_empty(), "{path}");
                self.add(&format!("{name}: {path}"), bytes);
            }
        }
    }

    fn files(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.files(&path);
            } else {
                self.add(&path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }

    /// Every secret is where it belongs, which shows that the search sees, and nowhere else.
    fn judge(&self, secrets: &[Secret]) {
        let bytes: usize = self.0.iter().map(|(_, bytes)| bytes.len()).sum();
        println!(
            "measured: {} artefacts, {bytes} bytes, {} secrets",
            self.0.len(),
            secrets.len()
        );
        for secret in secrets {
            let (mut at_home, mut astray) = (BTreeSet::new(), Vec::new());
            for (name, _) in self.0.iter().filter(|(_, bytes)| secret.is_in(bytes)) {
                match secret
                    .home
                    .iter()
                    .find(|file| name.ends_with(&format!("/{file}")))
                {
                    Some(file) => drop(at_home.insert(*file)),
                    None => astray.push(name),
                }
            }
            assert!(astray.is_empty(), "{} is in {astray:#?}", secret.name);
            let kept = secret.home.iter().filter(|file| **file != "state").copied();
            assert_eq!(at_home, kept.collect(), "{} is not there", secret.name);
        }
    }

    /// Runs a command of the controller's owner and keeps what it prints.
    fn run(&mut self, home: &Home, arguments: &[&str], input: &str) -> Outcome {
        let ran = home.run_with_input(MINER_CTRL, arguments, input)?;
        self.add(&ran.line, ran.text());
        self.add(&ran.line, ran.line.clone());
        ran.ok().map(drop)
    }
}

#[test]
fn a_whole_run_leaves_no_secret_but_where_it_belongs() -> Outcome {
    const PASSWORD: &str = "correct-horse-battery-staple";
    const WALLET: &str = "4WalletOfTheOwner1234567890";
    let mut found = Artefacts::default();
    let pool = Pool::start()?;

    let home = Home::new("control-center").unwrap();
    found.run(&home, &["node", "init", "--role", "controller"], "")?;
    let serve = ["node", "serve", "--log-level", "trace"];
    let mut service = home.serve(MINER_CTRL, &[&serve[..], super::ANY_PORTS].concat())?;
    let page = last_word(&service.expect("http://", START)?);
    let dial_in = last_word(&service.expect("rigs dial in", START)?);
    let mut controller = Controller { home, service };
    let home = &controller.home;
    let file = |name: &str| home.path().join(name).display().to_string();

    // A rig by token, over a wire that is recorded.
    let wire = Relay::to(&dial_in).unwrap();
    let token = file("hall.token");
    found.run(home, &["token", "create", "--out", &token], "")?;
    let rig = Home::new("rig-alpha").unwrap();
    let init = ["node", "init", "--name", "rig-alpha", "--role", "worker"];
    rig.run(MINER, &init)?.ok()?;
    let by_token = ["--controller", wire.address(), "--token-file", &token];
    let by_token = [&["node", "serve", "--log-level", "trace"], &by_token[..]].concat();
    let mut alpha = rig.serve(MINER, &by_token)?;
    alpha.expect("link up", START)?;

    // Another by its pairing code.
    let other = Home::new("rig-beta").unwrap();
    let init = ["node", "init", "--name", "rig-beta", "--role", "worker"];
    other.run(MINER, &init)?.ok()?;
    let listen = [
        "node",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--log-level",
        "trace",
    ];
    let mut beta = other.serve(MINER, &listen)?;
    let second = Relay::to(&last_word(&beta.expect("listening", START)?)).unwrap();
    let code = last_word(&beta.expect("pairing code", START)?);
    let add = [
        "peer",
        "add",
        "--address",
        second.address(),
        "--pair-file",
        "-",
    ];
    found.run(home, &add, &code)?;

    // A profile with a password; the rig connects to the pool with it.
    fs::write(file("pass"), PASSWORD).unwrap();
    fs::write(file("wallet"), WALLET).unwrap();
    let create = ["profile", "create", "--name", "p", "--pool", &pool.address];
    let files = ["--user-file", &file("wallet"), "--pass-file", &file("pass")];
    let how = ["--threads", "1", "--mode", "light"];
    found.run(home, &[&create[..], &files, &how].concat(), "")?;
    found.run(
        home,
        &["remote", "start", "rig-alpha", "--profile", "p"],
        "",
    )?;
    alpha.expect("pool", START)?;
    found.run(home, &["remote", "status"], "")?;
    let logs = ["remote", "logs", "rig-alpha", "miner-rx0", "--lines", "100"];
    eventually("the pool in the rig's log", ANSWER, || {
        let ran = home.run(MINER_CTRL, &logs).ok()?;
        ran.stdout.contains("pool").then_some(())
    })?;
    for command in [
        &logs[..],
        &["remote", "status", "rig-alpha", "--json"],
        &["profile", "show", "p", "--json"],
        &["profile", "list"],
        &["token", "list", "--json"],
        &["peer", "list", "--json"],
        &["peer", "ping", "rig-beta"],
        &["remote", "stop", "rig-alpha"],
        &["remote", "stop", "rig-beta"],
        &["node", "info", "--json"],
    ] {
        found.run(home, command, "")?;
    }
    // The owner's token for the page, which goes over the wire of this machine alone.
    let api_token = home.api_token()?;
    // The token of the controller's run, by which its command line is heard.
    let announced = home.path().join("data/lethean-desktop/controller.http");
    let announced = fs::read_to_string(announced).unwrap();
    let run_token = announced.split_whitespace().nth(1).unwrap().to_owned();
    for path in ["", "api/v1/mining/profiles", "api/v1/mining/peers"] {
        found.add(path, home::page(&format!("{page}{path}"), &api_token)?);
    }
    for (name, service) in [
        ("controller", &controller.service),
        ("rig-alpha", &alpha),
        ("rig-beta", &beta),
    ] {
        found.process(name, service);
    }
    found.run(home, &["peer", "remove", "rig-alpha"], "")?;
    alpha.expect("link down", START)?;
    for (name, service) in [
        ("controller", &mut controller.service),
        ("rig-alpha", &mut alpha),
        ("rig-beta", &mut beta),
    ] {
        service.interrupt(ANSWER)?;
        let said = service.transcript();
        // Where the owner reads it.
        let shown = |line: &&str| !line.starts_with("pairing code");
        let said: Vec<&str> = said.lines().filter(shown).collect();
        assert!(!said.iter().any(|line| line.contains(WALLET)), "{said:#?}");
        found.add(&format!("console of {name}"), said.join("\n"));
    }
    for (name, wire) in [("rig-alpha", &wire), ("rig-beta", &second)] {
        let bytes = wire.recorded();
        assert!(bytes.windows(4).any(|four| four == b"SMSG"), "{name}");
        found.add(&format!("wire of {name}"), bytes);
    }
    for machine in [&controller.home, &rig, &other] {
        found.files(machine.path());
    }

    let mut secrets = Vec::new();
    secrets.extend(of_node("controller", &controller.home));
    secrets.extend(of_node("rig-alpha", &rig));
    secrets.extend(of_node("rig-beta", &other));
    secrets.extend(of_token(fs::read_to_string(&token).unwrap().trim()));
    secrets.extend(of_code(&code));
    secrets.extend([&api_token, &run_token].map(|token| of_api_token(token)));
    let files = &["pass", "registry.redb", "state"];
    secrets.push(Secret::new("password", PASSWORD.as_bytes(), files));
    found.judge(&secrets);
    Ok(())
}
