//! Both sides against lines made of the words of the protocol in wrong places.

use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use super::*;

/// Lines of one case; Miri takes long for each.
const LINES: usize = if cfg!(miri) { 3 } else { 20 };

proptest! {
    #[test]
    fn hostile_lines_never_panic_either_side(
        lines in proptest::collection::vec(hostile_line(), 0..LINES),
    ) {
        let mut client = logged_in();
        let (mut server, _) = serving("xmrig");
        for line in &lines {
            let _ = client.handle_line(Millis(1), line.as_bytes());
            let _ = Client::new(Millis(0), login()).handle_line(Millis(1), line.as_bytes());
            if server.wants_line() {
                let _ = server.handle_line(Millis(1), line.as_bytes());
            }
            let _ = Server::new(Millis(0), [0; 8]).handle_line(Millis(1), line.as_bytes());
        }
        sent(&mut client, 2);
        answered(&mut server);
    }
}

/// Lines made of the words of the protocol in wrong places.
fn hostile_line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just(r#""login""#.to_string()),
        Just(r#""submit""#.to_string()),
        Just(r#""job""#.to_string()),
        Just(format!("\"{SESSION}\"")),
        Just("null".to_string()),
        Just("true".to_string()),
        Just("18446744073709551616".to_string()),
        Just(r#"["algo","nicehash","rx/0",7]"#.to_string()),
        Just(job_json("x", "ffffffff")),
        "-?[0-9]{1,22}(\\.0)?",
        "\"[0-9a-f]{0,20}\"",
        "\"\\PC{0,10}\"".prop_filter("no escapes", |s| !s[1..s.len() - 1].contains(['"', '\\'])),
    ];
    let key = prop_oneof![
        Just("id"),
        Just("method"),
        Just("params"),
        Just("result"),
        Just("error"),
        Just("job"),
        Just("login"),
        Just("algo"),
        Just("extensions"),
        Just("nonce"),
        Just("job_id"),
    ];
    let object = proptest::collection::vec((key.clone(), value.clone()), 0..6).prop_map(object_of);
    let nested = proptest::collection::vec((key, prop_oneof![value, object]), 0..6);
    prop_oneof![nested.prop_map(object_of), "\\PC{0,40}"]
}

fn object_of(members: Vec<(&'static str, String)>) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(k, v)| format!("\"{k}\":{v}"))
        .collect();
    format!("{{{}}}", members.join(","))
}
