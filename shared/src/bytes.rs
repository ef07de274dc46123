//! Arrays longer than serde knows: signatures and statements, on the wire as they are.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `N` bytes, encoded without a length, like the shorter arrays of serde's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes<const N: usize>(pub [u8; N]);

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in &self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(N, Array(PhantomData))
    }
}

struct Array<const N: usize>(PhantomData<[u8; N]>);

impl<'de, const N: usize> Visitor<'de> for Array<N> {
    type Value = Bytes<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes<N>, A::Error> {
        let mut bytes = [0; N];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = seq
                .next_element()?
                .ok_or_else(|| A::Error::invalid_length(at, &self))?;
        }
        Ok(Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_encoded_as_they_are_and_none_may_lack() {
        let bytes = Bytes([7_u8; 64]);
        let mut out = [0; 80];
        let encoded = postcard::to_slice(&bytes, &mut out).expect("fits");
        assert_eq!(encoded, [7; 64]);
        assert_eq!(postcard::from_bytes::<Bytes<64>>(encoded), Ok(bytes));
        assert!(postcard::from_bytes::<Bytes<65>>(encoded).is_err());
    }
}
