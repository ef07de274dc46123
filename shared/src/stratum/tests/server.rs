//! The server against what miners send.

use std::string::String;
use std::{format, vec};

use super::*;

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
