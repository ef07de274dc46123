//! The JSON reader: what it takes, serde_json takes too, and both read the same.

use miner_shared::json::{Value, Writer};
use serde_json::Value as Serde;

use super::said;

/// The input is the text.
pub(super) fn run(data: &[u8]) {
    let value = match Value::parse(data) {
        Ok(value) => value,
        Err(error) => return said(&error),
    };
    // What is shown of a value in a log: its size, not what a peer put in.
    assert!(format!("{value:?} {:?}", value.as_str()).len() < 80);
    let again = Value::parse(value.as_json().as_bytes()).expect("it was one");
    assert_eq!(again.as_json(), value.as_json());
    let theirs: Serde = match serde_json::from_slice(data) {
        Ok(theirs) => theirs,
        // A number too large for a double, and half a surrogate pair, are JSON; serde has no place
        // for them.
        Err(error) => {
            let why = error.to_string();
            let known = why.contains("out of range") || why.contains("surrogate");
            assert!(known || why.contains("hex escape"), "serde_json: {why}");
            return;
        }
    };
    same(value, &theirs);
}

fn same(ours: Value<'_>, theirs: &Serde) {
    match theirs {
        Serde::Null => assert!(ours.is_null()),
        Serde::Bool(theirs) => assert_eq!(ours.as_bool(), Some(*theirs)),
        Serde::Number(theirs) => assert_eq!(ours.as_u64(), theirs.as_u64()),
        Serde::String(theirs) => {
            let ours = ours.as_str().expect("a string");
            assert!(ours.is(theirs), "{theirs:?}");
            written(theirs);
        }
        Serde::Array(theirs) => {
            assert!(ours.is_array());
            assert_eq!(ours.items().count(), theirs.len());
            ours.items()
                .zip(theirs)
                .for_each(|(ours, theirs)| same(ours, theirs));
        }
        Serde::Object(theirs) => {
            assert!(ours.is_object());
            assert!(ours.members().count() >= theirs.len());
            for (name, theirs) in theirs {
                same(ours.get(name).expect("the member"), theirs);
            }
        }
    }
}

/// What the writer writes, the reader and serde read back.
fn written(text: &str) {
    let mut out = [0; 4096];
    let mut writer = Writer::new(&mut out);
    writer.string(text);
    let Ok(len) = writer.finish() else {
        return;
    };
    let json = out.get(..len).unwrap_or_default();
    let ours = Value::parse(json).expect("we read what we write");
    assert!(ours.as_str().is_some_and(|ours| ours.is(text)));
    assert_eq!(
        serde_json::from_slice::<String>(json).ok().as_deref(),
        Some(text)
    );
}
