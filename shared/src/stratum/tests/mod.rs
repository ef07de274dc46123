//! Client and server against each other, and each against hostile lines, in virtual time.

mod accounting;
mod client;
mod hostile;
mod server;

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::limits::*;
use crate::mining::{Blob, Difficulty, Hash, JobId, SeedHash, Share, Submitted, Verdict};
use crate::text::{Label, Name, PoolPass, PoolUser};
use crate::time::Millis;
use crate::wire::Algo;

const SESSION: &str = "0807060504030201";
const WELCOME: &str = r#"{"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"s1","job":JOB,"extensions":["algo","nicehash","keepalive"],"status":"OK"}}"#;

fn login() -> Login {
    Login {
        user: PoolUser::parse("wallet").expect("valid"),
        pass: PoolPass::parse("x").expect("valid"),
        agent: Label::parse("miner/0.1.0 (linux; x86_64)").expect("valid"),
        rig: Some(Name::parse("rig-07").expect("valid")),
        nicehash: false,
    }
}

fn template(byte: u8) -> Template {
    Template {
        blob: Blob::from_bytes(&[byte; 76]).expect("valid").with_nonce(0),
        algo: Algo::Rx0,
        height: 3_500_000 + u64::from(byte),
        seed: SeedHash([9; 32]),
        next_seed: None,
        nicehash: false,
    }
}

fn job_json(id: &str, target: &str) -> String {
    let (blob, seed) = ("0".repeat(152), "ab".repeat(32));
    format!(
        r#"{{"blob":"{blob}","job_id":"{id}","target":"{target}","algo":"rx/0","height":7,"seed_hash":"{seed}"}}"#
    )
}

fn job_line(id: &str, target: &str) -> String {
    format!(r#"{{"method":"job","params":{}}}"#, job_json(id, target))
}

/// A share for a job id that meets any target but the hardest.
fn share(job_id: &JobId, nonce: u32) -> Share {
    let mut hash: Hash = [0xee; 32];
    hash[24..].copy_from_slice(&1_u64.to_le_bytes());
    Share {
        job_id: job_id.clone(),
        nonce,
        hash,
        thread: 3,
    }
}

fn sent(client: &mut Client, now: u64) -> Vec<String> {
    let mut out = [0; MAX_SENT_LINE];
    let mut lines = Vec::new();
    while let Some(n) = client.poll_transmit(Millis(now), &mut out) {
        assert_eq!(out[n - 1], b'\n');
        lines.push(String::from_utf8(out[..n - 1].to_vec()).expect("UTF-8"));
    }
    lines
}

fn answered(server: &mut Server) -> Vec<String> {
    let mut out = [0; MAX_JOB_LINE];
    let mut lines = Vec::new();
    while let Some(n) = server.poll_transmit(&mut out) {
        lines.push(String::from_utf8(out[..n - 1].to_vec()).expect("UTF-8"));
    }
    lines
}

/// A client that a pool with all extensions let in at time 0.
fn logged_in() -> Client {
    let mut client = Client::new(Millis(0), login());
    assert_eq!(sent(&mut client, 0).len(), 1);
    let welcome = WELCOME.replace("JOB", &job_json("a", "b88d0600"));
    let event = client.handle_line(Millis(0), welcome.as_bytes());
    assert!(matches!(event, Ok(ClientEvent::LoggedIn(_))), "{event:?}");
    client
}

fn says(client: &mut Client, now: u64, line: &str) -> Result<ClientEvent, ClientError> {
    client.handle_line(Millis(now), line.as_bytes())
}

/// A server that let a miner in at time 0 with difficulty 1000, and the miner's job id.
fn serving(agent: &str) -> (Server, String) {
    let mut server = Server::new(Millis(0), [8, 7, 6, 5, 4, 3, 2, 1]);
    let line = format!(
        r#"{{"id":1,"method":"login","params":{{"login":"w","pass":"x","agent":"{agent}","algo":["rx/wow","rx/0"]}}}}"#
    );
    let event = server.handle_line(Millis(0), line.as_bytes());
    assert!(matches!(event, Ok(ServerEvent::Login(_))), "{event:?}");
    server.accept(template(1), Difficulty(1_000));
    let welcome = answered(&mut server).concat();
    (server, member(&welcome, "job_id"))
}

/// The string after `"key":"`.
fn member(line: &str, key: &str) -> String {
    let from = line.split_once(&format!("\"{key}\":\"")).expect(key).1;
    from.split('"').next().expect("closed").to_string()
}

fn submit_line(id: u32, job: &str, nonce: &str, tail: &str) -> String {
    let result = format!("{}{tail}", "ee".repeat(24));
    format!(
        r#"{{"id":{id},"method":"submit","params":{{"id":"{SESSION}","job_id":"{job}","nonce":"{nonce}","result":"{result}"}}}}"#
    )
}

const MET: &str = "0100000000000000";

fn hears(server: &mut Server, line: &str) -> (ServerEvent, String) {
    let event = server
        .handle_line(Millis(1), line.as_bytes())
        .expect("JSON");
    (event, answered(server).join("\n"))
}

#[test]
fn a_share_goes_all_the_way_and_comes_back_accepted() {
    let mut client = Client::new(Millis(0), login());
    let mut server = Server::new(Millis(0), [1; 8]);
    let [line] = &sent(&mut client, 0)[..] else {
        panic!("one login")
    };
    let Ok(ServerEvent::Login(request)) = server.handle_line(Millis(5), line.as_bytes()) else {
        panic!("a login");
    };
    assert_eq!(request.user.as_str(), "wallet");
    assert_eq!(request.rig.as_ref().map(|r| r.as_str()), Some("rig-07"));
    server.accept(template(1), Difficulty(100_000));
    let reply = answered(&mut server).concat();
    let Ok(ClientEvent::LoggedIn(job)) = says(&mut client, 10, &reply) else {
        panic!("{reply}")
    };
    assert_eq!(
        job.target.difficulty(),
        Difficulty(100_000),
        "eight bytes for our own agents"
    );
    assert_eq!((job.height, job.seed), (Some(3_500_001), SeedHash([9; 32])));

    client.submit(share(&job.id, 0x4000_03d0)).expect("room");
    let line = sent(&mut client, 20).concat();
    assert_eq!(member(&line, "nonce"), "d0030040");
    let Ok(ServerEvent::Claimed(claim)) = server.handle_line(Millis(25), line.as_bytes()) else {
        panic!("a claim: {line}");
    };
    assert_eq!(claim.input, template(1).blob.with_nonce(0x4000_03d0));
    assert!(
        answered(&mut server).is_empty(),
        "nothing before the verdict"
    );
    assert!(server.answer(claim.ticket, Verdict::Accepted));
    assert!(!server.answer(claim.ticket, Verdict::Accepted), "once");
    let reply = answered(&mut server).concat();
    let Ok(ClientEvent::Answered {
        verdict,
        latency_ms,
        ..
    }) = says(&mut client, 45, &reply)
    else {
        panic!("{reply}");
    };
    assert_eq!((verdict, latency_ms), (Verdict::Accepted, 25));

    server.send_job(template(2), Difficulty(50));
    let line = answered(&mut server).concat();
    assert!(
        !line.contains("\"id\""),
        "a job with an id is a reply to a stock miner"
    );
    assert!(matches!(
        says(&mut client, 50, &line),
        Ok(ClientEvent::Job(_))
    ));
}

#[test]
fn a_job_that_went_with_the_welcome_is_not_sent_again() {
    let mut server = Server::new(Millis(0), [1; 8]);
    let line = br#"{"id":1,"method":"login","params":{"login":"w"}}"#;
    server.handle_line(Millis(0), line).expect("a login");
    server.accept(template(1), Difficulty(1));
    server.send_job(template(2), Difficulty(1));
    assert_eq!(answered(&mut server).len(), 1, "the newest job, once");
}

#[test]
fn every_verdict_of_the_server_is_understood_by_the_client() {
    for verdict in [
        Verdict::Accepted,
        Verdict::Stale,
        Verdict::LowDifficulty,
        Verdict::Duplicate,
        Verdict::Invalid,
        Verdict::Refused,
    ] {
        let (mut server, job) = serving("xmrig");
        let line = submit_line(2, &job, "00000000", MET);
        let Ok(ServerEvent::Claimed(claim)) = server.handle_line(Millis(1), line.as_bytes()) else {
            panic!("a claim");
        };
        server.answer(claim.ticket, verdict);
        let mut client = logged_in();
        client
            .submit(share(&JobId::parse("a").expect("valid"), 1))
            .expect("room");
        sent(&mut client, 1);
        let event = says(&mut client, 2, &answered(&mut server).concat());
        let Ok(ClientEvent::Answered { verdict: heard, .. }) = event else {
            panic!("{event:?}")
        };
        assert_eq!(heard, verdict);
    }
}
