//! EFI programs: reading their sections, and appending some (PE32+; Microsoft's "PE Format").
//!
//! ```text
//! 0x3c ─▶ "PE\0\0"
//!         +4 COFF header:     0 machine   2 sections   4 time   8 symbols, their count   16 size of optional header
//!         +24 optional header: 0 magic 0x20b   8 SizeOfInitializedData   32 SectionAlignment   36 FileAlignment
//!                             56 SizeOfImage   60 SizeOfHeaders   64 CheckSum   108 directories, 144 the certificates'
//!         section headers, 40 bytes each:
//!                             0 name 8   8 VirtualSize   12 VirtualAddress   16 SizeOfRawData   20 its place   36 flags
//! ```
//! What is appended is data to read: each section begins after the end of the one before, in memory and in
//! the file. Time stamp, check sum and symbols become 0, so that the same parts give the same bytes; a
//! signature would not hold any more, so its entry goes as well.

use crate::bytes::{slice, u16_at, u32_at};

const SECTION: usize = 40;
const PE32_PLUS: u16 = 0x20b;
/// Initialised data, readable.
const DATA: u32 = 0x4000_0040;
/// Sections in memory begin at pages, whatever a file aligns them to.
const PAGE: u32 = 4096;
/// Places in the optional header.
mod at {
    pub(super) const INITIALIZED_DATA: usize = 8;
    pub(super) const SECTION_ALIGNMENT: usize = 32;
    pub(super) const FILE_ALIGNMENT: usize = 36;
    pub(super) const IMAGE_SIZE: usize = 56;
    pub(super) const HEADERS_SIZE: usize = 60;
    pub(super) const CHECKSUM: usize = 64;
    pub(super) const DIRECTORIES: usize = 108;
    pub(super) const CERTIFICATES: usize = 144;
}

/// Why a program cannot be read or extended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeError {
    /// Not a PE32+ file.
    #[error("no EFI program of 64 bits")]
    NotPe,
    /// The headers leave no place for more sections.
    #[error("no room for the header of section {0}; take another stub")]
    NoRoom(String),
    /// It would not fit 32-bit sizes.
    #[error("section {0} is too large")]
    TooLarge(String),
}

/// One section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Bytes of it that count.
    pub size: u32,
    /// Where it lies in memory, from the image's start.
    pub address: u32,
    /// Bytes in the file.
    pub raw_size: u32,
    /// Where they are.
    pub raw_at: u32,
    /// Where its header is.
    header_at: usize,
}

impl Section {
    /// Where the section ends in memory.
    fn end(&self) -> Option<u32> {
        self.address.checked_add(self.size.max(self.raw_size))
    }

    /// Its bytes in the file that it is a section of.
    pub fn contents<'a>(&self, pe: &'a [u8]) -> Option<&'a [u8]> {
        slice(pe, self.raw_at.into(), self.size.min(self.raw_size).into())
    }

    /// What to write where in its file so that it begins with other bytes, `size` of which count. `None` if
    /// they do not fit.
    pub(crate) fn replacement(
        &self,
        contents: Vec<u8>,
        size: usize,
    ) -> Option<[(u64, Vec<u8>); 2]> {
        let fits = contents.len() <= usize::try_from(self.raw_size).ok()?;
        let size = u32::try_from(size).ok().filter(|_| fits)?;
        let size_at = u64::try_from(self.header_at + 8).ok()?;
        Some([
            (self.raw_at.into(), contents),
            (size_at, size.to_le_bytes().to_vec()),
        ])
    }
}

/// An EFI program's headers.
#[derive(Clone, Debug)]
pub struct Pe {
    /// The machine that it runs on.
    pub machine: u16,
    /// Its sections, in the order of their headers.
    pub sections: Vec<Section>,
    coff: usize,
    optional: usize,
    table: usize,
}

impl Pe {
    /// Reads the headers.
    ///
    /// # Errors
    /// These are none of a PE32+ file.
    pub fn parse(bytes: &[u8]) -> Result<Self, PeError> {
        Self::read(bytes).ok_or(PeError::NotPe)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let start = usize::try_from(u32_at(bytes, 0x3c)?).ok()?;
        let coff = start.checked_add(4)?;
        let optional = coff.checked_add(20)?;
        let pe = bytes.get(start..coff)? == b"PE\0\0" && bytes.starts_with(b"MZ");
        if !pe || u16_at(bytes, optional)? != PE32_PLUS {
            return None;
        }
        let table = optional + usize::from(u16_at(bytes, coff + 16)?);
        let count = usize::from(u16_at(bytes, coff + 2)?);
        let headers = (0..count).map(|index| section(bytes, table + index * SECTION));
        Some(Self {
            machine: u16_at(bytes, coff)?,
            sections: headers.collect::<Option<_>>()?,
            coff,
            optional,
            table,
        })
    }

    /// The first section with this name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

fn section(bytes: &[u8], at: usize) -> Option<Section> {
    let header = bytes.get(at..)?.get(..SECTION)?;
    let name = header.get(..8)?.split(|byte| *byte == 0).next()?;
    // A file that was cut has not all its sections.
    slice(
        bytes,
        u32_at(header, 20)?.into(),
        u32_at(header, 16)?.into(),
    )?;
    Some(Section {
        name: String::from_utf8_lossy(name).into_owned(),
        size: u32_at(header, 8)?,
        address: u32_at(header, 12)?,
        raw_size: u32_at(header, 16)?,
        raw_at: u32_at(header, 20)?,
        header_at: at,
    })
}

/// What is appended: a name of at most eight bytes, the contents, and how many bytes of them count.
#[derive(Clone, Copy, Debug)]
pub struct NewSection<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its bytes.
    pub contents: &'a [u8],
    /// Bytes of it that count: the rest is room to grow.
    pub size: usize,
}

impl<'a> NewSection<'a> {
    /// A section whose bytes all count.
    pub const fn whole(name: &'a str, contents: &'a [u8]) -> Self {
        Self {
            name,
            contents,
            size: contents.len(),
        }
    }
}

/// The program with these sections behind its own.
///
/// # Errors
/// `pe` is no EFI program, has no room in its headers, or would become too large.
pub fn append(pe: &[u8], new: &[NewSection<'_>]) -> Result<Vec<u8>, PeError> {
    let headers = Pe::parse(pe)?;
    let mut out = pe.to_vec();
    for section in new {
        append_one(&mut out, section)?;
    }
    settle(&mut out, &headers).ok_or(PeError::NotPe)?;
    Ok(out)
}

fn append_one(out: &mut Vec<u8>, new: &NewSection<'_>) -> Result<(), PeError> {
    let too_large = || PeError::TooLarge(new.name.to_owned());
    let pe = Pe::parse(out)?;
    let header_at = pe.table + pe.sections.len() * SECTION;
    if new.name.len() > 8 || header_at + SECTION > room(out, &pe).ok_or(PeError::NotPe)? {
        return Err(PeError::NoRoom(new.name.to_owned()));
    }
    let optional = |at| u32_at(out, pe.optional + at).ok_or(PeError::NotPe);
    let file_alignment = optional(at::FILE_ALIGNMENT)?.max(1);
    let alignment = optional(at::SECTION_ALIGNMENT)?.max(PAGE);

    let align = |value: u32, to: u32| value.checked_next_multiple_of(to).ok_or_else(too_large);
    let mut address = optional(at::HEADERS_SIZE)?;
    for section in &pe.sections {
        address = address.max(section.end().ok_or_else(too_large)?);
    }
    let address = align(address, alignment)?;
    let raw_at = align(
        u32::try_from(out.len()).map_err(|_| too_large())?,
        file_alignment,
    )?;
    let len = u32::try_from(new.contents.len()).map_err(|_| too_large())?;
    let raw_size = align(len, file_alignment)?;
    let image = align(
        address.checked_add(raw_size).ok_or_else(too_large)?,
        alignment,
    )?;
    let data = optional(at::INITIALIZED_DATA)?
        .checked_add(raw_size)
        .ok_or_else(too_large)?;
    let end = raw_at.checked_add(raw_size).ok_or_else(too_large)?;
    let size = u32::try_from(new.size.min(new.contents.len())).map_err(|_| too_large())?;

    let mut header = [0; SECTION];
    header[..new.name.len()].copy_from_slice(new.name.as_bytes());
    for (at, number) in [
        (8, size),
        (12, address),
        (16, raw_size),
        (20, raw_at),
        (36, DATA),
    ] {
        header[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    out.resize(raw_at.try_into().map_err(|_| too_large())?, 0);
    out.extend(new.contents);
    out.resize(end.try_into().map_err(|_| too_large())?, 0);
    let written = out
        .get_mut(header_at..)
        .and_then(|rest| rest.first_chunk_mut());
    *written.ok_or(PeError::NotPe)? = header;
    let count = u16::try_from(pe.sections.len() + 1).map_err(|_| too_large())?;
    let counted = out
        .get_mut(pe.coff + 2..)
        .and_then(|rest| rest.first_chunk_mut());
    *counted.ok_or(PeError::NotPe)? = count.to_le_bytes();
    put(out, pe.optional + at::IMAGE_SIZE, image).ok_or(PeError::NotPe)?;
    put(out, pe.optional + at::INITIALIZED_DATA, data).ok_or(PeError::NotPe)
}

/// Where headers have to end: the stated size of them, or the first section's bytes.
fn room(bytes: &[u8], pe: &Pe) -> Option<usize> {
    let stated = u32_at(bytes, pe.optional + at::HEADERS_SIZE)?;
    let with_bytes = pe.sections.iter().filter(|section| section.raw_size > 0);
    let first = with_bytes.map(|section| section.raw_at).min();
    usize::try_from(first.map_or(stated, |first| first.min(stated))).ok()
}

/// Zeroes what would differ from build to build, or be wrong after one.
fn settle(out: &mut [u8], pe: &Pe) -> Option<()> {
    const TIME: usize = 4;
    const SYMBOLS: usize = 8;
    for at in [TIME, SYMBOLS, SYMBOLS + 4] {
        put(out, pe.coff + at, 0)?;
    }
    put(out, pe.optional + at::CHECKSUM, 0)?;
    let directories = u32_at(out, pe.optional + at::DIRECTORIES)?;
    if directories > 4 {
        put(out, pe.optional + at::CERTIFICATES, 0)?;
        put(out, pe.optional + at::CERTIFICATES + 4, 0)?;
    }
    Some(())
}

fn put(bytes: &mut [u8], at: usize, number: u32) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = number.to_le_bytes();
    Some(())
}

#[cfg(test)]
pub(crate) mod tests;
