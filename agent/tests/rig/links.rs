//! Who gets in: pairing, pins, hostile input, two connections of one key.

use crate::common::{Here, Managed, accept, beside, controller, open, open_with, rig, run};
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};
use miner_agent::store::system_rng;
use miner_shared::limits::{MAX_FRAME, MAX_HANDSHAKE_FRAME};
use miner_shared::smsg::Event;
use miner_shared::wire::{Answer, Message, Query};
use smol::future;
use smol::net::TcpListener;
use smol::stream::StreamExt;

/// Runs `test` with a rig that obeys the controller with key 1.
fn with_rig(test: impl AsyncFnOnce(&Here)) {
    run(Managed::by(&[1]).serve(test));
}

#[test]
fn the_pairing_code_pins_its_controller_once_and_for_good() {
    run(Managed::by(&[]).serve(async |here| {
        let enrolment = here.code.as_ref().expect("no manager yet").enrolment();
        let me = controller(1, 1);
        let mut first = here.pair(&me, &enrolment).await;
        assert!(first.comes_up().await);
        let managers = here.store.managers().expect("readable");
        assert_eq!(
            managers.first(),
            Some(me.fingerprint()),
            "on disk before Welcome"
        );

        let other = controller(2, 1);
        let mut again = here.pair(&other, &enrolment).await;
        assert!(!again.comes_up().await, "the code is used up");
        assert!(
            !here
                .store
                .managers()
                .expect("readable")
                .contains(&other.fingerprint())
        );

        let mut pinned = here.dial(&me, first.memory()).await;
        assert!(pinned.comes_up().await, "the pin is enough from now on");
    }));
}

#[test]
fn a_removed_manager_is_paired_again_by_a_new_code_which_is_used_up() {
    with_rig(async |here| {
        let me = controller(1, 1);
        let mut memory = here.manager(1).await.memory();
        for removed in [true, false] {
            if removed {
                here.store.unpin_manager(me.fingerprint()).expect("written");
            }
            let code = here.store.new_pairing(&mut system_rng()).expect("written");
            let mut anew = here.pair(&me, &code.enrolment()).await;
            assert!(!anew.comes_up().await, "numbers that were used before");
            let code = here.store.new_pairing(&mut system_rng()).expect("written");
            let mut again = here.pair(&me, &code.enrolment()).await;
            assert!(again.comes_up_from(memory).await, "removed: {removed}");
            memory = again.memory();
            assert!(here.store.pairing().is_none(), "removed: {removed}");
        }
    });
}

#[test]
fn a_rig_whose_welcome_was_lost_counts_on() {
    let managed = Managed::by(&[1]);
    let me = controller(1, 1);
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("bound").to_string();
        let (serving, _straw) = rig(managed.root(), |config| {
            config.listen = None;
            config.controller = Some(here.parse().expect("valid"));
            config.fingerprint = Some(me.fingerprint());
        });
        let test = async {
            let mut lost = accept(&listener, &me).await;
            let proven = lost.next().await.expect("it says Hello");
            assert!(matches!(proven, Event::PeerProven { .. }));
            let memory = lost.memory();
            drop(lost);
            let mut next = accept(&listener, &me).await;
            assert!(next.comes_up_from(memory).await);
            assert!(next.next().await.is_some(), "the rig took the Welcome");
        };
        beside(serving, test).await;
    });
}

#[test]
fn a_rig_that_nobody_answers_at_one_place_dials_the_next_at_once() {
    let managed = Managed::by(&[1]);
    let me = controller(1, 1);
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("bound");
        let closed = {
            let other = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            other.local_addr().expect("bound")
        };
        let (serving, _straw) = rig(managed.root(), |config| {
            config.listen = None;
            config.controller = Some(format!("{closed},{here}").parse().expect("valid"));
            config.fingerprint = Some(me.fingerprint());
        });
        let test = async {
            for _ in 0..2 {
                // The second time it begins where it was linked.
                let mut manager = accept(&listener, &me).await;
                assert!(manager.comes_up().await);
            }
        };
        beside(serving, test).await;
    });
}

#[test]
fn a_stranger_and_a_wrong_code_get_nothing() {
    with_rig(async |here| {
        assert!(here.code.is_none(), "a managed rig offers no code");
        let stranger = controller(9, 1);
        let mut plain = here.dial(&stranger, None).await;
        assert!(!plain.comes_up().await);

        here.store.new_pairing(&mut system_rng()).expect("written");
        let wrong = miner_shared::identity::PairingCode::generate(&mut system_rng()).enrolment();
        let mut guessing = here.pair(&stranger, &wrong).await;
        assert!(!guessing.comes_up().await);
        assert!(
            here.store.pairing().is_some(),
            "a wrong guess does not close the window"
        );
        assert_eq!(here.store.managers().expect("readable").iter().count(), 1);
    });
}

#[test]
fn who_was_refused_is_listed_for_a_person_to_accept() {
    with_rig(async |here| {
        let stranger = controller(9, 1);
        let mut refused = here.dial(&stranger, None).await;
        assert!(!refused.comes_up().await);
        while here.store.candidates().iter().next().is_none() {
            smol::Timer::after(std::time::Duration::from_millis(20)).await;
        }
        let asked: Vec<_> = here.store.candidates().iter().copied().collect();
        assert_eq!(asked, [stranger.fingerprint()]);

        here.store.pin_manager(here.key, asked[0]).expect("room");
        here.manager(9).await;
    });
}

#[test]
fn a_code_made_while_the_rig_runs_and_a_pin_too_hold_from_the_next_handshake_on() {
    with_rig(async |here| {
        let enrolment = here
            .store
            .new_pairing(&mut system_rng())
            .expect("written")
            .enrolment();
        let second = controller(2, 1);
        let mut paired = here.pair(&second, &enrolment).await;
        assert!(paired.comes_up().await);

        let third = controller(3, 1);
        here.store
            .pin_manager(here.key, third.fingerprint())
            .expect("room");
        here.manager(3).await;
    });
}

#[test]
fn a_manager_asks_and_is_answered() {
    with_rig(async |here| {
        let mut manager = here.manager(1).await;
        let stats = manager.heartbeat(|_| true).await;
        assert_eq!(
            (stats.generation, stats.miners.len()),
            (0, 1),
            "at once, not after 10 s"
        );
        let answer = manager.ask(&Message::Query(7, Query::GetInfo)).await;
        let Message::Answer(7, Answer::Info(info)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(info.card.name.as_str(), "rig-alpha");
        assert!(info.cpus > 0);
    });
}

#[test]
fn what_no_smsg_peer_sends_is_refused_while_the_socket_opens() {
    let protocol = ("sec-websocket-protocol", "smsg.1");
    with_rig(async |here| {
        for (path, headers, status) in [
            ("/", &[protocol][..], 404),
            ("/ws/", &[protocol], 404),
            ("/ws", &[protocol, ("origin", "http://farm.example")], 403),
            ("/ws", &[], 400),
            ("/ws", &[("sec-websocket-protocol", "chat")], 400),
        ] {
            let refused = open_with(here.address, path, headers)
                .await
                .expect_err(path);
            let WsError::Http(response) = refused else {
                panic!("{refused}");
            };
            assert_eq!(response.status().as_u16(), status, "{path} {headers:?}");
        }
        open(here.address).await.expect("the right one opens");
    });
}

#[test]
fn text_and_oversize_close_with_their_codes() {
    with_rig(async |here| {
        for (message, code) in [
            (WsMessage::text("{}"), CloseCode::Unsupported),
            (WsMessage::binary(vec![0; MAX_FRAME + 1]), CloseCode::Size),
        ] {
            let mut ws = open(here.address).await.expect("opens");
            ws.send(message).await.expect("sent");
            let answer = ws.next().await.expect("closes with a reason");
            let Ok(WsMessage::Close(Some(frame))) = answer else {
                panic!("{answer:?}");
            };
            assert_eq!(frame.code, code);
        }
    });
}

#[test]
fn garbage_and_an_overlong_handshake_frame_close_without_detail() {
    with_rig(async |here| {
        for frame in [
            vec![],
            vec![0; 50],
            vec![0x53; MAX_HANDSHAKE_FRAME + 1],
            b"SMSG\x01\x01\x00\x00".to_vec(),
        ] {
            let mut ws = open(here.address).await.expect("opens");
            ws.send(WsMessage::binary(frame)).await.expect("sent");
            let answer = ws.next().await.expect("closes").expect("properly");
            let WsMessage::Close(Some(close)) = answer else {
                panic!("{answer:?}");
            };
            assert_eq!((close.code, close.reason.as_str()), (CloseCode::Normal, ""));
        }
    });
}

#[test]
fn a_connection_that_proves_nothing_ends_after_five_seconds_and_frees_its_place() {
    with_rig(async |here| {
        let mut silent = Vec::new();
        for _ in 0..4 {
            silent.push(open(here.address).await.expect("opens"));
        }
        assert!(
            open(here.address).await.is_err(),
            "a fifth stranger finds no place"
        );
        for ws in &mut silent {
            // Closed by a Close frame or by the end of the stream.
            while let Some(Ok(message)) = ws.next().await {
                assert!(message.is_close());
            }
        }
        here.manager(1).await;
    });
}

#[test]
fn a_second_connection_of_the_same_process_replaces_the_first() {
    with_rig(async |here| {
        let me = controller(1, 1);
        let mut first = here.manager(1).await;
        let mut second = here.dial(&me, first.memory()).await;
        assert!(second.comes_up().await);
        while let Some(event) = first.next().await {
            let unasked = |it: &Message| matches!(it, Message::Heartbeat(_) | Message::Image(_));
            assert!(matches!(event, Event::Message(message) if unasked(&message)));
        }
        let answer = second.ask(&Message::Query(1, Query::GetStats)).await;
        assert!(matches!(answer, Message::Answer(1, _)));
    });
}

#[test]
fn a_replaced_session_and_the_end_of_the_program_close_with_their_codes() {
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let stopped = async { stopped.recv().await.expect("the test sends") };
    let rig = Managed::by(&[1]);
    let test = async |here: &Here| {
        let me = controller(1, 1);
        let mut first = here.manager(1).await;
        let mut second = here.dial(&me, first.memory()).await;
        assert!(second.comes_up().await);
        assert_eq!(first.close_code().await, Some(CloseCode::Normal));
        stop.send(()).await.expect("the rig serves");
        assert_eq!(second.close_code().await, Some(CloseCode::Away));
    };
    run(rig.serve_until(stopped, test));
}

#[test]
fn a_manager_whose_pin_is_taken_back_is_cut_within_a_second_or_so() {
    with_rig(async |here| {
        let (removed, kept) = (controller(1, 1), controller(2, 1));
        here.store
            .pin_manager(here.key, kept.fingerprint())
            .expect("room");
        let mut cut = here.manager(1).await;
        let mut stays = here.manager(2).await;
        assert!(
            here.store
                .unpin_manager(removed.fingerprint())
                .expect("written")
        );
        let soon = async {
            smol::Timer::after(std::time::Duration::from_secs(3)).await;
            panic!("still there");
        };
        assert_eq!(
            future::or(cut.close_code(), soon).await,
            Some(CloseCode::Normal)
        );
        let mut again = here.dial(&removed, cut.memory()).await;
        assert!(!again.comes_up().await);
        let answer = stays.ask(&Message::Query(1, Query::GetStats)).await;
        assert!(matches!(answer, Message::Answer(1, _)));
    });
}

#[test]
fn another_process_under_a_live_key_is_refused_and_the_first_goes_on() {
    with_rig(async |here| {
        let mut first = here.manager(1).await;
        let rival = controller(1, 2);
        let mut second = here.dial(&rival, None).await;
        // The first answers the rig's ping while it is being read.
        let refused = future::or(async { !second.comes_up().await }, async {
            while first.next().await.is_some() {}
            panic!("the first session ended");
        });
        assert!(refused.await);
        let answer = first.ask(&Message::Query(1, Query::GetStats)).await;
        assert!(matches!(answer, Message::Answer(1, _)));
    });
}

#[test]
fn a_restarted_controller_takes_over_from_its_silent_predecessor() {
    with_rig(async |here| {
        let _silent = here.manager(1).await;
        here.manager_since(1, 2).await;
    });
}
