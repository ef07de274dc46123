//! `CipherState`: one key and its counter (section 5.1).

use zeroize::Zeroizing;

use super::{NoiseError, Secret};
use crate::crypto::{aead_open, aead_seal};
use crate::limits::TAG;

/// A key with the counter of the next message under it.
#[derive(Debug)]
pub struct CipherState {
    key: Secret,
    counter: u64,
}

impl CipherState {
    pub(super) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self {
            key: Secret(key),
            counter: 0,
        }
    }

    /// Messages sealed or opened so far, which is the counter of the next one.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Encrypts `text` in place and returns its tag.
    pub fn seal(&mut self, ad: &[u8], text: &mut [u8]) -> Result<[u8; TAG], NoiseError> {
        let next = self.next_counter()?;
        let tag = aead_seal(&self.key.0, &nonce(self.counter), ad, text);
        self.counter = next;
        tag.ok_or(NoiseError::Length)
    }

    /// Decrypts `text` in place. A wrong tag leaves the counter where it was.
    pub fn open(&mut self, ad: &[u8], text: &mut [u8], tag: &[u8; TAG]) -> Result<(), NoiseError> {
        let next = self.next_counter()?;
        aead_open(&self.key.0, &nonce(self.counter), ad, text, tag).ok_or(NoiseError::Decrypt)?;
        self.counter = next;
        Ok(())
    }

    /// `REKEY` (section 4.2): the key becomes the encryption of 32 zeros under the counter 2^64 - 1.
    /// The counter goes on.
    pub fn rekey(&mut self) {
        let mut key = Zeroizing::new([0; 32]);
        let tag = aead_seal(&self.key.0, &nonce(u64::MAX), &[], &mut *key);
        debug_assert!(tag.is_some(), "32 bytes are not too long for the cipher");
        self.key = Secret(key);
    }

    /// 2^64 - 1 is reserved for [`CipherState::rekey`].
    fn next_counter(&self) -> Result<u64, NoiseError> {
        self.counter.checked_add(1).ok_or(NoiseError::Exhausted)
    }

    /// Moves the counter, so that tests reach limits without a million frames.
    #[cfg(test)]
    pub(in crate::smsg) fn skip_to(&mut self, counter: u64) {
        self.counter = counter;
    }
}

fn nonce(counter: u64) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = counter.to_le_bytes();
    [0, 0, 0, 0, a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (CipherState, CipherState) {
        let cipher = || CipherState::new(Zeroizing::new([7; 32]));
        (cipher(), cipher())
    }

    #[test]
    fn a_wrong_tag_does_not_move_the_counter() {
        let (mut sender, mut receiver) = pair();
        let mut text = *b"hello";
        let tag = sender.seal(b"ad", &mut text).expect("sealed");
        assert_eq!(
            receiver.open(b"da", &mut text.clone(), &tag),
            Err(NoiseError::Decrypt)
        );
        assert_eq!(receiver.counter(), 0);
        receiver.open(b"ad", &mut text, &tag).expect("opens");
        assert_eq!((&text, receiver.counter()), (b"hello", 1));
    }

    #[test]
    fn the_last_counter_is_never_used() {
        let (mut sender, mut receiver) = pair();
        sender.skip_to(u64::MAX);
        receiver.skip_to(u64::MAX);
        assert_eq!(sender.seal(&[], &mut []), Err(NoiseError::Exhausted));
        assert_eq!(
            receiver.open(&[], &mut [], &[0; TAG]),
            Err(NoiseError::Exhausted)
        );
    }

    #[test]
    fn rekey_changes_the_key_and_keeps_the_counter() {
        let (mut sender, mut receiver) = pair();
        sender.seal(&[], &mut [0; 4]).expect("sealed");
        sender.rekey();
        assert_eq!(sender.counter(), 1);
        let mut text = [1; 4];
        let tag = sender.seal(&[], &mut text).expect("sealed");
        receiver.skip_to(1);
        assert_eq!(
            receiver.open(&[], &mut text.clone(), &tag),
            Err(NoiseError::Decrypt)
        );
        receiver.rekey();
        receiver.open(&[], &mut text, &tag).expect("opens");
        assert_eq!(text, [1; 4]);
    }
}
