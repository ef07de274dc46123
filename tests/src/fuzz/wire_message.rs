//! The body of a MESSAGE: whatever decodes must encode to the same message again, within the bound.

use miner_shared::limits::MAX_MESSAGE;
use miner_shared::wire::Message;

use super::said;

/// The input is the body.
pub(super) fn run(data: &[u8]) {
    let message = match Message::decode(data) {
        Ok(message) => message,
        Err(error) => return said(&error),
    };
    let mut out = [0; MAX_MESSAGE];
    let encoded = message.encode(&mut out).expect("what was decoded fits");
    let again = Message::decode(encoded);
    assert_eq!(again.as_ref(), Ok(&message), "it comes back as it was");
}
