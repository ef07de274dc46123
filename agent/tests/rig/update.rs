//! What protocol version 3 brought, over real links: what the machine was booted from, releases in pieces,
//! the owner's word in numbers; and what a controller of version 2 does not hear. How fetching ends, well
//! or not, is tested in `miner_agent::update`.

use std::fs;
use std::rc::Rc;

use miner_agent::store::Dirs;
use miner_agent::store::file::{self, Access};
use miner_shared::record;
use miner_shared::release::Version;
use miner_shared::text::Text;
use miner_shared::wire::{
    Answer, Boot, Command, ImageId, ImageStatus, Message, Offer, Outcome, Piece, Query, Refusal,
    Step, UpdateFault, Wanted,
};

use crate::common::{Here, Managed, Manager, node, receipt, run};

const RELEASE: [u8; 32] = [5; 32];

fn offer() -> Offer {
    Offer {
        release: RELEASE,
        manifest_size: 5_000,
        version: Version {
            major: 1,
            minor: 2,
            patch: 3,
        },
    }
}

fn order(op_id: u8, command: Command) -> Message {
    Message::Command([op_id; 16], command)
}

/// A rig under a process 1 that says that it was booted from a slot.
fn with_slots(test: impl AsyncFnOnce(&Here, &Managed)) {
    let managed = Managed::by(&[1, 2]);
    let report = managed.root().join("report");
    fs::write(&report, [0; 512]).expect("written");
    let status = ImageStatus {
        boot: Boot::Slot,
        image: Some(ImageId {
            arch: Text::lossy("x86_64"),
            version: Version::default(),
            on_trial: false,
            release_key: Some([1; 32]),
        }),
        update: None,
    };
    let (mut body, mut out) = ([0; 256], [0; 272]);
    let none_of_its_files: &[[u8; 32]] = &[];
    let body = postcard::to_slice(&(status, none_of_its_files), &mut body).expect("fits");
    let bytes = record::encode(b"MINERSY1", body, &mut out).expect("fits");
    file::write(&managed.root().join("system"), bytes, Access::Public).expect("written");
    let serve = managed.serve_with(
        |config| config.supervised = Some(report),
        async |here| test(here, &managed).await,
    );
    run(serve);
}

async fn image(manager: &mut Manager, pleases: impl Fn(&ImageStatus) -> bool) -> ImageStatus {
    let is_it = |message: &Message| matches!(message, Message::Image(status) if pleases(status));
    match manager.message(is_it).await {
        Message::Image(status) => status,
        other => panic!("{other:?}"),
    }
}

async fn wanted(manager: &mut Manager) -> Wanted {
    match manager.message(|it| matches!(it, Message::Wanted(_))).await {
        Message::Wanted(wanted) => wanted,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_release_is_asked_for_in_pieces_and_on_the_next_link_from_where_it_was() {
    with_slots(async |here, managed| {
        let mut manager = here.manager(1).await;
        let status = image(&mut manager, |_| true).await;
        assert_eq!((status.boot, status.update), (Boot::Slot, None));
        let update = order(1, Command::Update(offer()));
        manager.say(&update).await;
        // What it says of itself comes before the receipt.
        let step = Step::Fetching { done: 0, total: 0 };
        let is_fetching = |it: &ImageStatus| it.update.is_some_and(|it| it.step == step);
        image(&mut manager, is_fetching).await;
        let is_receipt = |it: &Message| matches!(it, Message::Receipt(..));
        let receipt = manager.message(is_receipt).await;
        assert_eq!(receipt, Message::Receipt([1; 16], Outcome::Applied));
        let first = Wanted {
            release: RELEASE,
            file: 0,
            from: 0,
        };
        assert_eq!(wanted(&mut manager).await, first);
        let piece = |wanted, len: usize| {
            let bytes = std::iter::repeat_n(7, len).collect();
            Message::Piece(Piece { wanted, bytes })
        };
        manager.say(&piece(first, 3_584)).await;
        let second = Wanted {
            from: 3_584,
            ..first
        };
        assert_eq!(wanted(&mut manager).await, second);
        drop(manager);
        let mut manager = here.manager_since(1, 2).await;
        assert_eq!(wanted(&mut manager).await, second);
        manager.say(&piece(second, 5_000 - 3_584)).await;
        let fault = Step::Failed(UpdateFault::BadManifest);
        image(&mut manager, |it| {
            it.update.is_some_and(|it| it.step == fault)
        })
        .await;
        let folder = fs::read_dir(managed.root().join("data/update")).expect("there");
        assert_eq!(folder.count(), 0, "nothing is left of it");
    });
}

#[test]
fn only_the_first_manager_updates_and_only_a_machine_with_slots() {
    let update = || order(1, Command::Update(offer()));
    with_slots(async |here, _| {
        let mut second = here.manager(2).await;
        let refused = Outcome::Refused(Refusal::NotAllowed);
        assert_eq!(receipt(&mut second, &update()).await, refused);
        let mut first = here.manager(1).await;
        assert_eq!(receipt(&mut first, &update()).await, Outcome::Applied);
        let cancel = order(2, Command::CancelUpdate(RELEASE));
        assert_eq!(receipt(&mut first, &cancel).await, Outcome::Applied);
        let cancel = order(3, Command::CancelUpdate(RELEASE));
        assert_eq!(receipt(&mut first, &cancel).await, Outcome::AlreadyThere);
    });
    run(Managed::by(&[1]).serve(async |here| {
        let mut manager = here.manager(1).await;
        let status = image(&mut manager, |_| true).await;
        assert_eq!((status.boot, status.image), (Boot::Foreign, None));
        let refused = Outcome::Refused(Refusal::NoSlots);
        assert_eq!(receipt(&mut manager, &update()).await, refused);
    }));
}

#[test]
fn the_owners_word_is_told_in_numbers() {
    let managed = Managed::by(&[1]);
    let path = Dirs::below(managed.root()).owner();
    let word = b"owner = \"Ada\"\nwallets = [\"a\", \"b\"]\nmax_threads = 3";
    file::write(&path, word, Access::Owners).expect("ours");
    run(managed.serve(async |here| {
        let mut manager = here.manager(1).await;
        let ask = Message::Query(1, Query::GetOwner);
        let Message::Answer(1, Answer::Owner(view)) = manager.ask(&ask).await else {
            panic!("the owner's word");
        };
        let owner = view.owner.as_ref().map(|name| name.as_str());
        assert_eq!(
            (owner, view.mine, view.max_threads),
            (Some("Ada"), true, Some(3))
        );
        assert_eq!(
            (view.wallets, view.pools, view.controllers),
            (Some(2), None, None)
        );
    }));
}

#[test]
fn a_controller_of_version_2_hears_nothing_of_images() {
    run(Managed::by(&[1]).serve(async |here| {
        let old = Rc::new(node(1, 1).up_to_version(2));
        let mut old = Manager::up(&old, here.address, here.key).await;
        let ask = Message::Query(1, Query::GetStats);
        old.say(&ask).await;
        let is_new = |it: &Message| matches!(it, Message::Image(_) | Message::Wanted(_));
        let is_answer = |it: &Message| matches!(it, Message::Answer(..));
        let first = old.message(|it| is_new(it) || is_answer(it)).await;
        assert!(is_answer(&first), "{first:?}");
    }));
}
