//! Rounds by the AES instructions of AArch64, which add the key before the round and mix apart.
#![expect(
    unsafe_code,
    reason = "instructions that not every processor has; `Hard` proves that this one does"
)]

use core::arch::aarch64::{
    uint8x16_t, vaesdq_u8, vaeseq_u8, vaesimcq_u8, vaesmcq_u8, vdupq_n_u8, veorq_u8, vld1q_u8,
    vst1q_u8,
};

use super::{Hard, Round, State};

#[derive(Clone, Copy)]
struct Neon;

/// Only used below, where the instructions are known to be there.
impl Round for Neon {
    type Column = uint8x16_t;

    #[inline(always)]
    fn load(bytes: &[u8; 16]) -> uint8x16_t {
        // SAFETY: 16 bytes are there.
        unsafe { vld1q_u8(bytes.as_ptr()) }
    }

    #[inline(always)]
    fn store(column: uint8x16_t, bytes: &mut [u8; 16]) {
        // SAFETY: 16 bytes are there.
        unsafe { vst1q_u8(bytes.as_mut_ptr(), column) }
    }

    #[inline(always)]
    fn encrypt(column: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
        #[target_feature(enable = "aes")]
        #[inline]
        fn round(column: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
            veorq_u8(vaesmcq_u8(vaeseq_u8(column, vdupq_n_u8(0))), key)
        }
        // SAFETY: whoever uses `Neon` was called with a `Hard`.
        unsafe { round(column, key) }
    }

    #[inline(always)]
    fn decrypt(column: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
        #[target_feature(enable = "aes")]
        #[inline]
        fn round(column: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
            veorq_u8(vaesimcq_u8(vaesdq_u8(column, vdupq_n_u8(0))), key)
        }
        // SAFETY: whoever uses `Neon` was called with a `Hard`.
        unsafe { round(column, key) }
    }
}

/// Compiles a construction a second time, with the instructions.
macro_rules! with_instructions {
    ($name:ident, $generic:ident, ($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        pub(super) fn $name(_: Hard, $($argument: $type),*) $(-> $result)? {
            #[target_feature(enable = "aes")]
            fn inner($($argument: $type),*) $(-> $result)? {
                super::$generic::<Neon>($($argument),*)
            }
            // SAFETY: `Hard` is made only where the processor has the instructions.
            unsafe { inner($($argument),*) }
        }
    };
}

with_instructions!(fill, fill, (state: &mut State, memory: &mut [u8]));
with_instructions!(mix, mix, (f: &mut State, e: &State));
with_instructions!(program, program_, (state: &State, program: &mut [u8]));
with_instructions!(fingerprint, fingerprint, (memory: &[u8]) -> State);
with_instructions!(
    fingerprint_and_fill, fingerprint_and_fill,
    (memory: &mut [u8], state: &mut State) -> State
);
