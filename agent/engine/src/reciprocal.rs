//! The constant of IMUL_RCP (specification, chapter 5.2.6).

/// `2^x / divisor`, with the largest `x` for which it is below 2^64. `None` for 0 and powers of two,
/// for which the instruction does nothing.
pub(crate) const fn reciprocal(divisor: u32) -> Option<u64> {
    if divisor == 0 || divisor.is_power_of_two() {
        return None;
    }
    // A divisor of b bits lies strictly between 2^(b-1) and 2^b, so x is 63 + b.
    let bits = u32::BITS - divisor.leading_zeros();
    Some(((1_u128 << (63 + bits)) / divisor as u128) as u64)
}

#[cfg(test)]
mod tests {
    use super::reciprocal;

    /// Values of the reference's `src/tests/tests.cpp`.
    #[test]
    fn published_reciprocals() {
        for (divisor, expected) in [
            (3, 12_297_829_382_473_034_410),
            (13, 11_351_842_506_898_185_609),
            (33, 17_887_751_829_051_686_415),
            (65_537, 18_446_462_603_027_742_720),
            (15_000_001, 10_316_166_306_300_415_204),
            (3_845_182_035, 10_302_264_209_224_146_340),
            (0xffff_ffff, 9_223_372_039_002_259_456),
        ] {
            assert_eq!(reciprocal(divisor), Some(expected), "{divisor}");
        }
        assert_eq!([0, 1, 2, 1 << 31].map(reciprocal), [None; 4]);
    }
}
