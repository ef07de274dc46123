//! Statements of succession as a peer may show them, and the pin that follows only the genuine ones.
//!
//! Byte by byte: a statement that is made with the keys of this file, one of a recovery key that nobody
//! pinned, or any 277 bytes; then how many of its bytes are changed, and which. At most as many as a link
//! shows.
//!
//! | what is shown | the pin |
//! |---|---|
//! | made by the pinned key, or by the pinned recovery key with a higher counter | moves |
//! | anything else | stays |

use std::sync::LazyLock;

use miner_shared::identity::{NodeKeys, Pin, RecoveryKey, Signer, Statement};
use miner_shared::limits::{MAX_STATEMENTS, STATEMENT};

use super::input::{Input, XorShift};

/// Nodes whose keys take each other's places; whoever has one can sign with it.
const NODES: u8 = 4;

static KEYS: LazyLock<Vec<NodeKeys>> = LazyLock::new(|| {
    let seeds = 1..=NODES;
    seeds.map(|seed| NodeKeys::from_seed(&[seed; 32])).collect()
});
/// The pinned recovery key, and another.
static RECOVERY: LazyLock<[RecoveryKey; 2]> =
    LazyLock::new(|| [5, 6].map(|seed| RecoveryKey::generate(&mut XorShift::new(seed))));

/// The input is the first pin and the statements.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let first = input.byte();
    let recovery = (first & 0x80 == 0x80).then(|| RECOVERY[0].public());
    let mut pin = Pin {
        recovery,
        ..Pin::new(node(first).fingerprint())
    };
    for _ in 0..MAX_STATEMENTS {
        if input.is_empty() {
            return;
        }
        let bytes = shown(&mut input);
        let Ok(statement) = Statement::try_from(&bytes[..]) else {
            continue;
        };
        assert_eq!(*statement.as_bytes(), bytes, "one statement has one form");
        let before = pin;
        let moves = concerns(&pin, &statement) && is_genuine(&statement);
        assert_eq!(pin.follow(&statement), moves);
        let after = Pin {
            fingerprint: statement.successor().fingerprint(),
            counter: before.counter.max(statement.counter()),
            ..before
        };
        assert_eq!(pin, if moves { after } else { before });
    }
}

fn node(number: u8) -> &'static NodeKeys {
    let keys = KEYS.get(usize::from(number % NODES));
    keys.expect("below their number")
}

/// The next statement, or what is to pass for one.
fn shown(input: &mut Input<'_>) -> [u8; STATEMENT] {
    let (kind, nodes) = (input.byte(), input.byte());
    let (old, new) = (node(nodes), node(nodes >> 4));
    let mut bytes = match kind % 4 {
        0 => *Statement::by_old(old, new).as_bytes(),
        1 => *by_recovery(0, new, input.byte()).as_bytes(),
        2 => *by_recovery(1, new, input.byte()).as_bytes(),
        _ => {
            let mut bytes = [0; STATEMENT];
            let raw = input.take(STATEMENT);
            bytes.iter_mut().zip(raw).for_each(|(b, r)| *b = *r);
            bytes
        }
    };
    for _ in 0..kind >> 6 {
        let at = usize::from(input.word()) % STATEMENT;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= input.byte();
        }
    }
    bytes
}

/// Counters from 1 to 128, and the highest there are.
fn by_recovery(key: usize, new: &NodeKeys, counter: u8) -> Statement {
    let counter = match u64::from(counter) {
        low @ 0..128 => low + 1,
        high => u64::MAX - (255 - high),
    };
    let key = RECOVERY.get(key).expect("one of two");
    Statement::by_recovery(key, new, counter)
}

/// Whether a pin has to listen to this statement, if it is genuine.
fn concerns(pin: &Pin, statement: &Statement) -> bool {
    match statement.signer() {
        Signer::Old => statement.predecessor() == Some(pin.fingerprint),
        Signer::Recovery => pin.recovery.is_some() && statement.counter() > pin.counter,
    }
}

/// Whether these keys make the same bytes: signatures of Ed25519 have no other form.
fn is_genuine(statement: &Statement) -> bool {
    let new = KEYS.iter().find(|k| k.public() == statement.successor());
    let old = KEYS
        .iter()
        .find(|k| Some(k.fingerprint()) == statement.predecessor());
    let made = match (statement.signer(), old, new) {
        (Signer::Old, Some(old), Some(new)) => Statement::by_old(old, new),
        (Signer::Recovery, _, Some(new)) => {
            Statement::by_recovery(&RECOVERY[0], new, statement.counter())
        }
        _ => return false,
    };
    made == *statement
}
