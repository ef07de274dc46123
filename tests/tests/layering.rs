//! The arrows between our packages, as drawn in docs/ARCHITECTURE.md; any other arrow fails.
#![expect(clippy::expect_used, reason = "a test's helpers fail as the test does")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use farm_tests::sources::{files, root};

/// Package → packages of ours that it may link. `cross` and `farm-tests` may use any, and nobody uses
/// them.
const ARROWS: [(&str, &[&str]); 7] = [
    ("miner-shared", &[]),
    ("miner-engine", &["miner-shared"]),
    ("miner-agent", &["miner-engine", "miner-shared"]),
    ("miner-boot", &["miner-shared"]),
    ("miner-proxy", &["miner-engine", "miner-shared"]),
    (
        "miner-ctrl",
        &[
            "miner-agent",
            "miner-boot",
            "miner-images",
            "miner-proxy",
            "miner-shared",
        ],
    ),
    ("miner-images", &["miner-shared"]),
];

/// Packages at the top: they may depend on any of ours, and none of ours on them.
const TOP: [&str; 2] = ["cross", "farm-tests"];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata reads this workspace")
}

/// Our packages that `package` names as dependencies: linked, built with, or for its tests.
fn own_dependencies(package: &Package, own: &BTreeSet<String>) -> BTreeSet<String> {
    let names = package
        .dependencies
        .iter()
        .map(|dependency| dependency.name.clone());
    names.filter(|name| own.contains(name)).collect()
}

#[test]
fn packages_depend_only_along_the_drawn_arrows() {
    let metadata = metadata();
    let own: BTreeSet<String> = metadata
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.into();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if TOP.contains(&name) {
            continue;
        }
        let allowed = arrows
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not on the picture"));
        for dependency in own_dependencies(package, &own) {
            let drawn = allowed.contains(&dependency.as_str());
            assert!(drawn, "{name} -> {dependency} is not on the picture");
        }
    }
}

/// CI compiles it for a chip without an operating system, which shows the same of what it links.
#[test]
fn shared_has_no_std_no_heap_and_no_unsafe() {
    let sources = files("shared/src", "rs").unwrap();
    let lib = sources
        .iter()
        .find(|source| source.path == "shared/src/lib.rs")
        .unwrap();
    assert!(lib.text.contains("#![no_std]"));
    assert!(lib.text.contains("#![forbid(unsafe_code)]"));
    for source in sources {
        assert!(
            !source.text.contains("extern crate alloc"),
            "{}",
            source.path
        );
    }
}

#[test]
fn shared_links_no_crate_with_default_features_of_the_std_kind() {
    let metadata = metadata();
    let shared = metadata
        .packages
        .iter()
        .find(|package| package.name == "miner-shared")
        .unwrap();
    for dependency in shared
        .dependencies
        .iter()
        .filter(|d| d.kind == DependencyKind::Normal)
    {
        let std = dependency
            .features
            .iter()
            .any(|feature| feature == "std" || feature == "alloc");
        assert!(
            !std,
            "{} is linked with {:?}",
            dependency.name, dependency.features
        );
    }
}

#[test]
fn unsafe_code_lives_in_the_engine_and_the_platform_module_only() {
    for source in farm_tests::sources::programs().unwrap() {
        let home = source.path.starts_with("agent/engine/")
            || source.path.starts_with("agent/src/platform");
        for (number, line) in source.program_lines() {
            let code = line.split("//").next().unwrap_or_default();
            let is_unsafe = code.contains("unsafe {")
                || code.contains("unsafe impl")
                || code.contains("unsafe fn")
                || code.contains("unsafe extern");
            assert!(home || !is_unsafe, "{}:{number}: {line}", source.path);
        }
    }
}
