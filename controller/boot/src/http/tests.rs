//! Requests over a real connection of this machine.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use miner_shared::dhcp::Mac;

use super::*;
use crate::files::{Content, Recipe, Table};
use crate::progress::{Event, Step};
use crate::server::Lan;

const RIG: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

fn table(kernel: Vec<u8>) -> Table {
    let recipe = Recipe::default()
        .with_command_line("quiet miner.name=seven")
        .expect("a command line")
        .with(BootFile::Kernel, Content::memory(kernel))
        .with(BootFile::Initramfs, Content::memory(*b"initramfs"));
    let mut table = Table::default();
    table.set(RIG.into(), Some(Arc::new(recipe))).expect("room");
    table
}

/// What the server answers to these bytes, to the end of the connection; and the steps that it saw.
fn asked(request: &str) -> (String, Vec<Event>) {
    let lan = Lan {
        interface: None,
        address: Ipv4Addr::LOCALHOST,
        prefix: 8,
    };
    let listener = lan.tcp(0).expect("a port");
    let address = listener.get_ref().local_addr().expect("bound");
    let state = Arc::new(State::new(lan, table(b"0123456789".to_vec())));
    let executor = Arc::new(Executor::new());
    let task = executor.spawn(serve(listener, Arc::clone(&state), Arc::clone(&executor)));
    let (done, stop) = smol::channel::bounded::<()>(1);
    let answer = std::thread::scope(|threads| {
        threads.spawn(|| smol::block_on(executor.run(async { stop.recv().await.ok() })));
        let mut stream = TcpStream::connect(address).expect("listens");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        drop(done);
        answer
    });
    drop(task);
    let events = state.events();
    (
        answer,
        std::iter::from_fn(|| events.try_recv().ok()).collect(),
    )
}

fn request(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n")
}

fn answered(method: &str, path: &str, more: &str) -> String {
    asked(&request(method, path, more)).0
}

#[test]
fn a_file_is_served_with_its_length_and_told_of() {
    let (answer, events) = asked(&request("GET", "/52-54-00-12-34-56/vmlinuz", ""));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-length: 10\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n0123456789"), "{answer}");
    let steps: Vec<Step> = events.iter().map(|event| event.step).collect();
    let [
        Step::Started(BootFile::Kernel),
        Step::Finished { bytes: 10, .. },
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
}

#[test]
fn head_says_what_get_would_and_loads_nothing() {
    let (answer, events) = asked(&request("HEAD", "/52-54-00-12-34-56/vmlinuz", ""));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-length: 10\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(events, []);
}

#[test]
fn one_connection_brings_the_script_and_what_it_names() {
    let both = format!(
        "GET /52-54-00-12-34-56/boot.ipxe HTTP/1.1\r\nHost: x\r\n\r\n{}",
        request("GET", "/52-54-00-12-34-56/initrd", "")
    );
    let (answer, _) = asked(&both);
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert!(answer.contains("miner.name=seven || reboot"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ninitramfs"), "{answer}");
}

#[test]
fn a_part_is_served_and_a_part_beyond_is_not() {
    let path = "/52-54-00-12-34-56/vmlinuz";
    let answer = answered("GET", path, "Range: bytes=2-4\r\n");
    assert!(answer.starts_with("HTTP/1.1 206 "), "{answer}");
    assert!(
        answer.contains("content-range: bytes 2-4/10\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n234"), "{answer}");
    let answer = answered("GET", path, "Range: bytes=10-\r\n");
    assert!(answer.starts_with("HTTP/1.1 416 "), "{answer}");
    assert!(answer.contains("content-range: bytes */10\r\n"), "{answer}");
}

#[test]
fn nothing_but_the_files_of_a_rig_is_there() {
    for path in [
        "/",
        "/vmlinuz",
        "/52-54-00-12-34-56",
        "/52-54-00-12-34-56/",
        "/52-54-00-12-34-56/x64.efi",
        "/52-54-00-12-34-57/vmlinuz",
        "/52-54-00-12-34-56/../../etc/passwd",
        "/52-54-00-12-34-56/%2e%2e/vmlinuz",
        "//52-54-00-12-34-56/vmlinuz/",
        "/api/v1/peers",
    ] {
        let answer = answered("GET", path, "");
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{path}: {answer}");
    }
}

#[test]
fn nothing_can_be_written() {
    for method in ["PUT", "POST", "DELETE", "OPTIONS"] {
        let answer = answered(
            method,
            "/52-54-00-12-34-56/vmlinuz",
            "Content-Length: 0\r\n",
        );
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    }
}
