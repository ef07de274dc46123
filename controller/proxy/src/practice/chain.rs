//! A chain that leads nowhere: heights, seeds and blobs as Monero's, made of random bytes.
//!
//! | part of the blob | here |
//! |---|---|
//! | versions | 16, 16 |
//! | timestamp | starts at a fixed date and runs with the clock, five varint bytes |
//! | previous block | random, new with every block |
//! | nonce | 0: the miner has all 32 bits |
//! | transaction root | random, new with every job, so that no two miners ever hash the same |
//! | transactions | 45 to 300, new with every block |
//!
//! The seed depends on the height only, so a pool that starts again does not make a rig fill its
//! dataset again.

use miner_shared::mining::{Blob, SeedHash, seed_changes_soon, seed_height};
use miner_shared::stratum::Template;
use miner_shared::time::Millis;
use miner_shared::wire::Algo;
use rand_core::CryptoRng;

use super::PracticeConfig;

/// The chain and its next block.
#[derive(Debug)]
pub(super) struct Chain {
    height: u64,
    previous: [u8; 32],
    transactions: u8,
    block_ms: u64,
    next_block: Millis,
}

/// The timestamp that the chain's clock starts at, in seconds of the epoch: 2025-12-29.
const GENESIS_SECS: u64 = 1_767_045_000;
/// Longest blob: header, nonce, root, and the number of transactions in two bytes.
const MAX_BYTES: usize = 2 + 5 + 32 + 4 + 32 + 2;

impl Chain {
    /// A chain whose first block begins now.
    pub(super) fn new(config: &PracticeConfig, now: Millis, rng: &mut dyn CryptoRng) -> Self {
        let mut chain = Self {
            height: config.first_height,
            previous: [0; 32],
            transactions: 0,
            block_ms: config.block_ms.max(1),
            next_block: now,
        };
        chain.begin_block(now, rng);
        chain
    }

    /// Height of the block worked on.
    pub(super) const fn height(&self) -> u64 {
        self.height
    }

    /// Key of the RandomX memory at this height.
    pub(super) fn seed(&self) -> SeedHash {
        seed_at(self.height)
    }

    /// When the next block comes.
    pub(super) const fn poll_timeout(&self) -> Millis {
        self.next_block
    }

    /// Goes on to the next block when its time has come, and says whether it did.
    pub(super) fn handle_timeout(&mut self, now: Millis, rng: &mut dyn CryptoRng) -> bool {
        if now < self.next_block {
            return false;
        }
        self.height += 1;
        self.begin_block(now, rng);
        true
    }

    /// Work that nobody else has.
    pub(super) fn template(&self, now: Millis, rng: &mut dyn CryptoRng) -> Option<Template> {
        let mut bytes = Vec::with_capacity(MAX_BYTES);
        bytes.extend([16, 16]);
        push_varint(&mut bytes, GENESIS_SECS + now.0 / 1_000);
        bytes.extend(self.previous);
        bytes.extend([0; 4]);
        let mut root = [0; 32];
        rng.fill_bytes(&mut root);
        bytes.extend(root);
        push_varint(&mut bytes, u64::from(self.transactions) + 45);
        Some(Template {
            blob: Blob::from_bytes(&bytes).ok()?,
            algo: Algo::Rx0,
            height: self.height,
            seed: self.seed(),
            next_seed: seed_changes_soon(self.height)
                .then(|| seed_at(self.height + miner_shared::mining::SEED_EPOCH)),
            nicehash: false,
        })
    }

    fn begin_block(&mut self, now: Millis, rng: &mut dyn CryptoRng) {
        rng.fill_bytes(&mut self.previous);
        [self.transactions, ..] = self.previous;
        self.next_block = now + self.block_ms;
    }
}

/// A text and the height of the seed's block, where a real chain has that block's hash.
fn seed_at(height: u64) -> SeedHash {
    let mut seed = [0; 32];
    let (text, number) = seed.split_at_mut(24);
    text.copy_from_slice(b"practice pool seed block");
    number.copy_from_slice(&seed_height(height).to_be_bytes());
    SeedHash(seed)
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::practice::tests::Counter;

    fn chain(first_height: u64) -> (Chain, Counter) {
        let mut rng = Counter(1);
        let config = PracticeConfig {
            first_height,
            ..PracticeConfig::default()
        };
        (Chain::new(&config, Millis(5), &mut rng), rng)
    }

    #[test]
    fn a_block_comes_every_30_s_with_a_new_parent() {
        let (mut chain, mut rng) = chain(100);
        let before = chain.template(Millis(5), &mut rng).expect("valid");
        assert_eq!(chain.poll_timeout(), Millis(30_005));
        assert!(!chain.handle_timeout(Millis(30_004), &mut rng));
        assert!(chain.handle_timeout(Millis(30_005), &mut rng));
        let after = chain.template(Millis(30_005), &mut rng).expect("valid");
        assert_eq!((before.height, after.height), (100, 101));
        assert_ne!(before.blob.as_bytes()[7..39], after.blob.as_bytes()[7..39]);
        assert_eq!(chain.poll_timeout(), Millis(60_005));
    }

    #[test]
    fn blobs_have_the_shape_of_monero_and_are_never_the_same() {
        let (mut chain, mut rng) = chain(100);
        for block in 0..50 {
            let now = Millis(block * 30_000 + 5);
            chain.handle_timeout(now, &mut rng);
            let [one, two] = [(); 2].map(|()| chain.template(now, &mut rng).expect("valid"));
            assert!((76..=77).contains(&one.blob.as_bytes().len()));
            let bytes = one.blob.as_bytes();
            assert_eq!(bytes[..2], [16, 16]);
            let more: Vec<bool> = bytes[2..7].iter().map(|byte| byte & 0x80 != 0).collect();
            assert_eq!(more, [true, true, true, true, false], "five bytes of time");
            assert_eq!(one.blob.nonce(), 0);
            assert_ne!(one.blob, two.blob, "two miners");
            assert_eq!(
                one.blob.as_bytes()[..39],
                two.blob.as_bytes()[..39],
                "one block"
            );
        }
    }

    #[test]
    fn the_seed_changes_with_the_seed_height_and_is_announced() {
        let (mut chain, mut rng) = chain(2_048);
        let first = chain.seed();
        assert_eq!(
            chain
                .template(Millis(0), &mut rng)
                .expect("valid")
                .next_seed,
            None
        );
        let mut announced = None;
        while chain.height() < 2_113 {
            announced = chain
                .template(Millis(0), &mut rng)
                .expect("valid")
                .next_seed;
            let due = chain.poll_timeout();
            chain.handle_timeout(due, &mut rng);
        }
        assert_ne!(chain.seed(), first);
        assert_eq!(announced, Some(chain.seed()));
        assert_eq!(
            chain
                .template(Millis(0), &mut rng)
                .expect("valid")
                .next_seed,
            None
        );
    }
}
