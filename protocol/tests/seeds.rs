//! The inputs that fuzzing found interesting, through the same checks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[allow(unreachable_pub, reason = "public in the package it belongs to")]
#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::{fs, path::Path};

/// Runs `check` on every file of a folder of seeds.
fn replay(folder: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(folder);
    let mut replayed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        check(&fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "there are seeds");
}

#[test]
fn streams_that_fuzzing_found_hold_what_must_hold() {
    replay("frames", checks::frames);
}

#[test]
fn properties_that_fuzzing_found_hold_what_must_hold() {
    replay("properties", checks::properties);
}
