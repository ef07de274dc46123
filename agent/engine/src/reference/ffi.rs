//! The C functions of RandomX v1.2.x (`randomx.h`), and three owners that make them safe.
//!
//! | owner | of | shared between threads as |
//! |---|---|---|
//! | [`RawCache`] | `randomx_cache` | read-only after `init` |
//! | [`RawDataset`] | `randomx_dataset` | read-only after `init`, which many threads run on disjoint items |
//! | [`RawVm`] | `randomx_vm` | never shared, may move |
//!
//! What the header does not say, and this file has to know:
//!
//! - Every constructor returns NULL when memory is short; each is checked here.
//! - `randomx_create_vm` ignores whether the system lets pages be executable: the first hash would
//!   then fault. [`executable_pages`] asks beforehand.
//! - The streaming functions leave the rounding mode of the thread changed: it is put back here,
//!   since Rust code may rely on the default.
//! - There is no function for the cache's memory, but its pointer is the first member of a
//!   standard-layout struct (`dataset.hpp` asserts that; the generated code relies on it).
//! - `assert` is compiled out, so every precondition is this file's business.
#![expect(
    unsafe_code,
    reason = "the one door to RandomX; everything above is safe"
)]

mod rounding;

use core::ffi::{c_int, c_ulong, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use miner_shared::wire::PageWish;
// Brings the static library; its safe API cannot drive a miner.
use randomx_rs as _;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use super::{Cache, Dataset};
use crate::{EngineError, Hash};

/// A set of `randomx_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) c_int);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const LARGE_PAGES: Self = Self(1);
    pub(crate) const HARD_AES: Self = Self(2);
    pub(crate) const FULL_MEM: Self = Self(4);
    pub(crate) const JIT: Self = Self(8);
    pub(crate) const SECURE: Self = Self(16);
    pub(crate) const ARGON2_SSSE3: Self = Self(32);
    pub(crate) const ARGON2_AVX2: Self = Self(64);

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags that the processor suits; never `LARGE_PAGES`, `FULL_MEM` or `SECURE`.
    pub(crate) fn recommended() -> Self {
        // SAFETY: no arguments, no state; it only asks the processor.
        Self(unsafe { randomx_get_flags() })
    }
}

/// Memory and programs that a key makes.
pub(crate) struct RawCache(NonNull<randomx_cache>);

// SAFETY: the struct is owned by its pointer alone and bound to no thread: plain memory, and code
// pages that belong to the process.
unsafe impl Send for RawCache {}
// SAFETY: `&RawCache` only reads: machines and `randomx_init_dataset` copy its programs or read its
// memory. Writing (`init`) takes `&mut`.
unsafe impl Sync for RawCache {}

impl RawCache {
    /// `None` when memory is short or a flag does not suit the machine.
    pub(crate) fn new(flags: Flags) -> Option<Self> {
        // SAFETY: any flags may be passed; unsuitable ones give NULL.
        NonNull::new(unsafe { randomx_alloc_cache(flags.0) }).map(Self)
    }

    /// Fills it; a second call with the same key does nothing.
    pub(crate) fn init(&mut self, key: &[u8]) {
        // SAFETY: the cache is alive and exclusively ours, the key is as long as we say.
        unsafe { randomx_init_cache(self.0.as_ptr(), key.as_ptr().cast(), key.len()) }
    }

    /// Where its memory begins; [`crate::CACHE_BYTES`] long. The address is all that is used.
    pub(crate) fn memory(&self) -> Option<NonNull<c_void>> {
        // SAFETY: the first member of the standard-layout struct is the pointer to its memory, so a
        // pointer to the struct is one to that member; both are alive while `self` is.
        NonNull::new(unsafe { self.0.cast::<*mut c_void>().read() })
    }
}

impl Drop for RawCache {
    fn drop(&mut self) {
        // SAFETY: allocated by `randomx_alloc_cache`, released once; no machine is left, since each
        // keeps an `Arc` of its memory's owner.
        unsafe { randomx_release_cache(self.0.as_ptr()) }
    }
}

/// 2,080 MiB of dataset items.
pub(crate) struct RawDataset(NonNull<randomx_dataset>);

// SAFETY: as for `RawCache`.
unsafe impl Send for RawDataset {}
// SAFETY: `&RawDataset` only reads, apart from `init`, whose contract is that no two calls overlap
// in items and nobody reads meanwhile.
unsafe impl Sync for RawDataset {}

impl RawDataset {
    /// `None` when memory is short.
    pub(crate) fn new(flags: Flags) -> Option<Self> {
        // SAFETY: any flags may be passed.
        NonNull::new(unsafe { randomx_alloc_dataset(flags.0) }).map(Self)
    }

    pub(crate) fn item_count() -> u64 {
        // SAFETY: no arguments; it returns a constant.
        let count = unsafe { randomx_dataset_item_count() };
        #[cfg_attr(
            target_pointer_width = "64",
            expect(clippy::useless_conversion, reason = "c_ulong is u32 elsewhere")
        )]
        u64::from(count)
    }

    /// A view of it through which several threads fill it, while nobody else has it.
    pub(crate) fn filler<'a>(&'a mut self, cache: &'a Cache) -> Result<Filler<'a>, EngineError> {
        Ok(Filler {
            dataset: self,
            cache: cache.keyed()?,
            next: AtomicU64::new(0),
        })
    }

    /// Takes over the bytes of a whole dataset; false if they are not one.
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> bool {
        let Some(memory) = self
            .memory()
            .filter(|_| bytes.len() == crate::DATASET_BYTES)
        else {
            return false;
        };
        // SAFETY: the memory is that long and exclusively ours, and the bytes are elsewhere.
        unsafe {
            memory
                .cast::<u8>()
                .copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
        }
        true
    }

    /// Where its memory begins; [`crate::DATASET_BYTES`] long.
    pub(crate) fn memory(&self) -> Option<NonNull<c_void>> {
        // SAFETY: the dataset is alive.
        NonNull::new(unsafe { randomx_get_dataset_memory(self.0.as_ptr()) })
    }
}

impl Drop for RawDataset {
    fn drop(&mut self) {
        // SAFETY: allocated by `randomx_alloc_dataset`, released once; no machine is left, since
        // each keeps an `Arc` of its memory's owner.
        unsafe { randomx_release_dataset(self.0.as_ptr()) }
    }
}

/// Hands out the items of a dataset, each exactly once, and fills them.
pub(crate) struct Filler<'a> {
    dataset: &'a mut RawDataset,
    cache: &'a RawCache,
    next: AtomicU64,
}

impl Filler<'_> {
    /// Fills the next `count` items, fewer at the end; returns how many, 0 when all are done. Any
    /// number of threads may call it.
    pub(crate) fn fill_some(&self, count: u32) -> u64 {
        let total = RawDataset::item_count();
        let start = self.next.fetch_add(count.into(), Ordering::Relaxed);
        let Some(left) = total.checked_sub(start).filter(|left| *left > 0) else {
            return 0;
        };
        let filled = left.min(count.into());
        let first = c_ulong::try_from(start).ok();
        let Some((first, items)) = first.zip(c_ulong::try_from(filled).ok()) else {
            return 0;
        };
        // SAFETY: `first..first + items` lies within the dataset and, by the `fetch_add`, was never
        // handed out before: no two threads write the same item. The `Filler` holds the dataset
        // exclusively, so nobody reads it; the cache is keyed, and shared for as long.
        unsafe {
            randomx_init_dataset(self.dataset.0.as_ptr(), self.cache.0.as_ptr(), first, items);
        }
        filled
    }
}

/// A machine: scratchpad, registers and code, with a share in the memory that it reads.
pub(crate) struct RawVm {
    vm: NonNull<randomx_vm>,
    _memory: Memory,
}

/// What a machine reads. While it is held, `Arc::get_mut` gives nobody the right to change it.
enum Memory {
    Light { _cache: Arc<Cache> },
    Fast { _dataset: Arc<Dataset> },
}

// SAFETY: owned by its pointer alone, bound to no thread: it may hash on another thread than made
// it. It is not `Sync`, as hashing writes to it.
unsafe impl Send for RawVm {}

impl RawVm {
    /// A machine on a cache.
    pub(crate) fn light(flags: Flags, cache: &Arc<Cache>) -> Result<Self, EngineError> {
        let raw = cache.keyed()?.0.as_ptr();
        // SAFETY: the cache is alive, keyed, and kept by the machine; no dataset is needed, since
        // `FULL_MEM` is not set.
        let vm = unsafe { randomx_create_vm(flags.0, raw, ptr::null_mut()) };
        Ok(Self {
            vm: NonNull::new(vm).ok_or(EngineError::NoVmMemory)?,
            _memory: Memory::Light {
                _cache: Arc::clone(cache),
            },
        })
    }

    /// A machine on a dataset.
    pub(crate) fn fast(flags: Flags, dataset: &Arc<Dataset>) -> Result<Self, EngineError> {
        let raw = dataset.filled()?.0.as_ptr();
        let flags = flags.with(Flags::FULL_MEM);
        // SAFETY: the dataset is alive, filled, and kept by the machine; with `FULL_MEM` no cache
        // is needed.
        let vm = unsafe { randomx_create_vm(flags.0, ptr::null_mut(), raw) };
        Ok(Self {
            vm: NonNull::new(vm).ok_or(EngineError::NoVmMemory)?,
            _memory: Memory::Fast {
                _dataset: Arc::clone(dataset),
            },
        })
    }

    pub(crate) fn first(&mut self, input: &[u8]) {
        // SAFETY: the machine is alive and exclusively ours, the input as long as we say.
        unsafe {
            randomx_calculate_hash_first(self.vm.as_ptr(), input.as_ptr().cast(), input.len());
        }
    }

    pub(crate) fn next(&mut self, input: &[u8], hash: &mut Hash) {
        let _rounding = rounding::Kept::new();
        // SAFETY: as for `first`; a `Hash` is as long as RANDOMX_HASH_SIZE, 32 bytes.
        unsafe {
            randomx_calculate_hash_next(
                self.vm.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                hash.as_mut_ptr().cast(),
            );
        }
    }

    pub(crate) fn last(&mut self, hash: &mut Hash) {
        let _rounding = rounding::Kept::new();
        // SAFETY: as for `next`.
        unsafe { randomx_calculate_hash_last(self.vm.as_ptr(), hash.as_mut_ptr().cast()) }
    }
}

impl Drop for RawVm {
    fn drop(&mut self) {
        // SAFETY: made by `randomx_create_vm`, destroyed once.
        unsafe { randomx_destroy_vm(self.vm.as_ptr()) }
    }
}

/// Asks for transparent huge pages on the whole 2 MiB pieces of this memory, or for none; what came of
/// it shows only once it is written to. A refusal is no error: other pages work too.
pub(crate) fn advise_pages(memory: NonNull<c_void>, bytes: usize, wish: PageWish) {
    const PIECE: usize = 2 << 20;
    let before = memory.as_ptr().cast::<u8>().align_offset(PIECE);
    let Some(whole) = bytes.checked_sub(before).map(|rest| rest & !(PIECE - 1)) else {
        return;
    };
    let start = memory.as_ptr().wrapping_byte_add(before);
    let advice = match wish {
        PageWish::Small => Advice::LinuxNoHugepage,
        PageWish::Auto | PageWish::Huge2M | PageWish::Huge1G => Advice::LinuxHugepage,
    };
    // SAFETY: the range lies within one allocation that the caller owns; neither advice changes content
    // or access rights.
    let _ = unsafe { rustix::mm::madvise(start, whole, advice) };
}

/// What the system lets happen to pages that hold generated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExecutablePages {
    /// Never executable.
    No,
    /// Executable once no longer writable.
    NotWritable,
    /// Writable and executable at once.
    Writable,
}

/// Tries on a page of our own, since the library does not look at the answer of `mprotect`.
pub(crate) fn executable_pages() -> ExecutablePages {
    const BYTES: usize = 4096;
    let (read_write, private) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: a new anonymous mapping, at an address of the system's choice.
    let page = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), BYTES, read_write, private) };
    let Ok(page) = page else {
        return ExecutablePages::No;
    };
    let allows = |rights| {
        // SAFETY: the page is ours, and nothing refers into it.
        unsafe { rustix::mm::mprotect(page, BYTES, rights) }.is_ok()
    };
    let (read, write) = (MprotectFlags::READ, MprotectFlags::WRITE);
    let answer = if allows(read | write | MprotectFlags::EXEC) {
        ExecutablePages::Writable
    } else if allows(read | MprotectFlags::EXEC) {
        ExecutablePages::NotWritable
    } else {
        ExecutablePages::No
    };
    // SAFETY: the page that was mapped above, whole, and nothing refers into it.
    let _ = unsafe { rustix::mm::munmap(page, BYTES) };
    answer
}

use c::{randomx_cache, randomx_dataset, randomx_vm};

/// The library's types, of which only pointers exist here.
mod c {
    #[repr(C)]
    pub(super) struct randomx_cache([u8; 0]);
    #[repr(C)]
    pub(super) struct randomx_dataset([u8; 0]);
    #[repr(C)]
    pub(super) struct randomx_vm([u8; 0]);
}

unsafe extern "C" {
    fn randomx_get_flags() -> c_int;
    fn randomx_alloc_cache(flags: c_int) -> *mut randomx_cache;
    fn randomx_init_cache(cache: *mut randomx_cache, key: *const c_void, key_size: usize);
    fn randomx_release_cache(cache: *mut randomx_cache);
    fn randomx_alloc_dataset(flags: c_int) -> *mut randomx_dataset;
    fn randomx_dataset_item_count() -> c_ulong;
    fn randomx_init_dataset(
        dataset: *mut randomx_dataset,
        cache: *mut randomx_cache,
        start_item: c_ulong,
        item_count: c_ulong,
    );
    fn randomx_get_dataset_memory(dataset: *mut randomx_dataset) -> *mut c_void;
    fn randomx_release_dataset(dataset: *mut randomx_dataset);
    fn randomx_create_vm(
        flags: c_int,
        cache: *mut randomx_cache,
        dataset: *mut randomx_dataset,
    ) -> *mut randomx_vm;
    fn randomx_destroy_vm(vm: *mut randomx_vm);
    fn randomx_calculate_hash_first(vm: *mut randomx_vm, input: *const c_void, input_size: usize);
    fn randomx_calculate_hash_next(
        vm: *mut randomx_vm,
        next_input: *const c_void,
        next_input_size: usize,
        output: *mut c_void,
    );
    fn randomx_calculate_hash_last(vm: *mut randomx_vm, output: *mut c_void);
}

#[cfg(test)]
mod tests {
    use super::super::features::Features;
    use super::*;

    fn word(memory: NonNull<c_void>, index: usize) -> u64 {
        // SAFETY: the tests ask for words within the memory that they own.
        unsafe {
            memory
                .as_ptr()
                .cast::<u64>()
                .wrapping_add(index)
                .read_unaligned()
        }
    }

    /// The words of tevador's tests.cpp; they also prove that the address is the memory's.
    #[test]
    fn cache_memory_holds_the_published_words() {
        let mut cache = Cache::with(Features::detect(), PageWish::Auto).expect("memory");
        cache.key_bytes(b"test key 000");
        let memory = cache.keyed().expect("keyed").memory().expect("memory");
        assert_eq!(word(memory, 0), 0x191e_0e1d_23c0_2186);
        assert_eq!(word(memory, 1_568_413), 0xf1b6_2fe6_210b_f8b1);
        assert_eq!(word(memory, 33_554_431), 0x1f47_f056_d05c_d99b);
    }

    /// Fills single items where the rest of the 2 GiB is never touched.
    #[test]
    fn dataset_items_are_the_published_ones_compiled_and_interpreted() {
        for features in [Features::detect(), Features::detect().without_jit()] {
            let mut cache = Cache::with(features, PageWish::Auto).expect("memory");
            cache.key_bytes(b"test key 000");
            let mut dataset = RawDataset::new(Flags::NONE).expect("address space");
            let memory = dataset.memory().expect("memory");
            let filler = dataset.filler(&cache).expect("keyed");
            for (item, first_word) in [
                (0, 0x6805_88a8_5ae2_22db),
                (10_000_000, 0x7943_a1f6_186f_fb72),
                (20_000_000, 0x9035_244d_7180_95e1),
                (30_000_000, 0x145a_5091_f785_3099),
            ] {
                filler.next.store(item, Ordering::Relaxed);
                assert_eq!(filler.fill_some(1), 1);
                let index = usize::try_from(item).expect("small") * 8;
                assert_eq!(word(memory, index), first_word, "item {item}, {features}");
            }
        }
    }

    /// Caches byte by byte, and items here and there, for keys of every length.
    #[test]
    fn caches_and_items_are_those_of_the_engine() {
        for length in [0, 1, 31, 32, 60] {
            let key: Vec<u8> = (0..length).map(|at: u8| at.wrapping_mul(7)).collect();
            let mut cache = Cache::with(Features::detect(), PageWish::Auto).expect("memory");
            cache.key_bytes(&key);
            let mut ours = crate::Cache::new().expect("memory");
            ours.key_bytes(&key);
            let ours = ours.keyed().expect("keyed");
            let memory = cache.keyed().expect("keyed").memory().expect("memory");
            // SAFETY: the cache's memory is this long, and only read while it lives.
            let bytes = unsafe {
                core::slice::from_raw_parts(memory.as_ptr().cast::<u8>(), crate::CACHE_BYTES)
            };
            assert!(bytes == ours.memory(), "key of {length} bytes");

            let mut dataset = RawDataset::new(Flags::NONE).expect("address space");
            let memory = dataset.memory().expect("memory");
            let filler = dataset.filler(&cache).expect("keyed");
            for first in [0_u64, 12_345_678, 34_078_719 - 64] {
                filler.next.store(first, Ordering::Relaxed);
                assert_eq!(filler.fill_some(64), 64);
                let mut items = [0; 64 * 64];
                ours.fill(first, &mut items);
                for (at, bytes) in items.as_chunks::<8>().0.iter().enumerate() {
                    let index = usize::try_from(first).expect("small") * 8 + at;
                    assert_eq!(
                        u64::from_le_bytes(*bytes),
                        word(memory, index),
                        "{first} {at}"
                    );
                }
                for (at, item) in items.as_chunks::<64>().0.iter().enumerate() {
                    let words = ours.item(first + at as u64).map(u64::to_le_bytes);
                    assert_eq!(words.as_flattened(), item, "interpreted, {first} {at}");
                }
            }
        }
    }

    #[test]
    fn items_end_where_the_dataset_ends() {
        let mut cache = Cache::with(Features::detect(), PageWish::Auto).expect("memory");
        cache.key_bytes(b"k");
        let mut dataset = RawDataset::new(Flags::NONE).expect("address space");
        let filler = dataset.filler(&cache).expect("keyed");
        filler.next.store(34_078_719 - 5, Ordering::Relaxed);
        assert_eq!(filler.fill_some(8192), 5);
        assert_eq!(filler.fill_some(8192), 0);
        assert_eq!(
            RawDataset::item_count() * 64,
            u64::try_from(crate::DATASET_BYTES).expect("small")
        );
    }

    #[test]
    fn rounding_mode_is_put_back() {
        let mut cache = Cache::with(Features::detect(), PageWish::Auto).expect("memory");
        cache.key_bytes(b"test key 000");
        let flags = Features::detect().vm_flags();
        let mut vm = RawVm::light(flags, &Arc::new(cache)).expect("memory");
        let mut hash = [0; 32];
        // The lowest six bits of MXCSR only say what happened so far.
        let mode = || rounding::read() & !0x3f;
        let before = mode();
        vm.first(b"0");
        // Each hash ends in one of four modes by chance.
        for input in 0..8_u8 {
            vm.next(&[input], &mut hash);
            assert_eq!(mode(), before);
        }
        vm.last(&mut hash);
        assert_eq!(mode(), before);
    }
}
