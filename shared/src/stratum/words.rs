//! The words of the wire that both ends use: error texts, request ids, lines.

use crate::json::{Value, Writer};
use crate::limits::MAX_POOL_MESSAGE;
use crate::text::Text;

/// How the program name of our own agents begins; they get targets in eight bytes.
pub const AGENT_PREFIX: &str = "miner/";

/// Why a server refuses something. The text decides what a stock miner does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The pool behind cannot be asked.
    BadGateway,
    /// The same nonce was claimed for this job before.
    DuplicateShare,
    /// Another algorithm than the job's.
    IncorrectAlgorithm,
    /// Not a method of ours.
    InvalidMethod,
    /// A nonce outside the miner's slot; the connection ends.
    InvalidNonce,
    /// Not the hash of that nonce.
    InvalidPow,
    /// Members missing or of the wrong kind.
    InvalidRequest,
    /// Above the target, or malformed.
    LowDifficulty,
    /// Nothing that the miner knows is mined here; the connection ends.
    NoAlgorithm,
    /// Not with this password; the connection ends.
    PermissionDenied,
    /// The job is over.
    StaleShare,
    /// Not logged in, or in another session. A stock miner logs in again.
    Unauthenticated,
}

impl Refusal {
    /// The text sent. None begins with `Invalid job id`, on which a stock miner reconnects.
    pub const fn text(self) -> &'static str {
        match self {
            Self::BadGateway => "Bad gateway",
            Self::DuplicateShare => "Duplicate share",
            Self::IncorrectAlgorithm => "Incorrect algorithm",
            Self::InvalidMethod => "Invalid method",
            Self::InvalidNonce => "Invalid nonce; is miner not compatible with NiceHash?",
            Self::InvalidPow => "Invalid PoW",
            Self::InvalidRequest => "Invalid request",
            Self::LowDifficulty => "Low difficulty share",
            Self::NoAlgorithm => "No compatible algorithm found",
            Self::PermissionDenied => "Permission denied",
            Self::StaleShare => "Stale share",
            Self::Unauthenticated => "Unauthenticated",
        }
    }
}

/// Whether a pool's words mean that this session is over; a subset of those on which XMRig closes.
pub(super) fn ends_session(message: &str) -> bool {
    const STARTS: [&str; 3] = [
        "Unauthenticated",
        "your IP is banned",
        "IP Address currently banned",
    ];
    STARTS.iter().any(|start| {
        message
            .as_bytes()
            .get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    })
}

/// The error of a reply, if it is one: a member `error` that is not null, whatever else is there.
pub(super) fn error_of(reply: Value<'_>) -> Option<Text<MAX_POOL_MESSAGE>> {
    let error = reply.get("error").filter(|error| !error.is_null())?;
    let message = error.as_str().or_else(|| error.get("message")?.as_str());
    Some(message.map_or_else(Text::default, |message| message.lossy()))
}

/// The number of a request or reply: an integer, an integer with an empty fraction, or digits in a
/// string.
pub(super) fn id_of(message: Value<'_>) -> Option<u64> {
    let id = message.get("id")?;
    if let Some(text) = id.as_str() {
        let digits = text.unescape::<20>()?;
        return digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?;
    }
    id.as_u64().or_else(|| {
        let (whole, fraction) = id.as_json().split_once('.')?;
        fraction
            .bytes()
            .all(|b| b == b'0')
            .then(|| whole.parse().ok())?
    })
}

/// Writes one line, ending included; `None` if it does not fit.
pub(super) fn write_line(out: &mut [u8], write: impl FnOnce(&mut Writer<'_>)) -> Option<usize> {
    let (ending, room) = out.split_last_mut()?;
    let mut writer = Writer::new(room);
    write(&mut writer);
    let length = writer.finish().ok()?;
    match room.get_mut(length) {
        Some(end) => *end = b'\n',
        None => *ending = b'\n',
    }
    Some(length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Value<'_> {
        Value::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn ids_come_as_numbers_fractions_and_strings() {
        for text in [
            r#"{"id":7}"#,
            r#"{"id":7.0}"#,
            r#"{"id":"7"}"#,
            r#"{"id":1,"id":7}"#,
        ] {
            assert_eq!(id_of(parse(text)), Some(7), "{text}");
        }
        for text in [
            r#"{"id":7.5}"#,
            r#"{"id":-7}"#,
            r#"{"id":"x"}"#,
            r#"{"id":"+7"}"#,
            r#"{"id":""}"#,
            r#"{"id":null}"#,
            r#"{"id":18446744073709551616}"#,
            r#"{}"#,
        ] {
            assert_eq!(id_of(parse(text)), None, "{text}");
        }
    }

    #[test]
    fn an_error_is_a_member_that_is_not_null() {
        let message = |text| error_of(parse(text)).map(|m| std::string::String::from(m.as_str()));
        assert_eq!(message(r#"{"error":null,"result":null}"#), None);
        assert_eq!(message(r#"{"result":{"status":"KO"}}"#), None);
        for text in [
            r#"{"error":{"code":-1,"message":"no"}}"#,
            r#"{"error":{"message":"no"},"result":{"status":"OK"}}"#,
            r#"{"error":"no"}"#,
        ] {
            assert_eq!(message(text).as_deref(), Some("no"), "{text}");
        }
        for text in [
            r#"{"error":{"code":-1}}"#,
            r#"{"error":false}"#,
            r#"{"error":{"message":5}}"#,
        ] {
            assert_eq!(message(text).as_deref(), Some(""), "{text}");
        }
    }

    #[test]
    fn a_line_fits_to_the_last_byte() {
        for (size, length) in [(4, Some(3)), (3, Some(3)), (2, None), (0, None)] {
            let mut out = [0; 4];
            let written = write_line(&mut out[..size], |w| {
                w.number(42);
            });
            assert_eq!(written, length, "{size}");
            if let Some(length) = length {
                assert_eq!(&out[..length], b"42\n");
            }
        }
    }
}
