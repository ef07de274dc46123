//! Stratum, both machines: bytes of a pool at the client, bytes of a miner at the server.
//!
//! Byte 0: which machine. Then the stream, cut into pieces by its own bytes. Lines that begin with
//! `!` are orders of the program that drives the machine, which no peer can give.

use miner_shared::limits::{MAX_JOB_LINE, MAX_MINER_LINE, MAX_OWED, MAX_POOL_LINE, MAX_SENT_LINE};
use miner_shared::mining::{Blob, Difficulty, JobId, SeedHash, Share, Verdict};
use miner_shared::stratum::{
    Client, LineSplitter, Login, Refusal, Server, ServerEvent, Template, Ticket,
};
use miner_shared::text::{Label, Name, PoolPass, PoolUser};
use miner_shared::time::Millis;
use miner_shared::wire::Algo;

use super::input::Input;
use super::said;

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() % 2 {
        0 => client(input.rest()),
        _ => server(input.rest()),
    }
}

fn client(stream: &[u8]) {
    let mut now = Millis(0);
    let mut client = Client::new(now, login());
    let mut splitter = LineSplitter::<MAX_POOL_LINE>::new();
    let mut out = [0; MAX_SENT_LINE];
    send(&mut out, |out| client.poll_transmit(now, out));
    for piece in pieces(stream) {
        fill(&mut splitter, now, piece);
        assert!(splitter.waiting_since().is_none_or(|since| since <= now));
        while let Ok(Some(line)) = splitter.next_line().inspect_err(|error| said(error)) {
            let result = match line {
                [b'!', b's', ..] => {
                    let taken = client.job().map(share).map(|share| client.submit(share));
                    assert_ne!(taken.is_some(), client.job().is_none());
                    if let Some(Err(error)) = taken {
                        said(&error);
                    }
                    send(&mut out, |out| client.poll_transmit(now, out));
                    continue;
                }
                [b'!', b't', wait, ..] => {
                    now += u64::from(*wait) * 1_000;
                    client.handle_timeout(now)
                }
                line => client.handle_line(now, line),
            };
            if let Err(error) = result {
                return said(&error);
            }
            send(&mut out, |out| client.poll_transmit(now, out));
            assert!(client.outstanding() <= 64 + 4);
            assert!(client.job().is_none() || client.is_logged_in());
            assert!(client.poll_timeout().is_some() || client.is_logged_in());
            assert!(
                client
                    .job()
                    .is_none_or(|job| job.slot().contains(job.blob.nonce()))
            );
        }
    }
}

fn server(stream: &[u8]) {
    let mut now = Millis(0);
    let mut server = Server::new(now, [8, 7, 6, 5, 4, 3, 2, 1]);
    let mut splitter = LineSplitter::<MAX_MINER_LINE>::new();
    let mut out = [0; MAX_JOB_LINE];
    let mut tickets: Vec<Ticket> = Vec::new();
    for piece in pieces(stream) {
        fill(&mut splitter, now, piece);
        while let Ok(Some(line)) = splitter.next_line().inspect_err(|error| said(error)) {
            match line {
                [b'!', b'j', n, ..] => server.send_job(template(*n), Difficulty(u64::from(*n))),
                [b'!', b'a', n, ..] => {
                    if let Some(ticket) = tickets.pop() {
                        let owed = server.answer(ticket, verdict(*n));
                        assert!(owed || server.is_closing());
                    }
                }
                [b'!', b't', wait, ..] => {
                    now += u64::from(*wait) * 1_000;
                    if let Err(error) = server.handle_timeout(now) {
                        return said(&error);
                    }
                    assert!(server.poll_timeout() > now);
                }
                line => match server.handle_line(now, line) {
                    Ok(ServerEvent::Login(request)) if request.user.as_str() == "refused" => {
                        server.refuse(Refusal::InvalidPow);
                    }
                    Ok(ServerEvent::Login(_)) => server.accept(template(0), Difficulty(7)),
                    Ok(ServerEvent::Claimed(claim)) => tickets.push(claim.ticket),
                    Ok(_) => {}
                    Err(error) => return said(&error),
                },
            }
            assert!(!server.is_logged_in() || server.difficulty().is_some());
            assert!(tickets.len() <= MAX_OWED);
            send(&mut out, |out| server.poll_transmit(out));
        }
    }
}

/// Sends all that is owed; every line is one JSON object.
fn send(out: &mut [u8], mut poll: impl FnMut(&mut [u8]) -> Option<usize>) {
    for _ in 0..=2 * MAX_OWED {
        let Some(len) = poll(out) else {
            return;
        };
        let line = out.get(..len).and_then(|line| line.strip_suffix(b"\n"));
        let line = line.expect("a line");
        let value = miner_shared::json::Value::parse(line).expect("we send JSON");
        assert!(value.is_object() && !line.contains(&b'\n'));
    }
    panic!("it never stops sending");
}

/// The stream in pieces whose lengths follow from their first byte.
fn pieces(mut stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let first = *stream.first()?;
        let len = if first % 8 == 0 {
            1 + usize::from(first)
        } else {
            stream.len()
        };
        let (piece, rest) = stream.split_at(len.min(stream.len()));
        stream = rest;
        Some(piece)
    })
}

fn fill<const N: usize>(splitter: &mut LineSplitter<N>, now: Millis, piece: &[u8]) {
    let spare = splitter.spare();
    let count = spare.len().min(piece.len());
    spare
        .iter_mut()
        .zip(piece)
        .for_each(|(room, byte)| *room = *byte);
    splitter.filled(now, count);
}

fn login() -> Login {
    Login {
        user: PoolUser::parse("wallet").expect("valid"),
        pass: PoolPass::parse("x").expect("valid"),
        agent: Label::parse("miner/0.1.0 (linux; x86_64)").expect("valid"),
        rig: Some(Name::parse("rig-07").expect("valid")),
        nicehash: false,
    }
}

fn share(job: &miner_shared::mining::Job) -> Share {
    Share {
        job_id: JobId::parse(job.id.as_str()).expect("it is one"),
        nonce: 7,
        hash: [1; 32],
        thread: 0,
    }
}

fn template(byte: u8) -> Template {
    Template {
        blob: Blob::from_bytes(&[byte; 76]).expect("valid").with_nonce(0),
        algo: Algo::Rx0,
        height: 3_500_000 + u64::from(byte),
        seed: SeedHash([9; 32]),
        next_seed: (byte % 2 == 1).then_some(SeedHash([8; 32])),
        nicehash: byte % 3 == 2,
    }
}

const fn verdict(byte: u8) -> Verdict {
    match byte % 6 {
        0 => Verdict::Accepted,
        1 => Verdict::Stale,
        2 => Verdict::LowDifficulty,
        3 => Verdict::Duplicate,
        4 => Verdict::Invalid,
        _ => Verdict::Refused,
    }
}
