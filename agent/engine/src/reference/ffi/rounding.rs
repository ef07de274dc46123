//! The thread's floating-point control register.
//!
//! RandomX rounds as its programs say, and its streaming functions leave it at that. Rust code may
//! rely on rounding to nearest, so whoever calls them holds a [`Kept`] meanwhile.

/// Puts the register back when dropped.
pub(super) struct Kept(u64);

impl Kept {
    pub(super) fn new() -> Self {
        Self(read())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        write(self.0);
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn read() -> u64 {
    let mut mxcsr = 0_u32;
    // SAFETY: stores four bytes where `mxcsr` is; every x86-64 has the instruction.
    unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack)) };
    mxcsr.into()
}

#[cfg(target_arch = "x86_64")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the 32 bits that `read` widened"
)]
fn write(mxcsr: u64) {
    let mxcsr = mxcsr as u32;
    // SAFETY: loads what `read` stored: a valid state, and the one that Rust code had before.
    unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack)) };
}

#[cfg(target_arch = "aarch64")]
pub(super) fn read() -> u64 {
    let fpcr: u64;
    // SAFETY: reads a register that every AArch64 has.
    unsafe { core::arch::asm!("mrs {}, fpcr", out(reg) fpcr, options(nomem, nostack)) };
    fpcr
}

#[cfg(target_arch = "aarch64")]
fn write(fpcr: u64) {
    // SAFETY: writes what `read` read: the state that Rust code had before.
    unsafe { core::arch::asm!("msr fpcr, {}", in(reg) fpcr, options(nomem, nostack)) };
}

/// Other processors: not kept. None of our targets is one.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn read() -> u64 {
    0
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn write(_: u64) {}
