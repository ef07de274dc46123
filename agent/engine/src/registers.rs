//! The registers of the virtual machine (specification, chapter 4.3).

use crate::program::Configuration;
use crate::rounding::Mode;

/// A floating-point register: a low and a high half.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(16))]
pub(crate) struct Double(pub(crate) [f64; 2]);

impl Double {
    /// A group as four columns of AES.
    pub(crate) fn bytes(group: &[Self; 4]) -> [u8; 64] {
        let mut bytes = [0; 64];
        let halves = group.iter().flat_map(|double| double.0);
        for (bytes, half) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(halves) {
            *bytes = half.to_le_bytes();
        }
        bytes
    }

    /// The inverse of [`Self::bytes`].
    pub(crate) fn of_bytes(bytes: &[u8; 64]) -> [Self; 4] {
        let (halves, _) = bytes.as_chunks::<8>();
        let half = |at: usize| f64::from_le_bytes(halves[at]);
        [0, 2, 4, 6].map(|at| Self([half(at), half(at + 1)]))
    }

    /// Half by half.
    pub(crate) fn with(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self([f(self.0[0], other.0[0]), f(self.0[1], other.0[1])])
    }

    /// Half by half, on the bits.
    pub(crate) fn bits_with(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        self.with(other, |a, b| f64::from_bits(f(a.to_bits(), b.to_bits())))
    }
}

/// All registers. The first 256 bytes are the register file of the specification, chapter 1.1, on
/// machines that store the low byte first; compiled code relies on the layout.
#[derive(Clone, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Registers {
    pub(crate) r: [u64; 8],
    pub(crate) f: [Double; 4],
    pub(crate) e: [Double; 4],
    pub(crate) a: [Double; 4],
    /// How floating-point operations round, `fprc`.
    pub(crate) mode: Mode,
}

impl Registers {
    pub(crate) fn new() -> Self {
        Self {
            r: [0; 8],
            f: [Double::default(); 4],
            e: [Double::default(); 4],
            a: [Double::default(); 4],
            mode: Mode::Nearest,
        }
    }

    /// Sets what a program starts with.
    pub(crate) fn configure(&mut self, configuration: &Configuration) {
        self.a = configuration.a.map(|bits| Double(bits.map(f64::from_bits)));
    }

    /// The register file as bytes, with `a` as its last 64.
    pub(crate) fn file(&self) -> [u8; 256] {
        let mut file = [0; 256];
        let groups = [&self.f, &self.e, &self.a];
        let floats = groups.into_iter().flatten().flat_map(|double| double.0);
        let words = self.r.into_iter().chain(floats.map(f64::to_bits));
        for (bytes, word) in file.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        file
    }

    /// The register file with a fingerprint in place of `a`.
    pub(crate) fn file_with(&self, fingerprint: &[u8; 64]) -> [u8; 256] {
        let mut file = self.file();
        file[192..].copy_from_slice(fingerprint);
        file
    }
}
