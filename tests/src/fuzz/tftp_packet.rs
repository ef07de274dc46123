//! Any bytes as a request for a file, and as what its client says then.

use miner_boot::files::{Content, FileName};
use miner_boot::limits::TFTP_RETRIES;
use miner_boot::tftp::packet::{MAX_PACKET, Request};
use miner_boot::tftp::{End, Transfer};
use miner_shared::time::Millis;

use super::input::Input;

/// Bytes of the file.
const LENGTH: usize = 20_000;

/// A request after its length, then replies, each after its length and the milliseconds since the one
/// before.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let length = input.word();
    let packet = input.take(length.into());
    let request = match Request::parse(packet) {
        Ok(request) => request,
        Err(refusal) => {
            let error = refusal.packet();
            assert!(error.starts_with(&[0, 5]) && error.ends_with(&[0]));
            return;
        }
    };
    if let Some(name) = FileName::parse(request.name) {
        assert_eq!(FileName::parse(&name.to_string()), Some(name));
    }
    let mut now = Millis(0);
    let content = Content::memory(vec![7; LENGTH]);
    let mut transfer = Transfer::new(content, request.options, now);
    let block = request.options.block.map_or(512, usize::from);
    let window = request.options.window.map_or(1, usize::from);
    let mut had = 0;
    while transfer.end().is_none() {
        let mut out = [0; MAX_PACKET];
        let mut packets = 0;
        while let Some(length) = transfer.poll_transmit(&mut out).expect("it is in memory") {
            packets += 1;
            assert!(packets <= window, "a window at a time");
            assert!(length <= (4 + block).max(64), "a block, or the options");
        }
        assert!(transfer.bytes() >= had, "nothing is taken back");
        had = transfer.bytes();
        if input.is_empty() {
            break;
        }
        let length = input.word();
        now += u64::from(input.word());
        transfer.handle_packet(now, input.take(length.into()));
        transfer.handle_timeout(now);
    }
    ends(transfer, now);
}

/// It ends by itself when nobody says anything more.
fn ends(mut transfer: Transfer, mut now: Millis) {
    for _ in 0..=TFTP_RETRIES {
        now = transfer.poll_timeout().max(now);
        transfer.handle_timeout(now);
    }
    let end = transfer.end().expect("an end");
    assert!(end != End::Complete || transfer.bytes() == LENGTH as u64);
}
