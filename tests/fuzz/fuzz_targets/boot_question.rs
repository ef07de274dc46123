//! See `farm_tests::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| farm_tests::fuzz::run("boot_question", data));
