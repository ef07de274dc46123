//! From here to its end this process starts no other program, and the kernel sees to it.
//!
//! A filter over system calls (seccomp) that cannot be taken back, on every thread of the process and
//! on all that come after:
//!
//! ```text
//!   called by a foreign table (of the other width, x32)? ── yes ─▶ EPERM: this program has one table only
//!   execve, execveat?                        ── yes ─▶ EPERM
//!   anything else                                   ─▶ as ever
//! ```
//! The filter is as small as it can be on purpose: one promise of docs/ABUSE.md, kept also should a
//! hole in the agent let somebody else's code run in it.
#![expect(
    unsafe_code,
    reason = "no crate that the agent links wraps seccomp filters"
)]

use std::io;

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, EPERM, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, SYS_execve, SYS_execveat, sock_filter, sock_fprog,
};

/// `AUDIT_ARCH_X86_64` of linux/audit.h: machine 62, little-endian, 64 bits.
#[cfg(target_arch = "x86_64")]
const TABLE: Option<u32> = Some(0xc000_003e);
/// `AUDIT_ARCH_AARCH64`.
#[cfg(target_arch = "aarch64")]
const TABLE: Option<u32> = Some(0xc000_00b7);
/// `AUDIT_ARCH_I386`: machine 3, little-endian.
#[cfg(target_arch = "x86")]
const TABLE: Option<u32> = Some(0x4000_0003);
/// Not tried on these yet.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "x86")))]
const TABLE: Option<u32> = None;

/// Where `struct seccomp_data` has the number of the call, and the table that it is of.
const NUMBER_AT: u32 = 0;
const TABLE_AT: u32 = 4;
/// Numbers from here on are of x32, a second table on x86_64; no other machine has such numbers.
const X32: u32 = 0x4000_0000;

/// Forbids this process to start programs.
///
/// # Errors
/// The kernel has no seccomp, or the processor is one that the filter is not written for.
pub fn forbid_programs() -> io::Result<()> {
    install(libc::SECCOMP_FILTER_FLAG_TSYNC)
}

/// With 0 instead of TSYNC the filter is for this thread and what it starts.
fn install(flags: libc::c_ulong) -> io::Result<()> {
    let table = TABLE.ok_or(io::ErrorKind::Unsupported)?;
    // Without it the kernel takes filters from root only.
    rustix::thread::set_no_new_privs(true)?;
    let mut filter = filter(table)?;
    let program = sock_fprog {
        len: u16::try_from(filter.len()).map_err(io::Error::other)?,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: `program` and the instructions that it points to live through the call; the kernel
    // copies and checks them, and writes nothing.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        _ => Err(io::Error::other("a thread would not take the filter")),
    }
}

fn filter(table: u32) -> io::Result<[sock_filter; 8]> {
    let number = |call: libc::c_long| u32::try_from(call).map_err(io::Error::other);
    let (execve, execveat) = (number(SYS_execve)?, number(SYS_execveat)?);
    let denied = SECCOMP_RET_ERRNO | EPERM.cast_unsigned();
    // A jump says how many instructions are skipped if it holds, and if not.
    Ok([
        load(TABLE_AT),
        jump(BPF_JEQ, table, 0, 5),
        load(NUMBER_AT),
        jump(BPF_JGE, X32, 3, 0),
        jump(BPF_JEQ, execve, 2, 0),
        jump(BPF_JEQ, execveat, 1, 0),
        end(SECCOMP_RET_ALLOW),
        end(denied),
    ])
}

const fn load(at: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, at, (0, 0))
}

const fn jump(test: u32, with: u32, holds: u8, holds_not: u8) -> sock_filter {
    instruction(BPF_JMP | test | BPF_K, with, (holds, holds_not))
}

const fn end(verdict: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, verdict, (0, 0))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the codes have 16 bits; libc has them as the C header's int"
)]
const fn instruction(code: u32, k: u32, (jt, jf): (u8, u8)) -> sock_filter {
    let code = code as u16;
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_that_forbade_it_starts_no_program_and_works_on() {
        let run = || Command::new("/proc/self/exe").arg("--list").output();
        thread::spawn(move || {
            run().expect("it may, at first");
            install(0).expect("this kernel has seccomp");
            let error = run().expect_err("the kernel refuses");
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            // Not for good measure but for the miner: threads, memory and files are as ever.
            thread::spawn(|| std::fs::read("/proc/self/status").expect("reads"))
                .join()
                .expect("a thread of that thread");
            install(0).expect("once more changes nothing");
            run().expect_err("still refused");
        })
        .join()
        .expect("no assertion failed");
        run().expect("other threads may: only the program itself asks for all of them");
    }
}
