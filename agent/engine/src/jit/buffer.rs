//! Where the assemblers write.

/// Bytes of code, one after the other. What finds no room is dropped and remembered.
pub(super) struct Buffer<'a> {
    code: &'a mut [u8],
    at: usize,
    fits: bool,
}

impl<'a> Buffer<'a> {
    pub(super) fn new(code: &'a mut [u8]) -> Self {
        Self {
            code,
            at: 0,
            fits: true,
        }
    }

    /// Where the next byte goes.
    pub(super) fn here(&self) -> usize {
        self.at
    }

    /// Whether everything found room.
    pub(super) fn fits(&self) -> bool {
        self.fits
    }

    /// Writes all of `bytes`, of which the first `length` stay: what follows goes over the rest.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N], length: usize) {
        self.replace(self.at, bytes);
        self.at += length;
    }

    /// Writes elsewhere.
    #[inline(always)]
    pub(super) fn replace<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        match self.code.get_mut(at..at + N) {
            Some(place) => place.copy_from_slice(&bytes),
            None => self.fits = false,
        }
    }
}
