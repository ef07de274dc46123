//! The client against what pools say and do not say.

use std::format;
use std::string::ToString;

use super::*;

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
fn an_answer_says_of_which_share_and_height_it_is() {
    let mut client = logged_in();
    let line = job_line("b", "b88d0600").replace(r#""height":7,"#, r#""height":77,"#);
    assert!(matches!(
        says(&mut client, 1, &line),
        Ok(ClientEvent::Job(_))
    ));
    for (id, nonce) in [("a", 1), ("b", 2)] {
        let id = JobId::parse(id).expect("valid");
        client.submit(share(&id, nonce)).expect("room");
    }
    let waiting: Vec<_> = client.outstanding_shares().collect();
    sent(&mut client, 2);
    let asked: Vec<_> = client.outstanding_shares().collect();
    assert_eq!(waiting, asked);
    let known = |height, nonce| Submitted {
        height,
        nonce,
        thread: 3,
    };
    assert_eq!(
        asked,
        [known(None, 1), known(Some(77), 2)],
        "the old job is over"
    );
    let event = says(&mut client, 30, r#"{"id":3,"result":{"status":"OK"}}"#);
    let Ok(ClientEvent::Answered { share, .. }) = event else {
        panic!("{event:?}");
    };
    assert_eq!(share, known(Some(77), 2));
    assert!(client.outstanding_shares().eq([known(None, 1)]));
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
    let submitted = |nonce| Submitted {
        height: Some(7),
        nonce,
        thread: 3,
    };
    let lost = ClientEvent::Lost {
        shares: (0..3).map(submitted).collect(),
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
fn shares_stay_outstanding_when_the_pings_give_up_first() {
    let mut client = logged_in();
    client.handle_timeout(Millis(60_000)).expect("alive");
    sent(&mut client, 60_000);
    client
        .submit(share(&JobId::parse("a").expect("valid"), 1))
        .expect("room");
    sent(&mut client, 70_000);
    client
        .handle_timeout(Millis(75_000))
        .expect("one ping lost");
    sent(&mut client, 75_000);
    assert_eq!(
        client.handle_timeout(Millis(99_000)),
        Err(ClientError::PingTimeout)
    );
    assert_eq!(client.outstanding(), 1);
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
fn the_third_unreadable_line_in_a_row_ends_the_connection() {
    let mut client = logged_in();
    for _ in 0..3 {
        for line in ["hello", "[1]"] {
            let notice = ClientEvent::Notice(Notice::Unreadable);
            assert_eq!(says(&mut client, 1, line), Ok(notice));
        }
        assert_eq!(
            says(&mut client, 1, "  "),
            Ok(ClientEvent::Idle),
            "no line at all"
        );
        assert_eq!(
            says(&mut client, 1, "{}"),
            Ok(ClientEvent::Idle),
            "clears the count"
        );
    }
    for line in ["hello", "[1]"] {
        assert!(says(&mut client, 1, line).is_ok());
    }
    assert_eq!(says(&mut client, 1, "x"), Err(ClientError::Unreadable));
}

#[test]
fn any_line_from_the_pool_is_a_sign_of_life() {
    let mut client = logged_in();
    for now in [60_000, 75_000] {
        client.handle_timeout(Millis(now)).expect("alive");
        assert_eq!(sent(&mut client, now).len(), 1, "a ping");
    }
    says(&mut client, 76_000, &job_line("b", "b88d0600")).expect("a job");
    client
        .handle_timeout(Millis(90_000))
        .expect("not the second in a row");
}

#[test]
fn an_answer_ends_the_count_of_lost_shares_in_a_row() {
    let mut client = logged_in();
    let id = JobId::parse("a").expect("valid");
    for (now, id_of_submit) in [(0, 2), (30_000, 4)] {
        client.submit(share(&id, 1)).expect("room");
        client.submit(share(&id, 2)).expect("room");
        sent(&mut client, now);
        let ok = format!(r#"{{"id":{id_of_submit},"result":{{}}}}"#);
        says(&mut client, now + 1, &ok).expect("an answer");
        let lost = client.handle_timeout(Millis(now + 20_000));
        let Ok(ClientEvent::Lost {
            shares,
            in_a_row: 1,
        }) = lost
        else {
            panic!("{lost:?}");
        };
        assert_eq!((shares.len(), shares[0].nonce), (1, 2));
    }
}
