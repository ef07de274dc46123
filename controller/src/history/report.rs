//! How what a rig said last is kept over a restart: its statistics as they came, in the wire's encoding.

use miner_shared::wire::RigStats;

use super::format::MAX_LAST;

/// Version of [`RigStats`] as bytes. One more whenever its encoding changes, which
/// `reports_are_encoded_as_this_version_says` notices: older records are unknown then, never misread.
pub(super) const VERSION: u16 = 1;

/// Statistics as bytes; `None` if they are longer than what is kept.
pub fn encode(stats: &RigStats) -> Option<Vec<u8>> {
    let mut buffer = [0; MAX_LAST];
    let bytes = postcard::to_slice(stats, &mut buffer).ok()?;
    Some(bytes.to_vec())
}

/// Statistics of bytes.
pub fn decode(bytes: &[u8]) -> Option<RigStats> {
    let (stats, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(stats)
}

#[cfg(test)]
mod tests {
    use super::super::point::tests::report;
    use super::*;

    /// When this fails, the encoding has changed: raise [`VERSION`], then note the new bytes here.
    #[test]
    fn reports_are_encoded_as_this_version_says() {
        let bytes = encode(&report(Some(1_500), 300)).expect("short");
        assert_eq!(VERSION, 1);
        assert_eq!(
            bytes,
            [
                0, 0, 0, 4, 1, 9, b'm', b'i', b'n', b'e', b'r', b'-', b'r', b'x', b'0', 0, 0, 2, 0,
                0, 1, 220, 11, 0, 0, 0, 0, 172, 2, 0, 0, 0, 0, 0, 0, 0, 0
            ]
        );
        assert_eq!(decode(&bytes), Some(report(Some(1_500), 300)));
        assert_eq!(decode(&bytes[1..]), None);
    }
}
