//! Every example runs and prints what it promises.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

#[path = "../support/mod.rs"]
mod support;

mod python;
mod rust;
