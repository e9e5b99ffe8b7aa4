//! The `leveret` program as whoever starts it meets it: flags, the ready line, signals, exit codes; and the
//! library as whoever embeds it does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod embedded;
mod lab;
mod perf;
mod process;
mod serve;
mod stop;
