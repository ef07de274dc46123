//! The AES constructions of RandomX (specification, chapters 3.2 to 3.4): four columns of 16
//! bytes, each by single rounds of AES. They fill the scratchpad, make programs, and take the
//! scratchpad's fingerprint. No secrets are involved: tables may be used.
//!
//! | name | makes | rounds per 16 bytes |
//! |---|---|---|
//! | [`Aes::fill`], `AesGenerator1R` | the scratchpad | 1 |
//! | [`Aes::program`], `AesGenerator4R` | a program | 4 |
//! | [`Aes::fingerprint`], `AesHash1R` | 64 bytes from the scratchpad | 1 |
//! | [`Aes::fingerprint_and_fill`] | both at once, in one pass over the memory | 2 |
//! | [`Aes::mix`] | what version 2 does with floating-point registers | 4 |

/// Compiles each construction a second time, by a `Round` whose instructions not every processor has.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! with_instructions {
    ($round:ty) => {
        with_instructions!($round, fill(state: &mut State, memory: &mut [u8]));
        with_instructions!($round, mix(f: &mut State, e: &State));
        with_instructions!(
            $round,
            program(keys: &GeneratorKeys, state: &State, bytes: &mut [u8])
        );
        with_instructions!($round, fingerprint(memory: &[u8]) -> State);
        with_instructions!(
            $round,
            fingerprint_and_fill(memory: &mut [u8], state: &mut State) -> State
        );
    };
    ($round:ty, $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        pub(super) fn $name(_: Hard, $($argument: $type),*) $(-> $result)? {
            #[target_feature(enable = "aes")]
            fn inner($($argument: $type),*) $(-> $result)? {
                super::$name::<$round>($($argument),*)
            }
            // SAFETY: `Hard` is made only where the processor has the instructions.
            unsafe { inner($($argument),*) }
        }
    };
}

#[cfg(target_arch = "aarch64")]
mod arm;
mod soft;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::params::LINE;

/// Four columns.
pub(crate) type State = [u8; LINE];

/// One column's round in some implementation. All implementations agree bit by bit.
trait Round: Copy {
    /// A column where rounds are quick.
    type Column: Copy;
    fn load(bytes: &[u8; 16]) -> Self::Column;
    fn store(column: Self::Column, bytes: &mut [u8; 16]);
    /// ShiftRows, SubBytes, MixColumns, then XOR with the key.
    fn encrypt(column: Self::Column, key: Self::Column) -> Self::Column;
    /// The inverses of them, in the order of AES' equivalent inverse cipher, then XOR with the key.
    fn decrypt(column: Self::Column, key: Self::Column) -> Self::Column;
}

/// Which implementation to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aes {
    /// By tables.
    Soft,
    /// By instructions of the processor. Made by [`Aes::detect`] alone, which asks for them.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    Hard(Hard),
}

/// Proof that the processor has AES instructions.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hard(());

impl Aes {
    /// The quickest that this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("aes") {
            return Self::Hard(Hard(()));
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("aes") {
            return Self::Hard(Hard(()));
        }
        Self::Soft
    }

    pub(crate) fn is_hard(self) -> bool {
        self != Self::Soft
    }

    /// Four rounds on the columns of `f`, with those of `e` as keys: how version 2 ends an iteration.
    pub(crate) fn mix(self, f: &mut State, e: &State) {
        match self {
            Self::Soft => mix::<soft::Soft>(f, e),
            #[cfg(target_arch = "x86_64")]
            Self::Hard(hard) => x86::mix(hard, f, e),
            #[cfg(target_arch = "aarch64")]
            Self::Hard(hard) => arm::mix(hard, f, e),
        }
    }

    /// Fills memory from `state`, which goes on to where the generator stopped.
    pub(crate) fn fill(self, state: &mut State, memory: &mut [u8]) {
        match self {
            Self::Soft => fill::<soft::Soft>(state, memory),
            #[cfg(target_arch = "x86_64")]
            Self::Hard(hard) => x86::fill(hard, state, memory),
            #[cfg(target_arch = "aarch64")]
            Self::Hard(hard) => arm::fill(hard, state, memory),
        }
    }

    /// Fills a program's bytes from `state`.
    pub(crate) fn program(self, keys: &GeneratorKeys, state: &State, bytes: &mut [u8]) {
        match self {
            Self::Soft => program::<soft::Soft>(keys, state, bytes),
            #[cfg(target_arch = "x86_64")]
            Self::Hard(hard) => x86::program(hard, keys, state, bytes),
            #[cfg(target_arch = "aarch64")]
            Self::Hard(hard) => arm::program(hard, keys, state, bytes),
        }
    }

    /// The fingerprint of memory.
    pub(crate) fn fingerprint(self, memory: &[u8]) -> State {
        match self {
            Self::Soft => fingerprint::<soft::Soft>(memory),
            #[cfg(target_arch = "x86_64")]
            Self::Hard(hard) => x86::fingerprint(hard, memory),
            #[cfg(target_arch = "aarch64")]
            Self::Hard(hard) => arm::fingerprint(hard, memory),
        }
    }

    /// The fingerprint of memory, which is filled anew on the way.
    pub(crate) fn fingerprint_and_fill(self, memory: &mut [u8], state: &mut State) -> State {
        match self {
            Self::Soft => fingerprint_and_fill::<soft::Soft>(memory, state),
            #[cfg(target_arch = "x86_64")]
            Self::Hard(hard) => x86::fingerprint_and_fill(hard, memory, state),
            #[cfg(target_arch = "aarch64")]
            Self::Hard(hard) => arm::fingerprint_and_fill(hard, memory, state),
        }
    }
}

const fn key(hex: u128) -> [u8; 16] {
    hex.to_be_bytes()
}

/// `Hash512("RandomX AesGenerator1R keys")`
const FILL: [[u8; 16]; 4] = [
    key(0x53a5_ac6d_0966_7162_2b55_b5db_1749_f4b4),
    key(0x07af_7c6d_0d71_6a84_78d3_2517_4edc_a10d),
    key(0xf162_123f_c67e_949f_4f79_c0f4_45e3_203e),
    key(0x3581_ef6a_7c31_bab1_884c_3116_5491_1649),
];

/// Keys of `AesGenerator4R`: four rounds for columns 0 and 1, and four for 2 and 3.
pub(crate) type GeneratorKeys = [[[u8; 16]; 4]; 2];

/// `Hash512("RandomX AesGenerator4R keys 0-3")`, and `... 4-7`.
pub(crate) static GENERATOR: GeneratorKeys = [
    [
        key(0xddaa_2164_db3d_83d1_2b6d_542f_3fd2_e599),
        key(0x5034_0eb2_553f_91b6_539d_f706_e5cd_dfa5),
        key(0x04d9_3e5c_af7b_5e51_9f67_a40a_bf02_1c17),
        key(0x6337_6285_085d_8fe7_8537_67cd_91d2_ded8),
    ],
    [
        key(0x736f_82b5_a6a7_d6e3_6d8b_513d_b4ff_9e22),
        key(0xf36b_56c7_d9b3_109c_4e4d_02e9_d2b7_72b2),
        key(0xe7c9_73f2_8ba3_65f7_0a66_a92b_a7ef_3bf6),
        key(0x09d6_7c7a_de39_5891_fdd1_060c_2d76_b0c0),
    ],
];

/// Those of rx/wow, the same for all columns: `Hash512("RandomX AesGenerator4R keys")`.
pub(crate) static GENERATOR_OF_WOW: GeneratorKeys = [WOW; 2];
const WOW: [[u8; 16]; 4] = [
    key(0x5d46_90f8_a6e4_fb7f_b782_1f14_959e_35cf),
    key(0x50c4_556a_8a27_e8fe_c35a_5cbd_dcff_4167),
    key(0xa447_4c11_e4fd_24d5_d29a_27a7_ac4a_323d),
    key(0x2a3a_0c81_ffae_a999_d9db_d342_08db_f676),
];

/// `Hash512("RandomX AesHash1R state")`
const FINGERPRINT: [[u8; 16]; 4] = [
    key(0x0d2c_b592_de56_a89f_47db_82cc_ad3a_98d7),
    key(0x6e99_8d33_98b7_c715_5a12_9ef5_5780_e7ac),
    key(0x1700_776a_d0c7_62ae_6b50_7950_e47c_a0e8),
    key(0x0c24_0a63_8d82_ad07_0500_a179_4849_997e),
];

/// `Hash256("RandomX AesHash1R xkeys")`
const FINISH: [[u8; 16]; 2] = [
    key(0x8983_faf6_9f94_248b_bf56_dc90_0102_8906),
    key(0xd163_b261_3ce0_f451_c643_10ee_9bf9_18ed),
];

/// Four columns in registers.
type Columns<R> = [<R as Round>::Column; 4];

#[inline(always)]
fn load<R: Round>(line: &State) -> Columns<R> {
    let (columns, _) = line.as_chunks::<16>();
    [0, 1, 2, 3].map(|at| R::load(&columns[at]))
}

#[inline(always)]
fn store<R: Round>(columns: Columns<R>, line: &mut State) {
    let (bytes, _) = line.as_chunks_mut::<16>();
    for (column, bytes) in columns.into_iter().zip(bytes) {
        R::store(column, bytes);
    }
}

/// Columns 0 and 2 one way, 1 and 3 the other.
#[inline(always)]
fn decrypt_first<R: Round>([a, b, c, d]: Columns<R>, keys: Columns<R>) -> Columns<R> {
    [
        R::decrypt(a, keys[0]),
        R::encrypt(b, keys[1]),
        R::decrypt(c, keys[2]),
        R::encrypt(d, keys[3]),
    ]
}

#[inline(always)]
fn encrypt_first<R: Round>([a, b, c, d]: Columns<R>, keys: Columns<R>) -> Columns<R> {
    [
        R::encrypt(a, keys[0]),
        R::decrypt(b, keys[1]),
        R::encrypt(c, keys[2]),
        R::decrypt(d, keys[3]),
    ]
}

#[inline(always)]
fn fill<R: Round>(state: &mut State, memory: &mut [u8]) {
    let keys = FILL.map(|key| R::load(&key));
    let mut columns = load::<R>(state);
    for line in memory.as_chunks_mut::<LINE>().0 {
        columns = decrypt_first::<R>(columns, keys);
        store::<R>(columns, line);
    }
    store::<R>(columns, state);
}

#[inline(always)]
fn program<R: Round>(keys: &GeneratorKeys, state: &State, bytes: &mut [u8]) {
    let keys = keys.map(|keys| keys.map(|key| R::load(&key)));
    let mut columns = load::<R>(state);
    for line in bytes.as_chunks_mut::<LINE>().0 {
        for (low, high) in keys[0].into_iter().zip(keys[1]) {
            columns = decrypt_first::<R>(columns, [low, low, high, high]);
        }
        store::<R>(columns, line);
    }
}

#[inline(always)]
fn finish<R: Round>(mut columns: Columns<R>) -> State {
    for key in FINISH {
        columns = encrypt_first::<R>(columns, [R::load(&key); 4]);
    }
    let mut fingerprint = [0; LINE];
    store::<R>(columns, &mut fingerprint);
    fingerprint
}

#[inline(always)]
fn fingerprint<R: Round>(memory: &[u8]) -> State {
    let mut columns = FINGERPRINT.map(|state| R::load(&state));
    for line in memory.as_chunks::<LINE>().0 {
        columns = encrypt_first::<R>(columns, load::<R>(line));
    }
    finish::<R>(columns)
}

#[inline(always)]
fn fingerprint_and_fill<R: Round>(memory: &mut [u8], state: &mut State) -> State {
    let keys = FILL.map(|key| R::load(&key));
    let mut hashed = FINGERPRINT.map(|state| R::load(&state));
    let mut filled = load::<R>(state);
    for line in memory.as_chunks_mut::<LINE>().0 {
        hashed = encrypt_first::<R>(hashed, load::<R>(line));
        filled = decrypt_first::<R>(filled, keys);
        store::<R>(filled, line);
    }
    store::<R>(filled, state);
    finish::<R>(hashed)
}

#[inline(always)]
fn mix<R: Round>(f: &mut State, e: &State) {
    let mut columns = load::<R>(f);
    for key in load::<R>(e) {
        columns = encrypt_first::<R>(columns, [key; 4]);
    }
    store::<R>(columns, f);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blake::{hash256, hash512};

    #[test]
    fn the_keys_are_the_hashes_that_the_specification_names() {
        let all = |keys: &[[u8; 16]]| keys.concat();
        assert_eq!(all(&FILL), hash512(b"RandomX AesGenerator1R keys"));
        assert_eq!(
            all(&GENERATOR[0]),
            hash512(b"RandomX AesGenerator4R keys 0-3")
        );
        assert_eq!(
            all(&GENERATOR[1]),
            hash512(b"RandomX AesGenerator4R keys 4-7")
        );
        assert_eq!(
            all(&GENERATOR_OF_WOW[0]),
            hash512(b"RandomX AesGenerator4R keys")
        );
        assert_eq!(all(&FINGERPRINT), hash512(b"RandomX AesHash1R state"));
        assert_eq!(all(&FINISH), hash256(b"RandomX AesHash1R xkeys"));
    }

    #[test]
    fn tables_and_instructions_agree() {
        let best = Aes::detect();
        let mut seed = hash512(b"any");
        let mut other = seed;
        let (mut soft, mut hard) = (vec![0; 4096], vec![0; 4096]);
        Aes::Soft.fill(&mut seed, &mut soft);
        best.fill(&mut other, &mut hard);
        assert_eq!((seed, &soft), (other, &hard));
        assert_eq!(Aes::Soft.fingerprint(&soft), best.fingerprint(&soft));
        let prints = [
            Aes::Soft.fingerprint_and_fill(&mut soft, &mut seed),
            best.fingerprint_and_fill(&mut hard, &mut other),
        ];
        assert_eq!(prints[0], prints[1]);
        assert_eq!((seed, &soft), (other, &hard));
        let mut mixed = [seed; 2];
        Aes::Soft.mix(&mut mixed[0], &prints[0]);
        best.mix(&mut mixed[1], &prints[0]);
        assert_eq!(mixed[0], mixed[1]);
        Aes::Soft.program(&GENERATOR, &seed, &mut soft[..2176]);
        best.program(&GENERATOR, &seed, &mut hard[..2176]);
        assert_eq!(soft, hard);
    }

    #[test]
    fn one_pass_gives_what_two_give() {
        let aes = Aes::detect();
        let mut seed = hash512(b"one pass");
        let mut memory = vec![0; 4096];
        aes.fill(&mut seed, &mut memory);
        let (mut twice, mut state) = (memory.clone(), seed);
        let print = aes.fingerprint(&twice);
        aes.fill(&mut state, &mut twice);
        assert_eq!(aes.fingerprint_and_fill(&mut memory, &mut seed), print);
        assert_eq!((memory, seed), (twice, state));
    }
}
