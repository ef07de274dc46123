//! Rounds by the AES instructions of AArch64, which add the key before the round and mix apart.
#![expect(
    unsafe_code,
    reason = "instructions that not every processor has; `Hard` proves that this one does"
)]

use core::arch::aarch64::{
    uint8x16_t, vaesdq_u8, vaeseq_u8, vaesimcq_u8, vaesmcq_u8, vdupq_n_u8, veorq_u8, vld1q_u8,
    vst1q_u8,
};

use super::{GeneratorKeys, Hard, Round, State};

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

with_instructions!(Neon);
