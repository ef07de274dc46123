//! The one call that a watchdog device needs beside being written to (linux/watchdog.h).
#![expect(unsafe_code, reason = "no crate that the agent links wraps this ioctl")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// `WDIOC_SETTIMEOUT`: `_IOWR('W', 6, int)`.
const SET_TIMEOUT: libc::Ioctl = 0xc004_5706_u32 as libc::Ioctl;

/// Sets after how many seconds without a sign of life the device restarts the machine; gives the
/// seconds that it took, which may be others.
pub fn set_timeout(device: impl AsFd, seconds: i32) -> io::Result<i32> {
    let mut seconds: libc::c_int = seconds;
    let fd = device.as_fd().as_raw_fd();
    // SAFETY: the kernel reads and writes the one int that it is given, which lives through the call.
    let result = unsafe { libc::ioctl(fd, SET_TIMEOUT, &raw mut seconds) };
    if result == 0 {
        Ok(seconds)
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_watchdog_refuses() {
        let file = std::fs::File::open("/dev/null").expect("linux");
        assert!(set_timeout(&file, 60).is_err());
    }
}
