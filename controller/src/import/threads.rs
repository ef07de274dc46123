//! How many hash threads a file wants: XMRig's forms of a list of threads.
//!
//! | form | threads |
//! |---|---|
//! | `4` | 4 |
//! | `[0, 2, 4]`, `[-1, -1]` | one per entry, on that processor, or on any for -1 |
//! | `[[1, 0], [1, 2]]` | the same, with hashes at a time before it |
//! | `{"threads": 4, "intensity": 1, "affinity": -1}` | 4 |
//! | `false` | the algorithm is off |
//! | `"rx/0"` | as that algorithm |

use super::jsonc::{Object, Value};

/// What a list of threads says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Threads {
    /// So many; and whether they are tied to processors.
    Count(u32, bool),
    /// None.
    Off,
    /// No form that is known.
    Odd,
}

/// Reads a list of threads; `cpu` has the other lists, which a text names.
pub(super) fn read(value: &Value, cpu: &Object) -> Threads {
    match value {
        // One step: a name that leads to a name is nothing that XMRig writes.
        Value::Text(name) => match cpu.get(name) {
            Some(Value::Text(_)) | None => Threads::Odd,
            Some(other) => read(other, cpu),
        },
        Value::Bool(false) => Threads::Off,
        Value::Number(_) => counted(value.as_whole(), false),
        Value::List(entries) => {
            let tied = entries.iter().map(is_tied).collect::<Option<Vec<_>>>();
            match tied {
                None => Threads::Odd,
                Some(tied) => counted(
                    u32::try_from(tied.len()).ok(),
                    tied.iter().any(|tied| *tied),
                ),
            }
        }
        Value::Object(list) => {
            let affinity = list.get("affinity").unwrap_or(&Value::Null);
            let count = list.get("threads").and_then(Value::as_whole);
            counted(
                count,
                !matches!(affinity, Value::Null | Value::Number(-1.0)),
            )
        }
        Value::Null | Value::Bool(true) => Threads::Odd,
    }
}

fn counted(count: Option<u32>, tied: bool) -> Threads {
    match count {
        None => Threads::Odd,
        Some(0) => Threads::Off,
        Some(count) => Threads::Count(count, tied),
    }
}

/// Whether an entry names a processor; `None` if it is no entry.
fn is_tied(entry: &Value) -> Option<bool> {
    match entry {
        Value::Number(processor) => Some(*processor >= 0.0),
        Value::List(pair) => match pair.as_slice() {
            [Value::Number(_), Value::Number(processor)] => Some(*processor >= 0.0),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_list_of_threads_is_counted() {
        let cpu = Object::parse(
            r#"{ "a": 4, "b": [0, 2, 4], "c": [-1, -1], "d": [[1, 0], [2, -1]],
                "e": {"threads": 3, "affinity": -1}, "f": {"threads": 2, "affinity": 5},
                "g": false, "h": [], "i": "b", "j": "i", "k": true, "l": [true], "m": {}, "n": 1.5 }"#,
        )
        .expect("an object");
        let read = |key: &str| read(cpu.get(key).expect("there"), &cpu);
        assert_eq!(read("a"), Threads::Count(4, false));
        assert_eq!(read("b"), Threads::Count(3, true));
        assert_eq!(read("c"), Threads::Count(2, false));
        assert_eq!(read("d"), Threads::Count(2, true));
        assert_eq!(read("e"), Threads::Count(3, false));
        assert_eq!(read("f"), Threads::Count(2, true));
        assert_eq!(read("i"), Threads::Count(3, true));
        for off in ["g", "h"] {
            assert_eq!(read(off), Threads::Off, "{off}");
        }
        for odd in ["j", "k", "l", "m", "n"] {
            assert_eq!(read(odd), Threads::Odd, "{odd}");
        }
    }
}
