//! The body of a MESSAGE: whatever decodes must encode to the same message again, within the bound.

use miner_shared::limits::MAX_MESSAGE;
use miner_shared::wire::Message;

/// The input is the body.
pub(super) fn run(data: &[u8]) {
    let Ok(message) = Message::decode(data) else {
        return;
    };
    let mut out = [0; MAX_MESSAGE];
    let encoded = message.encode(&mut out).expect("what was decoded fits");
    let again = Message::decode(encoded);
    assert_eq!(again.as_ref(), Ok(&message), "it comes back as it was");
}
