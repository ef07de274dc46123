//! DNS messages (RFC 1035 section 4) in the caller's memory: read in place, written from front to back.
//!
//! ```text
//!   header 12 │ questions: name, kind, class │ records: name, kind, class, life, length, data
//!   name       labels of 1 to 63 bytes, then 0 or a pointer (11xxxxxx xxxxxxxx) to labels further in front
//! ```
//! A pointer must lead backwards and to a label, so that following one always ends. Counts and lengths
//! are believed as far as there are bytes; what goes beyond refuses the packet.

use core::fmt::{Display, Write as _};

use super::Short;

/// Longest name, in bytes with the lengths of its labels (RFC 1035 section 3.1).
const MAX_NAME: usize = 255;
/// The internet. The class's first bit means something else in questions (RFC 6762 section 5.4) and in
/// records, where it is [`FLUSH`].
pub(super) const CLASS: u16 = 1;
/// The internet, and: this record replaces what was known of its owner (RFC 6762 section 10.2).
pub(super) const FLUSH: u16 = 0x8000 | CLASS;
/// Any class, in questions.
const ANY_CLASS: u16 = 255;

/// Kinds of records that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    A = 1,
    Ptr = 12,
    Txt = 16,
    Srv = 33,
    /// In questions: all there are.
    Any = 255,
}

/// The first 12 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    flags: u16,
    questions: u16,
    /// Answers, authorities and additional records.
    records: [u16; 3],
}

impl Header {
    const BYTES: usize = 12;

    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let mut words = Cursor { packet, at: 0 };
        let _id = words.u16()?;
        Some(Self {
            flags: words.u16()?,
            questions: words.u16()?,
            records: [words.u16()?, words.u16()?, words.u16()?],
        })
    }

    /// Whether it asks, by the standard operation and without an error code.
    pub(super) const fn is_query(self) -> bool {
        self.flags & 0xf80f == 0
    }

    /// Whether it answers, by the same.
    pub(super) const fn is_answer(self) -> bool {
        self.flags & 0xf80f == 0x8000
    }

    /// The questions; the first `None` is where the packet is broken.
    pub(super) fn questions(self, packet: &[u8]) -> impl Iterator<Item = Option<Question<'_>>> {
        let mut cursor = Self::behind(packet);
        (0..self.questions).map(move |_| cursor.question())
    }

    /// The records of all sections, in the same way; `None` if the questions are broken.
    pub(super) fn records(
        self,
        packet: &[u8],
    ) -> Option<impl Iterator<Item = Option<Record<'_>>> + use<'_>> {
        let mut cursor = Self::behind(packet);
        for _ in 0..self.questions {
            cursor.question()?;
        }
        let count: u32 = self.records.into_iter().map(u32::from).sum();
        Some((0..count).map(move |_| cursor.record()))
    }

    const fn behind(packet: &[u8]) -> Cursor<'_> {
        let at = Self::BYTES;
        Cursor { packet, at }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'p> {
    pub(super) owner: DnsName<'p>,
    kind: u16,
    class: u16,
}

impl Question<'_> {
    /// Whether a record of this kind answers it, if the owner is right.
    pub(super) const fn is_for(&self, kind: Kind) -> bool {
        let class = self.class & !0x8000;
        (class == CLASS || class == ANY_CLASS)
            && (self.kind == kind as u16 || self.kind == Kind::Any as u16)
    }
}

/// A record of any section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'p> {
    packet: &'p [u8],
    pub(super) owner: DnsName<'p>,
    kind: u16,
    class: u16,
    /// In seconds; 0 is "forget it".
    pub(super) life: u32,
    data_at: usize,
    pub(super) data: &'p [u8],
}

impl<'p> Record<'p> {
    /// Whether it is of this kind, and of the internet.
    pub(super) const fn is(&self, kind: Kind) -> bool {
        self.kind == kind as u16 && self.class & !0x8000 == CLASS
    }

    /// The name that the data is, as in a PTR record.
    pub(super) const fn name(&self) -> DnsName<'p> {
        DnsName {
            packet: self.packet,
            at: self.data_at,
        }
    }
}

/// A name in a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct DnsName<'p> {
    packet: &'p [u8],
    at: usize,
}

impl<'p> DnsName<'p> {
    pub(super) const fn labels(self) -> Labels<'p> {
        Labels {
            packet: self.packet,
            at: self.at,
            below: self.at,
            left: MAX_NAME,
            state: Ends::NotYet,
        }
    }

    /// Whether these are its labels; the case of ASCII letters does not count.
    pub(super) fn is(self, labels: &[&[u8]]) -> bool {
        self.labels().is(labels)
    }

    /// Whether it is another spelling of `other`.
    pub(super) fn is_same(self, other: Self) -> bool {
        let (mut mine, mut theirs) = (self.labels(), other.labels());
        loop {
            match (mine.next(), theirs.next()) {
                (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {}
                (None, None) => return mine.is_whole() && theirs.is_whole(),
                _ => return false,
            }
        }
    }
}

/// The labels of a name, pointers followed.
#[derive(Clone, Debug)]
pub(super) struct Labels<'p> {
    packet: &'p [u8],
    at: usize,
    /// A pointer must lead in front of this.
    below: usize,
    /// Bytes that the name may still have.
    left: usize,
    state: Ends,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    NotYet,
    /// At its root.
    Whole,
    /// At something that no name has.
    Broken,
}

impl Labels<'_> {
    /// Whether the end was that of a name.
    fn is_whole(&self) -> bool {
        self.state == Ends::Whole
    }

    /// Whether these labels are left and no more.
    pub(super) fn is(mut self, labels: &[&[u8]]) -> bool {
        let same = labels.iter().all(|label| {
            let mine = self.next();
            mine.is_some_and(|mine| mine.eq_ignore_ascii_case(label))
        });
        same && self.next().is_none() && self.is_whole()
    }

    fn byte(&self) -> Option<u8> {
        self.packet.get(self.at).copied()
    }

    /// Where the pointer at this place leads, if it may.
    fn follow(&mut self, high: u8) -> Option<u8> {
        let low = *self.packet.get(self.at + 1)?;
        let target = usize::from(u16::from_be_bytes([high & 0x3f, low]));
        if target >= self.below {
            return None;
        }
        (self.at, self.below) = (target, target);
        self.byte()
    }

    fn label(&mut self, length: u8) -> Option<usize> {
        let length = usize::from(length);
        self.left = self.left.checked_sub(length + 1)?;
        Some(length)
    }
}

impl<'p> Iterator for Labels<'p> {
    type Item = &'p [u8];

    fn next(&mut self) -> Option<&'p [u8]> {
        if self.state != Ends::NotYet {
            return None;
        }
        self.state = Ends::Broken;
        let mut length = self.byte()?;
        if length >= 0xc0 {
            length = self.follow(length)?;
        }
        match length {
            0 => {
                self.state = Ends::Whole;
                None
            }
            1..=63 => {
                let length = self.label(length)?;
                let label = self.packet.get(self.at + 1..)?.get(..length)?;
                self.at += 1 + length;
                self.state = Ends::NotYet;
                Some(label)
            }
            // A pointer to a pointer, or the two kinds of label that were never used.
            _ => None,
        }
    }
}

/// A place in a packet, moving on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'p> {
    packet: &'p [u8],
    at: usize,
}

impl<'p> Cursor<'p> {
    fn take(&mut self, count: usize) -> Option<&'p [u8]> {
        let taken = self.packet.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().copied().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().copied().map(u32::from_be_bytes)
    }

    /// The name here, which is looked into when it is compared.
    fn name(&mut self) -> Option<DnsName<'p>> {
        let name = DnsName {
            packet: self.packet,
            at: self.at,
        };
        loop {
            match self.take(1)?.first()? {
                0 => return Some(name),
                length @ 1..=63 => self.take((*length).into())?,
                0xc0.. => {
                    self.take(1)?;
                    return Some(name);
                }
                _ => return None,
            };
        }
    }

    fn question(&mut self) -> Option<Question<'p>> {
        Some(Question {
            owner: self.name()?,
            kind: self.u16()?,
            class: self.u16()?,
        })
    }

    fn record(&mut self) -> Option<Record<'p>> {
        let (owner, kind, class) = (self.name()?, self.u16()?, self.u16()?);
        let life = self.u32()?;
        let length = self.u16()?;
        let data_at = self.at;
        Some(Record {
            packet: self.packet,
            owner,
            kind,
            class,
            life,
            data_at,
            data: self.take(length.into())?,
        })
    }
}

/// A packet being written. Every method is `None` when the memory is full.
#[derive(Debug)]
pub(super) struct Writer<'b> {
    out: &'b mut [u8],
    at: usize,
}

/// How the owner of a record is written: in full, or by where it stands already.
pub(super) trait Owner {
    fn write(self, out: &mut Writer<'_>) -> Option<()>;
}

impl Owner for &[u8] {
    fn write(self, out: &mut Writer<'_>) -> Option<()> {
        out.put(self)
    }
}

impl Owner for usize {
    fn write(self, out: &mut Writer<'_>) -> Option<()> {
        out.pointer(self)
    }
}

impl<'b> Writer<'b> {
    pub(super) const fn new(out: &'b mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    /// Bytes written.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let place = self.out.get_mut(self.at..)?.get_mut(..bytes.len())?;
        place.copy_from_slice(bytes);
        self.at += bytes.len();
        Some(())
    }

    /// An answer with authority, of so many records.
    pub(super) fn header(&mut self, records: u8) -> Option<()> {
        self.put(&[0, 0, 0x84, 0, 0, 0, 0, records, 0, 0, 0, 0])
    }

    /// A record whose data is what `fill` writes; gives what `fill` gives.
    pub(super) fn record<T>(
        &mut self,
        owner: impl Owner,
        kind: Kind,
        class: u16,
        life: u32,
        fill: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        owner.write(self)?;
        self.put(&(kind as u16).to_be_bytes())?;
        self.put(&class.to_be_bytes())?;
        self.put(&life.to_be_bytes())?;
        let length_at = self.at;
        self.put(&[0, 0])?;
        let filled = fill(self)?;
        let length = u16::try_from(self.at - length_at - 2).ok()?;
        let place = self.out.get_mut(length_at..)?.first_chunk_mut()?;
        *place = length.to_be_bytes();
        Some(filled)
    }

    /// One label of a name, or one string of a TXT record.
    pub(super) fn label(&mut self, label: &[u8]) -> Option<()> {
        self.put(&[u8::try_from(label.len()).ok()?])?;
        self.put(label)
    }

    /// One string of a TXT record.
    pub(super) fn string(&mut self, key: &str, value: &dyn Display) -> Option<()> {
        let mut text = Short::new();
        write!(text, "{key}{value}").ok()?;
        self.label(text.as_bytes())
    }

    /// The rest of a name stands there already.
    pub(super) fn pointer(&mut self, at: usize) -> Option<()> {
        let at = u16::try_from(at).ok().filter(|at| *at < 0x4000)?;
        self.put(&(0xc000 | at).to_be_bytes())
    }
}
