//! What the archive needs of a file; and in tests a file that can be cut off after any write.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes at places.
pub(super) trait Disk {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Makes it so long; what is new reads as 0.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Fills the buffer; what lies behind the end reads as 0.
    fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes all of it.
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
}

impl Disk for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn read(&self, mut at: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            match self.read_at(left, at) {
                Ok(0) => {
                    left.fill(0);
                    break;
                }
                Ok(count) => {
                    at += count as u64;
                    left = left
                        .split_at_mut_checked(count)
                        .map_or(&mut [], |(_, left)| left);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }
}

/// A sparse file in memory that remembers its writes in order.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDisk {
    len: u64,
    pages: std::collections::BTreeMap<u64, [u8; PAGE]>,
    /// Every change, in order: a length, or bytes at a place.
    pub(super) log: Vec<Change>,
}

#[cfg(test)]
#[derive(Clone, Debug)]
pub(super) enum Change {
    Len(u64),
    Write(u64, Vec<u8>),
}

#[cfg(test)]
const PAGE: usize = super::format::PAGE_LEN;

/// Where in its page a place is.
#[cfg(test)]
fn within(at: u64) -> usize {
    usize::try_from(at % PAGE as u64).expect("below a page")
}

#[cfg(test)]
impl MemoryDisk {
    /// Makes one change of a log, or the first part of it.
    pub(super) fn replay(&mut self, change: &Change, part: usize) {
        match change {
            Change::Len(len) => self.set_len(*len),
            Change::Write(at, bytes) => self.write(*at, &bytes[..part.min(bytes.len())]),
        }
        .expect("memory");
        self.log.clear();
    }
}

#[cfg(test)]
impl Disk for MemoryDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.len = len;
        self.log.push(Change::Len(len));
        Ok(())
    }

    fn read(&self, mut at: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            let within = within(at);
            let (part, rest) = left.split_at_mut(left.len().min(PAGE - within));
            match self.pages.get(&(at / PAGE as u64)) {
                Some(page) => part.copy_from_slice(&page[within..within + part.len()]),
                None => part.fill(0),
            }
            at += part.len() as u64;
            left = rest;
        }
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.log.push(Change::Write(at, bytes.to_vec()));
        self.len = self.len.max(at + bytes.len() as u64);
        for (at, byte) in (at..).zip(bytes) {
            let page = self.pages.entry(at / PAGE as u64).or_insert([0; PAGE]);
            page[within(at)] = *byte;
        }
        Ok(())
    }
}
