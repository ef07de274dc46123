//! Documents that the program makes: a test compares them, and writes them if it is told to.

use std::path::Path;
use std::{env, fs};

/// Compares a document below the root with what the program says; with `UPDATE=1` writes it.
pub(crate) fn check(document: &str, is: &str, test: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(document);
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, is).unwrap_or_else(|error| panic!("{document}: {error}"));
        return;
    }
    let was = fs::read_to_string(&path).unwrap_or_default();
    let differs = (1..)
        .zip(was.lines().zip(is.lines()))
        .find(|(_, (was, is))| was != is);
    assert!(
        was == is,
        "{document} is out of date{}; write it anew: \
         UPDATE=1 cargo nextest run -p miner-ctrl {test}",
        differs.map_or_else(String::new, |(line, (was, is))| format!(
            " in line {line}\n  has  {was}\n  is   {is}\n"
        )),
    );
}
