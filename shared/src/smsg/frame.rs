//! The frame: one WebSocket binary message.
//!
//! ```text
//! 0  4  "SMSG"      4  1  version      5  1  kind      6  2  length of what follows, u16 LE
//! ```
//! The length counts the tag and must be the length of the message less 8. The header is the
//! associated data of sealed frames, so none of its bits can be changed.

use core::fmt;

use crate::limits::{FRAME_HEADER, MAX_FRAME};

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// First handshake message.
    First,
    /// Second handshake message.
    Second,
    /// Third handshake message.
    Third,
    /// A statement of succession of the listener.
    Succession,
    /// A signed message.
    Message,
}

impl Kind {
    const fn to_byte(self) -> u8 {
        match self {
            Self::First => 0x01,
            Self::Second => 0x02,
            Self::Third => 0x03,
            Self::Succession => 0x04,
            Self::Message => 0x10,
        }
    }

    const fn from_byte(byte: u8) -> Result<Self, FrameError> {
        match byte {
            0x01 => Ok(Self::First),
            0x02 => Ok(Self::Second),
            0x03 => Ok(Self::Third),
            0x04 => Ok(Self::Succession),
            0x10 => Ok(Self::Message),
            // Work: reserved for later versions of this code.
            0x11 => Err(FrameError::Reserved(byte)),
            _ => Err(FrameError::UnknownKind(byte)),
        }
    }
}

/// A frame taken apart; nothing in it is authentic yet.
#[derive(Debug)]
pub(super) struct Frame<'f> {
    pub(super) header: [u8; FRAME_HEADER],
    pub(super) version: u8,
    pub(super) kind: Kind,
    pub(super) body: &'f mut [u8],
}

/// The header of a frame with a body of this length, which [`MAX_FRAME`] bounds.
pub(super) fn header(version: u8, kind: Kind, body: usize) -> [u8; FRAME_HEADER] {
    debug_assert!(body <= MAX_FRAME - FRAME_HEADER);
    let [low, high, ..] = body.to_le_bytes();
    [b'S', b'M', b'S', b'G', version, kind.to_byte(), low, high]
}

/// Takes a frame of at most `max` bytes apart.
pub(super) fn split(frame: &mut [u8], max: usize) -> Result<Frame<'_>, FrameError> {
    if frame.len() > max {
        return Err(FrameError::TooLong(frame.len()));
    }
    let (header, body) = frame
        .split_first_chunk_mut::<FRAME_HEADER>()
        .ok_or(FrameError::TooShort)?;
    let [b'S', b'M', b'S', b'G', version, kind, low, high] = *header else {
        return Err(FrameError::BadMagic);
    };
    if usize::from(u16::from_le_bytes([low, high])) != body.len() {
        return Err(FrameError::BadLength);
    }
    Ok(Frame {
        header: *header,
        version,
        kind: Kind::from_byte(kind)?,
        body,
    })
}

/// Why bytes are no frame that may come now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The length in the header is not that of the body, or not that of this kind.
    BadLength,
    /// It does not begin with `SMSG`.
    BadMagic,
    /// Not the version that the two ends speak.
    BadVersion(u8),
    /// A kind that this code does not speak yet.
    Reserved(u8),
    /// Longer than a frame may be now; this many bytes.
    TooLong(usize),
    /// Shorter than a header.
    TooShort,
    /// Another kind should come now.
    Unexpected(Kind),
    /// No kind of frame.
    UnknownKind(u8),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadLength => f.write_str("a frame of a wrong length"),
            Self::BadMagic => f.write_str("not an SMSG frame"),
            Self::BadVersion(version) => write!(f, "a frame of version {version}"),
            Self::Reserved(kind) => write!(f, "a frame of the reserved kind {kind:#04x}"),
            Self::TooLong(len) => write!(f, "a frame of {len} bytes, which is too long now"),
            Self::TooShort => f.write_str("a frame shorter than its header"),
            Self::Unexpected(kind) => write!(f, "a frame of kind {kind:?}, out of turn"),
            Self::UnknownKind(kind) => write!(f, "a frame of the unknown kind {kind:#04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_its_header_and_its_body() {
        let mut bytes = *b"SMSG\x01\x10\x03\x00abc";
        assert_eq!(header(1, Kind::Message, 3), bytes[..8]);
        let frame = split(&mut bytes, MAX_FRAME).expect("a frame");
        assert_eq!((frame.version, frame.kind), (1, Kind::Message));
        assert_eq!(frame.body, b"abc");
    }

    #[test]
    fn what_is_no_frame_is_refused_by_name() {
        let error = |bytes: &[u8]| {
            let mut frame = [0; 16];
            frame[..bytes.len()].copy_from_slice(bytes);
            split(&mut frame[..bytes.len()], 12)
                .map(|_| ())
                .expect_err("refused")
        };
        assert_eq!(error(b"SMSG\x01\x10\x00"), FrameError::TooShort);
        assert_eq!(error(b"SMSH\x01\x10\x00\x00"), FrameError::BadMagic);
        assert_eq!(error(b"SMSG\x01\x10\x01\x00"), FrameError::BadLength);
        assert_eq!(error(b"SMSG\x01\x10\x00\x01"), FrameError::BadLength);
        assert_eq!(error(b"SMSG\x01\x11\x00\x00"), FrameError::Reserved(0x11));
        assert_eq!(
            error(b"SMSG\x01\x12\x00\x00"),
            FrameError::UnknownKind(0x12)
        );
        assert_eq!(error(b"SMSG\x01\x10\x05\x00abcde"), FrameError::TooLong(13));
    }
}
