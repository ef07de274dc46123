//! Every fuzz target over its committed corpus and over 2,000 generated inputs: nothing panics, nothing
//! takes long, and where only `shared` reads, no input makes the process hold 64 KiB more than before.
#![expect(clippy::expect_used, reason = "these are tests")]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::{env, fs};

use farm_tests::fuzz::{TARGETS, XorShift, seeds};
use farm_tests::sources::root;
use rustix::time::{ClockId, clock_gettime};

/// Bytes that one input may make a reader hold.
const MAX_HELD: isize = 64 * 1024;
/// The same with a router, a registry and the answer's text.
const MAX_HELD_BY_PROGRAMS: isize = 512 * 1024;
/// Processor time that one input may take, in ms: what is promised, and what fails, ten times that.
const SLOW_MS: i64 = 10;
/// Generated inputs of each target, unless `FUZZ_GENERATED` says otherwise.
const GENERATED: usize = 2_000;
/// Longest generated input.
const LONGEST: usize = 4_200;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes that this thread holds, and the most that it held since the last look.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

impl Counting {
    fn count(size: usize, sign: isize) {
        let size = isize::try_from(size).unwrap_or(isize::MAX);
        // A thread that ends has no cell any more, and nothing to count.
        let _ended = HELD.try_with(|held| {
            let (now, most) = held.get();
            let now = now + sign * size;
            held.set((now, most.max(now)));
        });
    }
}

// SAFETY: passes everything on to the system's allocator; the counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size(), 1);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Self::count(layout.size(), -1);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// The most bytes held at a time while `run` runs, beyond those held before.
fn most_held(run: impl FnOnce()) -> isize {
    let before = HELD.with(|held| {
        let (now, _) = held.get();
        held.set((now, now));
        now
    });
    run();
    HELD.with(|held| held.get().1 - before)
}

/// The committed inputs of a target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = root().join("tests/fuzz/corpus").join(name);
    let entries = fs::read_dir(&folder).expect("a folder for each target");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    let read = |path| fs::read(path).expect("readable");
    paths.iter().map(read).collect()
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("a target of this name");
    let known = corpus(name);
    let bound = if target.in_shared {
        MAX_HELD
    } else {
        MAX_HELD_BY_PROGRAMS
    };
    let mut rng = XorShift::new(8);
    let count = env::var("FUZZ_GENERATED").ok();
    let count = count.and_then(|count| count.parse().ok());
    let generated: Vec<_> = (0..count.unwrap_or(GENERATED))
        .map(|_| rng.mutate(&known, LONGEST))
        .collect();
    // What is made once (keys, tables, the description of the API) is no input's. The first inputs may
    // be refused before they come to it.
    (target.run)(&[]);
    known.iter().take(16).for_each(|input| (target.run)(input));
    let (mut slow, mut slowest) = (0, 0);
    for data in known.iter().chain(&generated) {
        let before = processor_us();
        let held = most_held(|| (target.run)(data));
        let took = processor_us() - before;
        assert!(held <= bound, "{held} bytes held for {}", hex::encode(data));
        assert!(
            took < 10_000 * SLOW_MS,
            "{took} us for {}",
            hex::encode(data)
        );
        slow += usize::from(took > 1_000 * SLOW_MS);
        slowest = slowest.max(took);
    }
    let count = known.len() + generated.len();
    println!("measured: {count} inputs, slowest {slowest} us, {slow} above {SLOW_MS} ms");
}

/// Processor time of this thread so far, in microseconds.
fn processor_us() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

macro_rules! replayed {
    ($($name:ident),* $(,)?) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*

        /// The names that have a test here.
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replayed!(
    boot_question,
    config,
    handshake_first,
    handshake_second,
    handshake_third,
    json,
    key_file,
    link_machine,
    mdns_packet,
    program,
    rest_body,
    smsg_frame,
    stratum_line,
    succession,
    tftp_packet,
    token_text,
    wire_message,
);

#[test]
fn every_target_is_replayed_and_has_a_binary_and_a_corpus() {
    let manifest = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).expect("there");
    for target in TARGETS {
        assert!(REPLAYED.contains(&target.name), "{}", target.name);
        let binary = format!("name = \"{}\"", target.name);
        assert!(manifest.contains(&binary), "{binary}");
        let source = format!("tests/fuzz/fuzz_targets/{}.rs", target.name);
        let source = fs::read_to_string(root().join(source)).expect("a binary");
        assert!(source.contains(&format!("run(\"{}\"", target.name)));
    }
    assert_eq!(REPLAYED.len(), TARGETS.len());
    let folders = fs::read_dir(root().join("tests/fuzz/corpus")).expect("there");
    assert_eq!(folders.count(), TARGETS.len());
}

#[test]
fn the_corpora_are_small_and_hold_every_seed_as_it_is_made_today() {
    let (mut files, mut bytes) = (0, 0);
    for target in TARGETS {
        let known: BTreeSet<_> = corpus(target.name).into_iter().collect();
        files += known.len();
        bytes += known.iter().map(Vec::len).sum::<usize>();
        for seed in seeds(target.name) {
            let name = format!("{} {}", target.name, seed.name);
            assert!(
                known.contains(&seed.data),
                "{name}: run the example `corpora`"
            );
        }
    }
    assert!(
        files < 2_000 && bytes < 400 * 1024,
        "{files} files, {bytes} bytes"
    );
}
