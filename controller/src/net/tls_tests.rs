//! Diallers that speak TLS, and those that should, on real sockets; the clock runs as in
//! [`super::tests`].

use std::time::Duration;

use miner_agent::tls::{self, Duplex};
use miner_shared::identity::Role;
use miner_shared::limits::{HANDSHAKE_MS, MAX_UNPROVEN_TLS_BYTES};
use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::tests::{
    Fixture, HASTE, OPENING, closed, first_message, frame, node, open, with_farm_that,
};
use crate::clock::Clock;
use crate::tls::tests::made;
use crate::tls::{Speaks, Tls};

/// A connection over which TLS is up.
async fn secured(fixture: &Fixture, tls: &Tls) -> Box<dyn Duplex> {
    let stream = fixture.connect().await;
    let opened = tls::connect(stream, "localhost", Some(tls.pin())).await;
    Box::new(opened.expect("TLS comes up"))
}

/// The ClientHello of a dialler that waits for the answer.
async fn client_hello() -> Vec<u8> {
    let (ours, mut theirs) = smol::net::unix::UnixStream::pair().expect("a pair");
    let mut hello = vec![0; 2048];
    let dialling = async {
        let _never = tls::connect(ours, "localhost", None).await;
        0
    };
    let read = async { theirs.read(&mut hello).await.expect("said") };
    let len = smol::future::or(dialling, read).await;
    hello.truncate(len);
    hello
}

#[test]
fn tls_and_plain_rigs_share_a_port_unless_told_otherwise() {
    let made = made();
    let pin = made.pin();
    with_farm_that(Speaks::Both(made.clone()), 1, |fixture| async move {
        let (inside, plain) = (node(1, Role::Worker), node(2, Role::Worker));
        fixture.register(&inside).await;
        fixture.register(&plain).await;
        let stream = fixture.connect().await;
        let stream = tls::connect(stream, "localhost", Some(pin)).await;
        let stream = Box::new(stream.expect("TLS comes up"));
        let _inside = fixture.dial_over(stream, inside).await;
        let _plain = fixture.dial(plain).await;
        assert_eq!(fixture.farm.connections(), 2);
    });
    with_farm_that(Speaks::Only(made), 1, |fixture| async move {
        let mut plain = fixture.connect().await;
        let request = format!("{OPENING}\r\n");
        plain.write_all(request.as_bytes()).await.expect("sends");
        let said = closed(plain).await;
        assert!(!said.starts_with(b"HTTP"), "no more than an alert of TLS");
    });
}

#[test]
fn without_tls_a_dialler_of_it_is_closed() {
    with_farm_that(Speaks::Plain, 1, |fixture| async move {
        let stream = fixture.connect().await;
        let why = tls::connect(stream, "localhost", None).await;
        assert!(why.is_err());
        assert_eq!(fixture.farm.connections(), 0);
    });
}

#[test]
fn what_stops_inside_tls_is_closed_by_the_same_deadline() {
    let tls = made();
    with_farm_that(Speaks::Both(tls.clone()), HASTE, |fixture| async move {
        let hello = client_hello().await;
        for _ in 0..2 {
            // One byte, half of a ClientHello, a whole one and no more, TLS and no more.
            let one = fixture.connect().await;
            let mut half = fixture.connect().await;
            let mut whole = fixture.connect().await;
            let idle = secured(&fixture, &tls).await;
            half.write_all(&hello[..hello.len() / 2])
                .await
                .expect("sends");
            whole.write_all(&hello).await.expect("sends");
            // A request byte by byte, and HS1 that nothing follows.
            let mut stuck = secured(&fixture, &tls).await;
            open(&mut stuck, "").await;
            stuck.write_all(&first_message()).await.expect("sends");
            stuck.flush().await.expect("sends");
            let (slow, mut slowly) = smol::io::split(secured(&fixture, &tls).await);
            let drip = async move {
                for byte in OPENING.bytes().cycle() {
                    smol::Timer::after(Duration::from_millis(50)).await;
                    let sent = slowly.write_all(&[byte]).await;
                    if sent.is_err() || slowly.flush().await.is_err() {
                        return;
                    }
                }
            };
            fixture.executor.spawn(drip).detach();
            let mut byte = one.clone();
            byte.write_all(&hello[..1]).await.expect("sends");
            closed(one).await;
            closed(half).await;
            closed(whole).await;
            closed(idle).await;
            closed(stuck).await;
            closed(slow).await;
        }
        assert_eq!(fixture.farm.connections(), 0);
        assert_eq!(fixture.events(), [], "who only connects is no event");
    });
}

#[test]
fn an_unproven_dialler_of_tls_ends_with_its_allowance() {
    let tls = made();
    with_farm_that(Speaks::Both(tls.clone()), 1, |fixture| async move {
        let start = Clock::start();
        // Inside TLS: pings without end.
        let mut stream = secured(&fixture, &tls).await;
        open(&mut stream, "").await;
        let ping = frame(0x89, b"");
        let mut sent = 0;
        while sent < 2 * MAX_UNPROVEN_TLS_BYTES && stream.write_all(&ping).await.is_ok() {
            sent += ping.len();
            if stream.flush().await.is_err() {
                break;
            }
        }
        closed(stream).await;

        // Below it: a message of the handshake that announces 64 KiB, in records of 512 bytes.
        let mut stream = fixture.connect().await;
        let record = [&[0x16, 3, 1, 2, 0, 1, 0, 0xff, 0xff], &[0; 508][..]].concat();
        let more = [&[0x16, 3, 1, 2, 0], &[0; 512][..]].concat();
        let mut sent = stream.write(&record).await.expect("sends");
        while sent < 5 * MAX_UNPROVEN_TLS_BYTES && stream.write_all(&more).await.is_ok() {
            sent += more.len();
        }
        closed(stream).await;
        assert_eq!(fixture.farm.connections(), 0);
        assert!(start.now().mono.0 < HANDSHAKE_MS, "it was the deadline");
    });
}
