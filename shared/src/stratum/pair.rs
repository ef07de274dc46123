//! Client and server against each other, and each against hostile lines, in virtual time.

use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use super::*;
use crate::limits::*;
use crate::mining::{Blob, Difficulty, Hash, JobId, SeedHash, Share, Verdict};
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

#[test]
fn four_submits_are_in_flight_and_the_rest_wait_in_a_bounded_queue() {
    let mut client = logged_in();
    let id = JobId::parse("a").expect("valid");
    for nonce in 0..64 {
        client.submit(share(&id, nonce)).expect("room");
    }
    assert_eq!(client.submit(share(&id, 64)), Err(SubmitError::Full));
    let lines = sent(&mut client, 10);
    assert_eq!(lines.len(), MAX_UNANSWERED);
    assert!(lines[0].contains(r#""id":2,"#) && lines[0].contains(r#""algo":"rx/0""#));
    assert_eq!(client.outstanding(), 64);
    let event = says(
        &mut client,
        30,
        r#"{"id":3,"error":null,"result":{"status":"OK"}}"#,
    );
    assert!(matches!(
        event,
        Ok(ClientEvent::Answered { latency_ms: 20, .. })
    ));
    assert_eq!(sent(&mut client, 30).len(), 1, "one answered, one sent");
    assert_eq!(client.outstanding(), 63);
}

#[test]
fn a_submit_without_an_answer_is_lost_after_20_s_and_counted_once() {
    let mut client = logged_in();
    let id = JobId::parse("a").expect("valid");
    for nonce in 0..3 {
        client.submit(share(&id, nonce)).expect("room");
    }
    sent(&mut client, 1_000);
    assert_eq!(client.poll_timeout(), Some(Millis(21_000)));
    assert_eq!(client.handle_timeout(Millis(20_999)), Ok(ClientEvent::Idle));
    let lost = ClientEvent::Lost {
        count: 3,
        in_a_row: 3,
    };
    assert_eq!(client.handle_timeout(Millis(21_000)), Ok(lost));
    assert_eq!(client.outstanding(), 0);
    let late = r#"{"id":2,"error":null,"result":{"status":"OK"}}"#;
    assert_eq!(
        says(&mut client, 21_001, late),
        Ok(ClientEvent::Idle),
        "late: lost already"
    );
}

#[test]
fn login_silence_and_login_errors_end_the_connection() {
    let mut client = Client::new(Millis(5), login());
    sent(&mut client, 5);
    assert_eq!(client.poll_timeout(), Some(Millis(10_005)));
    assert_eq!(
        client.handle_timeout(Millis(10_005)),
        Err(ClientError::LoginTimeout)
    );

    let refused = |line: &str| {
        let mut client = Client::new(Millis(0), login());
        sent(&mut client, 0);
        says(&mut client, 1, line).expect_err("refused")
    };
    let error = refused(r#"{"id":1,"error":{"code":-1,"message":"Invalid payment address"}}"#);
    assert!(error.to_string().contains("Invalid payment address"));
    assert_eq!(
        refused(r#"{"id":1,"result":{"status":"OK"}}"#),
        ClientError::NoSession
    );
    let rx2 = WELCOME.replace("JOB", &job_json("a", "b88d0600").replace("rx/0", "rx/2"));
    assert_eq!(refused(&rx2), ClientError::BadJob(BadJob::Algo));
}

#[test]
fn pings_go_out_only_where_the_pool_takes_them() {
    let mut quiet = Client::new(Millis(0), login());
    sent(&mut quiet, 0);
    let welcome = WELCOME
        .replace("JOB", &job_json("a", "b88d0600"))
        .replace(",\"keepalive\"", "");
    says(&mut quiet, 0, &welcome).expect("welcome");
    assert_eq!(quiet.poll_timeout(), None);
    assert_eq!(
        quiet.handle_timeout(Millis(3_600_000)),
        Ok(ClientEvent::Idle)
    );
    assert!(sent(&mut quiet, 3_600_000).is_empty());

    let mut client = logged_in();
    assert_eq!(client.poll_timeout(), Some(Millis(60_000)));
    client.handle_timeout(Millis(60_000)).expect("alive");
    assert!(sent(&mut client, 60_000).concat().contains("keepalived"));
    let alive = r#"{"id":2,"error":null,"result":{"status":"KEEPALIVED"}}"#;
    assert_eq!(says(&mut client, 60_050, alive), Ok(ClientEvent::Idle));
    assert_eq!(client.poll_timeout(), Some(Millis(120_000)));
}

#[test]
fn two_pings_without_an_answer_end_the_connection() {
    let mut client = logged_in();
    for now in [60_000, 75_000] {
        assert_eq!(client.poll_timeout(), Some(Millis(now)));
        client.handle_timeout(Millis(now)).expect("still waiting");
        assert_eq!(sent(&mut client, now).len(), 1);
    }
    assert_eq!(
        client.handle_timeout(Millis(90_000)),
        Err(ClientError::PingTimeout)
    );
}

#[test]
fn an_identical_job_is_ignored_and_a_new_target_is_a_new_job() {
    let mut client = logged_in();
    assert_eq!(
        says(&mut client, 1, &job_line("a", "b88d0600")),
        Ok(ClientEvent::Idle)
    );
    let event = says(&mut client, 2, &job_line("a", "37894100"));
    assert!(matches!(event, Ok(ClientEvent::Job(_))));
    assert_eq!(
        client.job().map(|job| job.target.difficulty().0),
        Some(1_000)
    );
}

#[test]
fn a_bad_job_keeps_the_old_one_and_three_in_a_row_close() {
    let mut client = logged_in();
    let bad = job_line("b", "00000000");
    for round in 0..2 {
        for _ in 0..2 {
            let notice = ClientEvent::Notice(Notice::BadJob(BadJob::Target));
            assert_eq!(says(&mut client, 1, &bad), Ok(notice));
        }
        assert_ne!(client.job().map(|job| job.id.as_str()), Some("b"));
        if round == 0 {
            says(&mut client, 2, &job_line("c", "b88d0600")).expect("a good job clears the count");
        }
    }
    assert_eq!(
        says(&mut client, 3, &bad),
        Err(ClientError::BadJob(BadJob::Target))
    );
}

#[test]
fn redirects_are_refused_and_bans_end_the_session() {
    let mut client = logged_in();
    let line = r#"{"method":"client.reconnect","params":["evil.example","1"]}"#;
    assert_eq!(says(&mut client, 1, line), Ok(ClientEvent::RedirectRefused));
    client
        .submit(share(&JobId::parse("a").expect("valid"), 1))
        .expect("room");
    sent(&mut client, 1);
    let line = r#"{"id":2,"error":{"message":"unauthenticated"}}"#;
    assert!(matches!(
        says(&mut client, 2, line),
        Err(ClientError::Unwelcome(_))
    ));
    assert_eq!(client.outstanding(), 1, "the share is not forgotten");
}

#[test]
fn forms_of_answers_that_pools_use() {
    for (answer, verdict) in [
        (
            r#""result":{"status":"KO"},"error":null"#,
            Verdict::Accepted,
        ),
        (r#""result":true"#, Verdict::Accepted),
        (r#""result":null,"error":null"#, Verdict::Refused),
        (r#""result":false"#, Verdict::Refused),
        (
            r#""result":{"status":"OK"},"error":"Stale share""#,
            Verdict::Stale,
        ),
        (r#""error":{"message":"Invalid job id"}"#, Verdict::Stale),
        (r#""error":{"code":23}"#, Verdict::Refused),
    ] {
        let mut client = logged_in();
        client
            .submit(share(&JobId::parse("a").expect("valid"), 1))
            .expect("room");
        sent(&mut client, 1);
        let event = says(&mut client, 2, &format!(r#"{{"id":"2",{answer}}}"#));
        let Ok(ClientEvent::Answered { verdict: heard, .. }) = event else {
            panic!("{event:?}")
        };
        assert_eq!(heard, verdict, "{answer}");
    }
}

#[test]
fn the_longest_login_still_fits_the_line() {
    let mut login = login();
    login.user = PoolUser::parse(&"\"".repeat(256)).expect("valid");
    login.pass = PoolPass::parse(&"\\".repeat(64)).expect("valid");
    login.agent = Label::parse(&"\"".repeat(64)).expect("valid");
    login.rig = Some(Name::parse(&"r".repeat(64)).expect("valid"));
    assert_eq!(sent(&mut Client::new(Millis(0), login), 0).len(), 1);
}

#[test]
fn each_check_of_a_submit_has_its_answer() {
    let (mut server, job) = serving("xmrig/6.26.0");
    let good = submit_line(2, &job, "01000000", MET);
    for (line, text, verdict) in [
        (
            good.replace(SESSION, "nobody"),
            "Unauthenticated",
            Verdict::Refused,
        ),
        (
            good.replace("01000000", "0100"),
            "Low difficulty share",
            Verdict::LowDifficulty,
        ),
        (
            good.replace(MET, "zz"),
            "Low difficulty share",
            Verdict::LowDifficulty,
        ),
        (good.replace(&job, "other"), "Stale share", Verdict::Stale),
        // 0x0041893700000000: below what 1000 asks for, not below what four bytes say.
        (
            good.replace(MET, "f0a7c64b37894100"),
            "Low difficulty share",
            Verdict::LowDifficulty,
        ),
        (
            good.replace("\"job_id\"", "\"algo\":\"rx/2\",\"job_id\""),
            "Incorrect algorithm",
            Verdict::Invalid,
        ),
    ] {
        let (event, answer) = hears(&mut server, &line);
        assert_eq!(event, ServerEvent::Refused(verdict), "{line}");
        assert_eq!(member(&answer, "message"), text, "{line}");
        assert!(answer.contains(r#""id":2"#));
    }
    assert!(matches!(
        hears(&mut server, &good).0,
        ServerEvent::Claimed(_)
    ));
    let (event, answer) = hears(&mut server, &good);
    assert_eq!(event, ServerEvent::Refused(Verdict::Duplicate));
    assert_eq!(member(&answer, "message"), "Duplicate share");
    assert!(!server.is_closing());
}

#[test]
fn shares_are_tested_with_the_target_that_the_client_computed() {
    let (mut server, _) = serving("xmrig/6.26.0");
    server.send_job(template(2), Difficulty(100_000));
    let line = answered(&mut server).concat();
    assert_eq!(member(&line, "target"), "c5a70000");
    assert_eq!(server.difficulty(), Some(Difficulty(100_001)));
    let job = member(&line, "job_id");
    let sent = crate::mining::Target::from_hex("c5a70000")
        .expect("valid")
        .value();
    let exact = u64::MAX / 100_000;
    for (nonce, value, met) in [(0, exact - 1, false), (1, sent, false), (2, sent - 1, true)] {
        let tail: String = value
            .to_le_bytes()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let (event, _) = hears(
            &mut server,
            &submit_line(9, &job, &format!("{nonce:08x}"), &tail),
        );
        assert_eq!(matches!(event, ServerEvent::Claimed(_)), met, "{value:x}");
    }
}

#[test]
fn the_last_four_jobs_stay_valid_each_with_its_own_target() {
    let (mut server, first) = serving("xmrig");
    let mut ids = vec![first];
    for byte in 2..6 {
        server.send_job(template(byte), Difficulty(1 << 40));
        ids.push(member(&answered(&mut server).concat(), "job_id"));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5, "every job has an id of its own");
    let (event, _) = hears(&mut server, &submit_line(2, &ids[0], "00000000", MET));
    assert_eq!(event, ServerEvent::Refused(Verdict::Stale));
    for id in &ids[1..] {
        let (event, _) = hears(
            &mut server,
            &submit_line(2, id, "00000000", "0000000000010000"),
        );
        assert_eq!(event, ServerEvent::Refused(Verdict::LowDifficulty), "{id}");
        let (event, _) = hears(&mut server, &submit_line(2, id, "00000000", MET));
        assert!(matches!(event, ServerEvent::Claimed(_)), "{id}");
    }
}

#[test]
fn a_nonce_outside_the_slot_ends_the_connection() {
    let mut server = Server::new(Millis(0), [8, 7, 6, 5, 4, 3, 2, 1]);
    hears(
        &mut server,
        r#"{"id":1,"method":"login","params":{"login":"w"}}"#,
    );
    let mut slotted = template(1);
    slotted.nicehash = true;
    slotted.blob.set_nonce(0x4000_0000);
    server.accept(slotted, Difficulty(1));
    let welcome = answered(&mut server).concat();
    assert!(welcome.contains(r#""nicehash""#));
    let job = member(&welcome, "job_id");
    assert!(matches!(
        hears(&mut server, &submit_line(2, &job, "00000040", MET)).0,
        ServerEvent::Claimed(_)
    ));
    let (_, answer) = hears(&mut server, &submit_line(3, &job, "00000041", MET));
    assert!(
        answer.contains("NiceHash") && answer.contains("Bad gateway"),
        "{answer}"
    );
    assert!(server.is_closing());
}

#[test]
fn before_login_only_a_login_is_heard_and_errors_close() {
    for (line, text) in [
        (
            r#"{"id":1,"method":"submit","params":{}}"#,
            "Unauthenticated",
        ),
        (r#"{"id":1}"#, "Unauthenticated"),
        (r#"{"id":1,"method":"login"}"#, "Invalid request"),
        (
            r#"{"id":1,"method":"login","params":{"login":""}}"#,
            "Invalid request",
        ),
        (
            r#"{"id":1,"method":"login","params":{"login":"w","algo":["cn/r","rx/2"]}}"#,
            "No compatible algorithm found",
        ),
    ] {
        let mut server = Server::new(Millis(0), [0; 8]);
        let (event, answer) = hears(&mut server, line);
        assert_eq!(
            (event, server.is_closing()),
            (ServerEvent::Idle, true),
            "{line}"
        );
        assert_eq!(member(&answer, "message"), text, "{line}");
    }
    let mut server = Server::new(Millis(0), [0; 8]);
    hears(
        &mut server,
        r#"{"id":1,"method":"login","params":{"login":"w"}}"#,
    );
    server.refuse(Refusal::PermissionDenied);
    assert_eq!(
        member(&answered(&mut server).concat(), "message"),
        "Permission denied"
    );
    assert!(server.is_closing());
}

#[test]
fn small_methods_are_answered_and_ten_unknown_ones_close() {
    let (mut server, job) = serving("xmrig");
    let (_, pong) = hears(&mut server, r#"{"id":9,"method":"keepalived"}"#);
    assert!(pong.contains(r#""result":{"status":"KEEPALIVED"}"#));
    let (_, current) = hears(
        &mut server,
        r#"{"id":10,"method":"getjob","params":{"id":"x"}}"#,
    );
    assert_eq!(member(&current, "job_id"), job);
    for n in 1..=10 {
        assert!(!server.is_closing());
        let line = if n % 2 == 0 {
            r#"{"method":5}"#
        } else {
            r#"{"id":"7","method":"login"}"#
        };
        let (_, answer) = hears(&mut server, line);
        assert!(answer.contains("Invalid"), "{answer}");
    }
    assert!(server.is_closing());
}

#[test]
fn silence_closes_after_600_s_and_any_valid_line_counts() {
    let mut server = Server::new(Millis(0), [0; 8]);
    assert_eq!(server.handle_timeout(Millis(9_999)), Ok(()));
    assert_eq!(
        server.handle_timeout(Millis(10_000)),
        Err(ServerError::LoginTimeout)
    );
    let (mut server, _) = serving("xmrig");
    let ping = br#"{"id":9,"method":"keepalived"}"#;
    server.handle_line(Millis(500_000), ping).expect("valid");
    assert_eq!(server.handle_timeout(Millis(1_099_999)), Ok(()));
    assert_eq!(
        server.handle_line(Millis(900_000), b"  "),
        Ok(ServerEvent::Idle),
        "not a line"
    );
    assert_eq!(
        server.handle_timeout(Millis(1_100_000)),
        Err(ServerError::Idle)
    );
}

#[test]
fn a_miner_that_floods_waits_and_every_claim_is_answered_at_the_end() {
    let (mut server, job) = serving("xmrig");
    let mut claims = 0;
    while server.wants_line() {
        let line = submit_line(claims, &job, &format!("{claims:08x}"), MET);
        let event = server.handle_line(Millis(1), line.as_bytes());
        assert!(matches!(event, Ok(ServerEvent::Claimed(_))));
        claims += 1;
    }
    assert_eq!(claims as usize, MAX_OWED);
    let line = br#"{"id":1,"method":"keepalived"}"#;
    assert_eq!(
        server.handle_line(Millis(1), line),
        Err(ServerError::Backlog)
    );
    server.close();
    let answers = answered(&mut server);
    assert_eq!(answers.len(), MAX_OWED);
    assert!(answers.iter().all(|answer| answer.contains("Bad gateway")));
}

proptest! {
    #[test]
    fn hostile_lines_never_panic_either_side(
        lines in proptest::collection::vec(hostile_line(), 0..20),
    ) {
        let mut client = logged_in();
        let (mut server, _) = serving("xmrig");
        for line in &lines {
            let _ = client.handle_line(Millis(1), line.as_bytes());
            let _ = Client::new(Millis(0), login()).handle_line(Millis(1), line.as_bytes());
            if server.wants_line() {
                let _ = server.handle_line(Millis(1), line.as_bytes());
            }
            let _ = Server::new(Millis(0), [0; 8]).handle_line(Millis(1), line.as_bytes());
        }
        sent(&mut client, 2);
        answered(&mut server);
    }
}

/// Lines made of the words of the protocol in wrong places.
fn hostile_line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just(r#""login""#.to_string()),
        Just(r#""submit""#.to_string()),
        Just(r#""job""#.to_string()),
        Just(format!("\"{SESSION}\"")),
        Just("null".to_string()),
        Just("true".to_string()),
        Just("18446744073709551616".to_string()),
        Just(r#"["algo","nicehash","rx/0",7]"#.to_string()),
        Just(job_json("x", "ffffffff")),
        "-?[0-9]{1,22}(\\.0)?",
        "\"[0-9a-f]{0,20}\"",
        "\"\\PC{0,10}\"".prop_filter("no escapes", |s| !s[1..s.len() - 1].contains(['"', '\\'])),
    ];
    let key = prop_oneof![
        Just("id"),
        Just("method"),
        Just("params"),
        Just("result"),
        Just("error"),
        Just("job"),
        Just("login"),
        Just("algo"),
        Just("extensions"),
        Just("nonce"),
        Just("job_id"),
    ];
    let object = proptest::collection::vec((key.clone(), value.clone()), 0..6).prop_map(object_of);
    let nested = proptest::collection::vec((key, prop_oneof![value, object]), 0..6);
    prop_oneof![nested.prop_map(object_of), "\\PC{0,40}"]
}

fn object_of(members: Vec<(&'static str, String)>) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(k, v)| format!("\"{k}\":{v}"))
        .collect();
    format!("{{{}}}", members.join(","))
}
