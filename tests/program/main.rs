//! The `leveret` program as whoever starts it meets it: flags, the ready line, signals, exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod perf;
mod process;
mod serve;
