//! Floating-point arithmetic in the four rounding modes of RandomX, in software: the result rounded
//! to nearest, and the sign of what rounding took away, which can be computed exactly. Compiled code
//! must not run under another rounding mode of the processor than the usual one, so only code made
//! at run time uses the processor's modes.
//!
//! | operation | what was taken away | source |
//! |---|---|---|
//! | `a + b` | the error term of TwoSum | Knuth, TAOCP vol. 2, 4.2.2, theorem B |
//! | `a * b` | `fma(a, b, -product)` | exact unless it underflows |
//! | `a / b` | `fma(-quotient, b, a)` has its sign, for `b > 0` | |
//! | `sqrt(a)` | `fma(-root, root, a)` has its sign | |

/// A rounding mode, `fprc` of the specification's table 4.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    Nearest,
    Down,
    Up,
    Zero,
}

impl Mode {
    /// The mode of these two bits.
    pub(crate) const fn of(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Nearest,
            1 => Self::Down,
            2 => Self::Up,
            _ => Self::Zero,
        }
    }

    pub(crate) fn add(self, a: f64, b: f64) -> f64 {
        let sum = a + b;
        if sum == 0.0 && self == Self::Down {
            // An exact zero is negative in this mode, unless two positive ones were added.
            return if a.is_sign_positive() && b.is_sign_positive() {
                0.0
            } else {
                -0.0
            };
        }
        let b_part = sum - a;
        let lost = (a - (sum - b_part)) + (b - b_part);
        self.directed(sum, lost, a.is_finite() && b.is_finite())
    }

    pub(crate) fn mul(self, a: f64, b: f64) -> f64 {
        let product = a * b;
        let lost = a.mul_add(b, -product);
        self.directed(product, lost, a.is_finite() && b.is_finite())
    }

    /// `b` is positive.
    pub(crate) fn div(self, a: f64, b: f64) -> f64 {
        let quotient = a / b;
        let lost = (-quotient).mul_add(b, a);
        self.directed(quotient, lost, a.is_finite() && b != 0.0)
    }

    /// `a` is positive.
    pub(crate) fn sqrt(self, a: f64) -> f64 {
        let root = a.sqrt();
        let lost = (-root).mul_add(root, a);
        self.directed(root, lost, a.is_finite())
    }

    /// The result in this mode, from the nearest one and what that leaves out.
    fn directed(self, nearest: f64, lost: f64, finite_operands: bool) -> f64 {
        if nearest.is_infinite() {
            return self.overflowed(nearest, finite_operands);
        }
        match self {
            Self::Down if lost < 0.0 => nearest.next_down(),
            Self::Up if lost > 0.0 => nearest.next_up(),
            Self::Zero if nearest > 0.0 && lost < 0.0 => nearest.next_down(),
            Self::Zero if nearest < 0.0 && lost > 0.0 => nearest.next_up(),
            _ => nearest,
        }
    }

    /// What lies beyond the largest number becomes infinite only in a mode that goes there.
    fn overflowed(self, infinite: f64, finite_operands: bool) -> f64 {
        let stays = match self {
            Self::Nearest => false,
            Self::Down => infinite > 0.0,
            Self::Up => infinite < 0.0,
            Self::Zero => true,
        };
        if stays && finite_operands {
            f64::MAX.copysign(infinite)
        } else {
            infinite
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    const MODES: [Mode; 4] = [Mode::Nearest, Mode::Down, Mode::Up, Mode::Zero];

    /// One operation under a rounding mode of the processor.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "the mode may change within assembly only")]
    mod processor {
        use super::Mode;
        use core::arch::asm;

        macro_rules! operation {
            ($name:ident, $instruction:literal) => {
                pub(super) fn $name(mode: Mode, mut a: f64, b: f64) -> f64 {
                    let [wanted, usual] = [0x1f80 | (mode as u32) << 13, 0x1f80];
                    // SAFETY: the usual control word is put back before the block ends.
                    unsafe {
                        asm!(
                            "ldmxcsr [{wanted}]",
                            concat!($instruction, " {a}, {b}"),
                            "ldmxcsr [{usual}]",
                            wanted = in(reg) &raw const wanted,
                            usual = in(reg) &raw const usual,
                            a = inout(xmm_reg) a,
                            b = in(xmm_reg) b,
                            options(nostack)
                        );
                    }
                    a
                }
            };
        }
        operation!(add, "addsd");
        operation!(mul, "mulsd");
        operation!(div, "divsd");
        operation!(sqrt, "sqrtsd");
    }

    /// Numbers as they come up in groups F and E, and the ends of the range.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_mode_rounds_as_the_processor_does() {
        let mut random = crate::testing::Random(7);
        let mut number = || {
            let bits = random.next();
            match bits % 8 {
                0 => f64::from(random.next() as i32),
                1 => f64::from_bits(random.next() & 0x3fff_ffff_ffff_ffff | 0x3000 << 48),
                2 => [0.0, -0.0, 1.0, f64::MAX, f64::MIN, f64::INFINITY][bits as usize / 8 % 6],
                _ => f64::from_bits(random.next() & !(0x7ff << 52) | (0x3ff + bits / 8 % 96) << 52),
            }
        };
        for _ in 0..200_000 {
            let (a, b) = (number(), number());
            for mode in MODES {
                let same = |name, ours: f64, theirs: f64| {
                    let nan = ours.is_nan() && theirs.is_nan();
                    assert!(
                        nan || ours.to_bits() == theirs.to_bits(),
                        "{name} {a:e} {b:e} {mode:?}: {ours:e}, not {theirs:e}"
                    );
                };
                same("add", mode.add(a, b), processor::add(mode, a, b));
                let (a, b) = (a.abs(), b.abs());
                same("mul", mode.mul(a, b), processor::mul(mode, a, b));
                same("div", mode.div(a, b), processor::div(mode, a, b));
                same("sqrt", mode.sqrt(a), processor::sqrt(mode, 0.0, a));
            }
        }
    }

    #[test]
    fn modes_go_their_ways() {
        let third = |mode: Mode| mode.div(1.0, 3.0);
        assert!(third(Mode::Down) < third(Mode::Up));
        assert_eq!(third(Mode::Zero), third(Mode::Down));
        assert_eq!(Mode::Down.add(1.0, -1.0).to_bits(), (-0.0_f64).to_bits());
        assert_eq!(Mode::Zero.mul(f64::MAX, 2.0), f64::MAX);
        assert_eq!(Mode::Up.mul(f64::MAX, 2.0), f64::INFINITY);
    }
}
