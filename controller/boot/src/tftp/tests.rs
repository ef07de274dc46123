//! Requests as firmware sends them, and transfers over a network that loses, doubles and reorders.

use std::collections::VecDeque;

use miner_shared::time::Millis;
use proptest::prelude::*;

use super::packet::{MAX_PACKET, Options, Refusal, Reply, Request};
use super::{End, Transfer};
use crate::files::Content;
use crate::limits::{MAX_TRANSFER_MS, TFTP_RETRIES, TFTP_RETRY_MS};

fn options(packet: &[u8]) -> Options {
    Request::parse(packet).expect("a request").options
}

fn ack(block: u64) -> [u8; 4] {
    let [.., high, low] = block.to_be_bytes();
    [0, 4, high, low]
}

fn file(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1])
        .collect()
}

/// Everything that is to be sent now.
fn sent(transfer: &mut Transfer) -> Vec<Vec<u8>> {
    let mut packet = [0; MAX_PACKET];
    std::iter::from_fn(|| {
        let length = transfer.poll_transmit(&mut packet).expect("readable")?;
        Some(packet[..length].to_vec())
    })
    .collect()
}

/// Numbers of the blocks among them.
fn blocks(packets: &[Vec<u8>]) -> Vec<u16> {
    let data = packets.iter().filter(|packet| packet[..2] == [0, 3]);
    data.map(|packet| u16::from_be_bytes([packet[2], packet[3]]))
        .collect()
}

#[test]
fn the_requests_of_firmware_read_as_they_are_meant() {
    let ipxe = b"\0\x0152-54-00-12-34-56/undionly.kpxe\0octet\0blksize\x001432\0tsize\x000\0";
    let request = Request::parse(ipxe).expect("a request");
    assert_eq!(request.name, "52-54-00-12-34-56/undionly.kpxe");
    let expected = Options {
        block: Some(1_432),
        size: true,
        ..Options::default()
    };
    assert_eq!(request.options, expected);
    let ovmf = b"\0\x01x64.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0";
    let expected = Options {
        block: Some(1_468),
        size: true,
        window: Some(4),
        timeout_secs: None,
    };
    assert_eq!(options(ovmf), expected);
    assert_eq!(options(b"\0\x01x\0OcTeT\0"), Options::default());
    let odd =
        b"\0\x01x\0octet\0BLKSIZE\x0065464\0WindowSize\x00999999\0timeout\x00255\0multicast\0\0";
    let expected = Options {
        block: Some(1_468),
        size: false,
        window: Some(16),
        timeout_secs: Some(255),
    };
    assert_eq!(options(odd), expected, "what is too much is cut");
    let senseless =
        b"\0\x01x\0octet\0blksize\x007\0tsize\0x\0windowsize\x000\0timeout\x00256\0blksize\0";
    assert_eq!(
        options(senseless),
        Options::default(),
        "as if not asked for"
    );
}

#[test]
fn what_is_no_read_request_is_refused_with_the_right_code() {
    for (packet, refusal, code) in [
        (b"\0\x02x\0octet\0".as_slice(), Refusal::ReadOnly, 2),
        (b"\0\x01x\0netascii\0", Refusal::OctetOnly, 0),
        (b"\0\x01x\0mail\0", Refusal::OctetOnly, 0),
        (b"\0\x01\0octet\0", Refusal::Illegal, 4),
        (b"\0\x01x\0octet", Refusal::Illegal, 4),
        (b"\0\x01x\0", Refusal::Illegal, 4),
        (b"\0\x01x", Refusal::Illegal, 4),
        (b"\0\x01\xff\0octet\0", Refusal::Illegal, 4),
        (b"\0\x04\0\x01", Refusal::Illegal, 4),
        (b"\0", Refusal::Illegal, 4),
        (b"", Refusal::Illegal, 4),
    ] {
        assert_eq!(Request::parse(packet), Err(refusal), "{packet:?}");
        assert_eq!(refusal.packet()[..4], [0, 5, 0, code]);
        assert_eq!(refusal.packet().last(), Some(&0));
    }
    let long = [b"\0\x01".as_slice(), &[b'x'; 600], b"\0octet\0"].concat();
    assert_eq!(Request::parse(&long), Err(Refusal::Illegal));
    assert_eq!(Refusal::NotFound.packet()[..4], [0, 5, 0, 1]);
}

#[test]
fn a_transfer_without_options_goes_block_by_block_and_ends_with_a_short_one() {
    let mut transfer = Transfer::new(Content::memory(file(1_024)), Options::default(), Millis(0));
    let first = sent(&mut transfer);
    assert_eq!(blocks(&first), [1]);
    assert_eq!(first[0].len(), 4 + 512);
    transfer.handle_packet(Millis(1), &ack(1));
    assert_eq!(blocks(&sent(&mut transfer)), [2]);
    transfer.handle_packet(Millis(2), &ack(2));
    assert_eq!(
        sent(&mut transfer),
        [b"\0\x03\0\x03".to_vec()],
        "empty, as 1024 is full"
    );
    assert_eq!(transfer.end(), None);
    transfer.handle_packet(Millis(3), &ack(3));
    assert_eq!(
        (transfer.end(), transfer.bytes()),
        (Some(End::Complete), 1_024)
    );
}

#[test]
fn options_are_granted_before_the_first_block() {
    let asked =
        options(b"\0\x01x\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0timeout\x003\0");
    let mut transfer = Transfer::new(Content::memory(file(10_000)), asked, Millis(0));
    let granted =
        b"\0\x06blksize\x001468\0tsize\x0010000\0windowsize\x004\0timeout\x003\0".to_vec();
    assert_eq!(sent(&mut transfer), [granted]);
    assert_eq!(transfer.poll_timeout(), Millis(3_000));
    transfer.handle_packet(Millis(1), &ack(1));
    assert!(sent(&mut transfer).is_empty(), "only block 0 grants");
    transfer.handle_packet(Millis(1), &ack(0));
    assert_eq!(blocks(&sent(&mut transfer)), [1, 2, 3, 4]);
    transfer.handle_packet(Millis(2), &ack(4));
    assert_eq!(blocks(&sent(&mut transfer)), [5, 6, 7]);
    transfer.handle_packet(Millis(3), &ack(7));
    assert_eq!(transfer.end(), Some(End::Complete));
}

#[test]
fn uefi_that_only_wants_the_size_is_no_failure() {
    let asked = options(b"\0\x01x\0octet\0tsize\x000\0");
    let aborted = b"\0\x05\0\x08User aborted the transfer\0";
    let mut transfer = Transfer::new(Content::memory(file(10)), asked, Millis(0));
    sent(&mut transfer);
    transfer.handle_packet(Millis(1), aborted);
    assert_eq!(transfer.end(), Some(End::Probed));

    let mut transfer = Transfer::new(Content::memory(file(10)), asked, Millis(0));
    sent(&mut transfer);
    transfer.handle_packet(Millis(1), &ack(0));
    sent(&mut transfer);
    transfer.handle_packet(Millis(2), aborted);
    assert_eq!(transfer.end(), Some(End::Refused(8)), "it had begun");
    assert!(sent(&mut transfer).is_empty());
}

#[test]
fn an_acknowledgement_that_comes_twice_sends_nothing_twice() {
    let mut transfer = Transfer::new(Content::memory(file(5_000)), Options::default(), Millis(0));
    sent(&mut transfer);
    transfer.handle_packet(Millis(1), &ack(1));
    assert_eq!(blocks(&sent(&mut transfer)), [2]);
    for number in [1, 0, 3, 65_535] {
        transfer.handle_packet(Millis(2), &ack(number));
        assert!(sent(&mut transfer).is_empty(), "ack {number}");
    }
    for stray in [
        b"".as_slice(),
        b"\0",
        b"\0\x04\0",
        b"\0\x03\0\x02",
        b"\x04\0\0\x02",
    ] {
        transfer.handle_packet(Millis(3), stray);
        assert_eq!(
            (sent(&mut transfer).len(), transfer.end()),
            (0, None),
            "{stray:?}"
        );
    }
}

#[test]
fn after_a_gap_the_window_goes_on_from_what_the_client_has() {
    let asked = options(b"\0\x01x\0octet\0windowsize\x004\0");
    let mut transfer = Transfer::new(Content::memory(file(50_000)), asked, Millis(0));
    sent(&mut transfer);
    transfer.handle_packet(Millis(1), &ack(0));
    assert_eq!(blocks(&sent(&mut transfer)), [1, 2, 3, 4]);
    transfer.handle_packet(Millis(2), &ack(2));
    assert_eq!(blocks(&sent(&mut transfer)), [3, 4, 5, 6]);
}

#[test]
fn silence_is_answered_with_the_same_a_few_times() {
    let asked = options(b"\0\x01x\0octet\0tsize\x000\0");
    let mut transfer = Transfer::new(Content::memory(file(50_000)), asked, Millis(0));
    let granted = sent(&mut transfer);
    let mut now = Millis(0);
    for _ in 0..TFTP_RETRIES {
        assert!(sent(&mut transfer).is_empty());
        assert_eq!(transfer.poll_timeout(), now + TFTP_RETRY_MS);
        transfer.handle_timeout(now + (TFTP_RETRY_MS - 1));
        assert!(sent(&mut transfer).is_empty(), "not yet");
        now += TFTP_RETRY_MS;
        transfer.handle_timeout(now);
        assert_eq!(sent(&mut transfer), granted);
    }
    transfer.handle_timeout(now + TFTP_RETRY_MS);
    assert_eq!(transfer.end(), Some(End::Lost));
}

#[test]
fn a_client_that_never_ends_is_ended() {
    let mut transfer = Transfer::new(
        Content::memory(file(1_000_000)),
        Options::default(),
        Millis(0),
    );
    let (mut now, mut block) = (Millis(0), 0);
    while transfer.end().is_none() {
        sent(&mut transfer);
        now += TFTP_RETRY_MS - 1;
        block += 1;
        transfer.handle_packet(now, &ack(block));
        transfer.handle_timeout(now);
    }
    assert_eq!(transfer.end(), Some(End::Lost));
    assert!(now.0.abs_diff(MAX_TRANSFER_MS) <= TFTP_RETRY_MS);
}

#[test]
fn a_file_may_have_more_blocks_than_there_are_numbers() {
    let asked = Options {
        block: Some(8),
        window: Some(16),
        ..Options::default()
    };
    let bytes = file(8 * 65_536 + 20);
    let mut net = Net::new(bytes.clone(), asked);
    net.run(&mut [].into_iter());
    assert_eq!(net.client.file, bytes);
}

/// A client of RFC 7440, and a network between it and a transfer, in virtual time.
struct Net {
    now: Millis,
    transfer: Transfer,
    client: Client,
    to_client: VecDeque<Vec<u8>>,
    to_server: VecDeque<Vec<u8>>,
}

#[derive(Default)]
struct Client {
    block: usize,
    window: u64,
    file: Vec<u8>,
    blocks: u64,
    in_window: u64,
    complete: bool,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Doubled,
    Late,
}

impl Client {
    /// The acknowledgement, if one is due.
    fn take(&mut self, packet: &[u8]) -> Option<[u8; 4]> {
        if packet[..2] == [0, 6] {
            return Some(ack(0));
        }
        let number = u16::from_be_bytes([packet[2], packet[3]]);
        let [.., high, low] = (self.blocks + 1).to_be_bytes();
        if number != u16::from_be_bytes([high, low]) {
            // A gap, or something old: this is what it has.
            self.in_window = 0;
            return Some(ack(self.blocks));
        }
        self.blocks += 1;
        self.in_window += 1;
        self.file.extend(&packet[4..]);
        self.complete |= packet.len() < 4 + self.block;
        if self.complete || self.in_window == self.window {
            self.in_window = 0;
            return Some(ack(self.blocks));
        }
        None
    }
}

impl Net {
    fn new(file: Vec<u8>, options: Options) -> Self {
        Self {
            now: Millis(0),
            transfer: Transfer::new(Content::memory(file), options, Millis(0)),
            client: Client {
                block: options.block.map_or(512, usize::from),
                window: options.window.map_or(1, u64::from),
                ..Client::default()
            },
            to_client: VecDeque::new(),
            to_server: VecDeque::new(),
        }
    }

    /// Until the end. Returns the packets that the server sent.
    fn run(&mut self, fates: &mut dyn Iterator<Item = Fate>) -> usize {
        let mut count = 0;
        while self.transfer.end().is_none() {
            let packets = sent(&mut self.transfer);
            count += packets.len();
            for packet in packets {
                pass(&mut self.to_client, packet, fates);
            }
            while let Some(packet) = self.to_client.pop_front() {
                if let Some(ack) = self.client.take(&packet) {
                    pass(&mut self.to_server, ack.to_vec(), fates);
                }
            }
            if let Some(packet) = self.to_server.pop_front() {
                self.transfer.handle_packet(self.now, &packet);
            } else {
                self.now = self.transfer.poll_timeout();
                self.transfer.handle_timeout(self.now);
            }
        }
        count
    }
}

fn pass(queue: &mut VecDeque<Vec<u8>>, packet: Vec<u8>, fates: &mut dyn Iterator<Item = Fate>) {
    match fates.next().unwrap_or(Fate::Arrives) {
        Fate::Arrives => queue.push_back(packet),
        Fate::Lost => {}
        Fate::Doubled => queue.extend([packet.clone(), packet]),
        Fate::Late => queue.push_front(packet),
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Doubled),
        1 => Just(Fate::Late),
    ]
}

proptest! {
    #[test]
    fn a_bad_network_delays_a_file_and_never_changes_it(
        length in 0_usize..6_000,
        block in 8_u16..600,
        window in 1_u16..17,
        plain in any::<bool>(),
        fates in proptest::collection::vec(fate(), 0..120),
    ) {
        let asked = Options { block: Some(block), window: Some(window), ..Options::default() };
        let asked = if plain { Options::default() } else { asked };
        let bytes = file(length);
        let mut net = Net::new(bytes.clone(), asked);
        net.run(&mut fates.into_iter());
        match net.transfer.end() {
            Some(End::Complete) => prop_assert_eq!(&net.client.file, &bytes),
            // Five losses in a row; or the last acknowledgement was lost, and this client is gone.
            end => {
                prop_assert_eq!(end, Some(End::Lost));
                prop_assert!(bytes.starts_with(&net.client.file));
            }
        }
    }

    #[test]
    fn doubled_packets_do_not_multiply(length in 0_usize..6_000) {
        let bytes = file(length);
        let mut net = Net::new(bytes.clone(), Options::default());
        let count = net.run(&mut std::iter::repeat_n(Fate::Doubled, 1_000));
        prop_assert_eq!(&net.client.file, &bytes);
        prop_assert_eq!(count, length / 512 + 1, "each block is sent once");
    }

    #[test]
    fn any_bytes_are_a_request_or_refused(packet in proptest::collection::vec(any::<u8>(), 0..600)) {
        let read = [b"\0\x01x\0octet\0".as_slice(), &packet].concat();
        for packet in [packet, read] {
            let _ = Reply::parse(&packet);
            if let Ok(request) = Request::parse(&packet) {
                prop_assert!(!request.name.is_empty());
                if let Some(granted) = request.options.acknowledgement(u64::MAX) {
                    prop_assert_eq!(granted.last(), Some(&0));
                }
            }
        }
    }
}
