//! Rounds by AES-NI.
#![expect(
    unsafe_code,
    reason = "instructions that not every processor has; `Hard` proves that this one does"
)]

use core::arch::x86_64::{
    __m128i, _mm_aesdec_si128, _mm_aesenc_si128, _mm_loadu_si128, _mm_storeu_si128,
};

use super::{GeneratorKeys, Hard, Round, State};

#[derive(Clone, Copy)]
struct Ni;

/// Only used below, where the instructions are known to be there.
impl Round for Ni {
    type Column = __m128i;

    #[inline(always)]
    fn load(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: 16 bytes are there; the load asks for no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(column: __m128i, bytes: &mut [u8; 16]) {
        // SAFETY: 16 bytes are there; the store asks for no alignment.
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), column) }
    }

    #[inline(always)]
    fn encrypt(column: __m128i, key: __m128i) -> __m128i {
        // SAFETY: whoever uses `Ni` was called with a `Hard`.
        unsafe { _mm_aesenc_si128(column, key) }
    }

    #[inline(always)]
    fn decrypt(column: __m128i, key: __m128i) -> __m128i {
        // SAFETY: whoever uses `Ni` was called with a `Hard`.
        unsafe { _mm_aesdec_si128(column, key) }
    }
}

with_instructions!(Ni);
