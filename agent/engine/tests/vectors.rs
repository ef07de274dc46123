//! The hashes that the authors of RandomX published (`src/tests/tests.cpp` of the reference, of v2.0 for
//! rx/2), those that others published for the other algorithms, and what has to hold between single
//! hashes, the pipeline, and keys.
#![expect(clippy::expect_used, reason = "these are tests")]

use std::sync::Arc;

use miner_engine::{Algorithm, Cache, EngineError, Hash, HashEngine, Vm, commitment};

const LOREM: &[u8] = b"Lorem ipsum dolor sit amet";
const SED: &[u8] = b"sed do eiusmod tempor incididunt ut labore et dolore magna aliqua";

fn keyed(key: &[u8]) -> Arc<Cache> {
    let mut cache = Cache::new().expect("memory");
    cache.key_bytes(key);
    Arc::new(cache)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    let bytes = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]);
    bytes
        .map(|byte| u8::try_from(byte).expect("two digits"))
        .collect()
}

/// Key, input, and the hashes by rx/0 and rx/2.
fn published() -> [(&'static [u8], Vec<u8>, [&'static str; 2]); 5] {
    let blob = hex(concat!(
        "0b0b98bea7e805e0010a2126d287a2a0cc833d312cb786385a7c2f9de69d25537f584a9bc9977b00000000",
        "666fd8753bf61a8631f12984e3fd44f4014eca629276817b56f32e9b68bd82f416"
    ));
    [
        (
            b"test key 000",
            b"This is a test".to_vec(),
            [
                "639183aae1bf4c9a35884cb46b09cad9175f04efd7684e7262a0ac1c2f0b4e3f",
                "22ec6b861b3eb23686b2efbad69513c967ecfce80983df66c9c5b4fbfb4cdb6f",
            ],
        ),
        (
            b"test key 000",
            LOREM.to_vec(),
            [
                "300a0adb47603dedb42228ccb2b211104f4da45af709cd7547cd049e9489c969",
                "9e2c772c12fd48f93c14c97fdc89d556264d9100597023f44d9163e279012ecf",
            ],
        ),
        (
            b"test key 001",
            SED.to_vec(),
            [
                "e9ff4503201c0c2cca26d285c93ae883f9b1d30c9eb240b820756f2d5a7905fc",
                "97024134686ce27d362ea8d86d8ef16483ac272abdabd46ef13359400777fe5e",
            ],
        ),
        (
            b"test key 001",
            blob,
            [
                "c56414121acda1713c2f2a819d8ae38aed7c80c35c2a769298d34f03833cd5f1",
                "c8e92c5f7c1946fecf06bc382b92e3111da38ee3e6a5ad90704e1a9d8aaf6e76",
            ],
        ),
        (
            b"test key 000",
            SED.to_vec(),
            [
                "c36d4ed4191e617309867ed66a443be4075014e2b061bcdaf9ce7b721d2b77a8",
                "4d6b063a1a603751d525f18a171336a4002f2f06df6c17e4b25fe17e17796e42",
            ],
        ),
    ]
}

#[test]
fn published_hashes_while_keys_come_and_go_in_place() {
    let mut cache = keyed(b"another key");
    for (key, input, expected) in published() {
        let cache_mut = Arc::get_mut(&mut cache).expect("no machine is left");
        cache_mut.key_bytes(key);
        for (algorithm, expected) in [Algorithm::Rx0, Algorithm::Rx2].into_iter().zip(expected) {
            let vm = Vm::light(&cache).expect("memory");
            let mut vm = vm.hashing(algorithm).expect("same cache");
            assert!(Arc::get_mut(&mut cache).is_none(), "a machine reads it");
            assert_eq!(
                vm.hash(&input)[..],
                hex(expected),
                "{algorithm:?} {expected}"
            );
        }
    }
}

/// Algorithm, key, input, and the hash by
///
/// * node-multi-hashing's `tests/test_random_wow.js`, which pools of Wownero use;
/// * Miningcore's `Crypto/RandomARQTests.cs`;
/// * a share that a pool of Safex Cash took, as cpuminer's `randomx-kat.c` keeps it;
/// * the unit tests of `MoneroOcean`'s XMRig, for each of them.
fn published_by_others() -> Vec<(Algorithm, Vec<u8>, Vec<u8>, &'static str)> {
    let input = b"This is a test";
    let mut vectors = vec![
        (
            Algorithm::Wow,
            vec![0; 32],
            input.to_vec(),
            "dcd9efef9df794171af262df328bd2c16a6d51ae9abdcb9357ce4ab3c0c9a8ba",
        ),
        (
            Algorithm::Wow,
            [vec![0; 31], vec![1]].concat(),
            input.to_vec(),
            "7f7d2ec8dd966f1bacdb19f450255a46eef353d917758f775559df6f6431ce33",
        ),
        (
            Algorithm::Arq,
            b"test key 000".to_vec(),
            input.to_vec(),
            "27f66e4650eb5657513e76c140e09e59336786f21fbef1ed6ff40fc21538221e",
        ),
        (
            Algorithm::Arq,
            b"test key 000".to_vec(),
            LOREM.to_vec(),
            "6b04e883e07e4e6c072cb064d9aed0fa5a8f7cbbeb7fd3ba653d274ebd4925b0",
        ),
        (
            Algorithm::Sfx,
            hex("906f3490027d8cec7561c5683a6ea0ff2972661e7b5babcb3648a1ec49c0a62a"),
            hex(concat!(
                "0707e289ead40678d3c7ca25309983e9b193477151797095a160130bcec824fc20513364a94038e40300",
                "e0d84d0b0cca950a183398da4fa7526b5088eaa96c58f25b19fadfe2b239d5247101"
            )),
            "b7c2975ebf2238b6c29737c82d0d4ef0da0d64e75a7b7903da2d931474180000",
        ),
    ];
    for (algorithm, hash) in [
        (
            Algorithm::Wow,
            "45896210539d9ba37377b9c186b7343304cd6bf797c75f3d1087ee63f22a73e4",
        ),
        (
            Algorithm::Arq,
            "ca2b7afe5c50ab45296c5457337ff7cf27624139f05ec5d44c1e4ae8bfe95bb6",
        ),
        (
            Algorithm::Graft,
            "c4a9cfd2f0a9359c78f089902b44b42623fbf18a1a01786879bfed3f0be255f7",
        ),
        (
            Algorithm::Sfx,
            "3b88936e289ff3240dc074b289fe6464194bdfe31a80c9dc10c9c1eaa1975513",
        ),
        (
            Algorithm::Yada,
            "04d68fb9c445f4437dfce6ebb8028367b060140066ebaa416a4cd2ca63cdb723",
        ),
    ] {
        vectors.push((
            algorithm,
            b"xmrig-mo-check-hashes seed".to_vec(),
            b"xmrig-mo-check-hashes input A".to_vec(),
            hash,
        ));
    }
    vectors
}

#[test]
fn the_other_algorithms_give_the_hashes_that_others_published() {
    let mut cache = Cache::new().expect("memory");
    for (algorithm, key, input, expected) in published_by_others() {
        cache = cache.hashing(algorithm);
        cache.key_bytes(&key);
        let shared = Arc::new(cache);
        let mut vm = Vm::light(&shared).expect("memory");
        assert_eq!(vm.hash(&input)[..], hex(expected), "{}", algorithm.name());
        drop(vm);
        cache = Arc::into_inner(shared).expect("no machine is left");
    }
    let known = published_by_others();
    for algorithm in Algorithm::ALL {
        let by_the_authors = matches!(algorithm, Algorithm::Rx0 | Algorithm::Rx2);
        assert!(by_the_authors || known.iter().any(|known| known.0 == algorithm));
    }
}

#[test]
fn a_cache_of_another_algorithm_makes_no_machine() {
    let cache = keyed(b"another algorithm");
    let vm = Vm::light(&cache).expect("memory");
    assert_eq!(
        vm.hashing(Algorithm::Wow).err(),
        Some(EngineError::OtherAlgorithm)
    );
}

#[test]
fn published_commitment() {
    let input = b"This is a test";
    let hash = Vm::light(&keyed(b"test key 000"))
        .expect("memory")
        .hash(input);
    let expected = "d53ccf348b75291b7be76f0a7ac8208bbced734b912f6fca60539ab6f86be919";
    assert_eq!(commitment(input, &hash)[..], hex(expected));
}

/// The immediate 0x80000000 of ISUB_R that compilers for AArch64 got wrong until v1.2.2.
#[test]
fn published_edge_case_of_isub_r() {
    let key = hex("7797373e a4633194 640bf8d8 c3b66724 d6aa7bd2 dc20e009 df2f8f17 10abe8");
    let expected = "78af2a1864c42abce36d2e8983e13df99b2af0ce1362999af09fab004d4435a8";
    let mut vm = Vm::light(&keyed(&key)).expect("memory");
    let blob = hex(concat!(
        "1010e1eaf8cf067b37b5f0ee031ab23ed1755e090a3af4415830145853e2be3e1f6821fed84dae58d00e00",
        "da5214d6c1f2d0622e0abd51f9373d04e0b0f8e6d6514d90689721c4aac5a9bb0d"
    ));
    assert_eq!(vm.hash(&blob)[..], hex(expected));
}

#[test]
fn pipeline_gives_the_hashes_of_the_single_calls() {
    let cache = keyed(b"pipeline");
    let mut vm = Vm::light(&cache).expect("memory");
    let inputs: [&[u8]; 5] = [b"", b"a", LOREM, SED, &[0; 407]];
    let single: Vec<Hash> = inputs.iter().map(|input| vm.hash(input)).collect();

    let mut streamed = Vec::new();
    let mut hash = [0; 32];
    vm.first(inputs[0]);
    for input in &inputs[1..] {
        vm.next(input, &mut hash);
        streamed.push(hash);
    }
    vm.last(&mut hash);
    streamed.push(hash);
    assert_eq!(streamed, single);
}

#[test]
fn a_new_machine_has_the_empty_input_in_flight() {
    let cache = keyed(b"first");
    let mut vm = Vm::light(&cache).expect("memory");
    let mut hash = [0; 32];
    vm.next(b"a", &mut hash);
    assert_eq!(hash, Vm::light(&cache).expect("memory").hash(b""));
}

#[test]
fn a_machine_hashes_the_same_on_another_thread() {
    let cache = keyed(b"threads");
    let mut vm = Vm::light(&cache).expect("memory");
    let here = vm.hash(LOREM);
    let there = std::thread::spawn(move || vm.hash(LOREM));
    assert_eq!(there.join().expect("no panic"), here);
}

#[test]
fn a_cache_without_a_key_makes_no_machine() {
    let cache = Arc::new(Cache::new().expect("memory"));
    assert_eq!(Vm::light(&cache).err(), Some(EngineError::NotKeyed));
    assert_eq!(cache.backing(), None);
}
