//! The bytes of what protocol version 3 added, spelled out.
//!
//! If a test in this file fails, do not change the test! What `wire_v01.rs` says of version 1 holds here:
//! what is new goes to the end, under the next version, into a file of its own.
#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use miner_shared::release::Version;
use miner_shared::text::{Label, Text};
use miner_shared::wire::{
    Answer, Boot, Command, ImageId, ImageStatus, MAX_VERSION, Message, Offer, Outcome, OwnerView,
    Piece, Query, Refusal, Step, Update, UpdateFault, Wanted,
};

fn frozen(message: &Message, bytes: &[&[u8]]) {
    let bytes = bytes.concat();
    let mut out = [0; 4096];
    assert_eq!(message.encode(&mut out).expect("fits"), bytes);
    assert_eq!(Message::decode(&bytes).as_ref(), Ok(message));
    assert_eq!(message.since(), 3, "{message:?}");
}

const VERSION: Version = Version {
    major: 1,
    minor: 2,
    patch: 300,
};
const VERSION_BYTES: &[u8] = b"\x01\x02\xac\x02";

#[test]
fn m07_updates() {
    let offer = Offer {
        release: [0xbb; 32],
        manifest_size: 700,
        version: VERSION,
    };
    let update = Message::Command([0xaa; 16], Command::Update(offer));
    frozen(
        &update,
        &[
            b"\x07",
            &[0xaa; 16],
            b"\x0a",
            &[0xbb; 32],
            b"\xbc\x05",
            VERSION_BYTES,
        ],
    );
    let cancel = Message::Command([0xaa; 16], Command::CancelUpdate([0xbb; 32]));
    frozen(&cancel, &[b"\x07", &[0xaa; 16], b"\x0b", &[0xbb; 32]]);
    let refused = Message::Receipt([0xaa; 16], Outcome::Refused(Refusal::NoSlots));
    frozen(&refused, &[b"\x08", &[0xaa; 16], b"\x03\x0d"]);
}

#[test]
fn m12_what_a_machine_was_booted_from() {
    let status = |boot, image, update| {
        Message::Image(ImageStatus {
            boot,
            image,
            update,
        })
    };
    frozen(&status(Boot::Foreign, None, None), &[b"\x0c\x00\x00\x00"]);
    frozen(&status(Boot::Whole, None, None), &[b"\x0c\x01\x00\x00"]);
    let image = |on_trial, release_key| ImageId {
        arch: Text::parse("x86_64").expect("short"),
        version: VERSION,
        on_trial,
        release_key,
    };
    let of_slot = status(Boot::Slot, Some(image(true, Some([0xcc; 32]))), None);
    let key: &[u8] = &[0xcc; 32];
    frozen(
        &of_slot,
        &[
            b"\x0c\x02\x01\x06x86_64",
            VERSION_BYTES,
            b"\x01\x01",
            key,
            b"\x00",
        ],
    );
    let fetching = Step::Fetching {
        done: 300,
        total: 1,
    };
    let failed = |fault: UpdateFault| Step::Failed(fault);
    for (step, bytes) in [
        (fetching, &b"\x00\xac\x02\x01"[..]),
        (Step::Installing, b"\x01"),
        (Step::Restarting, b"\x02"),
        (Step::Trying, b"\x03"),
        (Step::Confirmed, b"\x04"),
        (Step::FellBack, b"\x05"),
        (failed(UpdateFault::Cancelled), b"\x06\x00"),
        (failed(UpdateFault::Gone), b"\x06\x01"),
        (failed(UpdateFault::BadManifest), b"\x06\x02"),
        (failed(UpdateFault::BadSignature), b"\x06\x03"),
        (failed(UpdateFault::OtherMachine), b"\x06\x04"),
        (failed(UpdateFault::NotNewer), b"\x06\x05"),
        (failed(UpdateFault::TooOld), b"\x06\x06"),
        (failed(UpdateFault::BadFile), b"\x06\x07"),
        (failed(UpdateFault::NoRoom), b"\x06\x08"),
        (failed(UpdateFault::Disk), b"\x06\x09"),
    ] {
        let update = Update {
            release: [0xbb; 32],
            version: VERSION,
            step,
        };
        let parts: [&[u8]; 6] = [
            b"\x0c\x02\x01\x06x86_64",
            VERSION_BYTES,
            b"\x00\x00\x01",
            &[0xbb; 32],
            VERSION_BYTES,
            bytes,
        ];
        frozen(
            &status(Boot::Slot, Some(image(false, None)), Some(update)),
            &parts,
        );
    }
}

#[test]
fn m13_m14_a_piece_and_the_wish_for_it() {
    let wanted = Wanted {
        release: [0xbb; 32],
        file: 2,
        from: 300,
    };
    frozen(
        &Message::Wanted(wanted),
        &[b"\x0d", &[0xbb; 32], b"\x02\xac\x02"],
    );
    for (bytes, length) in [(&b"abc"[..], b"\x03"), (b"", b"\x00")] {
        let piece = Piece {
            wanted,
            bytes: bytes.iter().copied().collect(),
        };
        let parts: [&[u8]; 5] = [b"\x0e", &[0xbb; 32], b"\x02\xac\x02", length, bytes];
        frozen(&Message::Piece(piece), &parts);
    }
}

#[test]
fn m05_m06_what_the_owner_lets_a_machine_do() {
    frozen(&Message::Query(1, Query::GetOwner), &[b"\x05\x01\x07"]);
    let owner = |owner: Option<Label>, count| OwnerView {
        owner,
        mine: true,
        max_threads: count,
        light: false,
        controllers: count.map(|_| 1),
        wallets: count.map(|_| 2),
        pools: count.map(|_| 3),
    };
    let view = |view| Message::Answer(1, Answer::Owner(view));
    frozen(
        &view(owner(None, None)),
        &[b"\x06\x01\x07", b"\x00\x01\x00\x00\x00\x00\x00"],
    );
    frozen(
        &view(owner(Some(Label::lossy("Ada")), Some(300))),
        &[
            b"\x06\x01\x07",
            b"\x01\x03Ada\x01\x01\xac\x02\x00\x01\x01\x01\x02\x01\x03",
        ],
    );
}

#[test]
fn the_version_is_3_and_the_next_message_is_15() {
    assert_eq!(MAX_VERSION, 3);
    let mut bytes = [0; 64];
    bytes[0] = 15;
    for len in 1..bytes.len() {
        assert!(Message::decode(&bytes[..len]).is_err());
    }
}
