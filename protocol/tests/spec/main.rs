//! Every method, field by field and in both directions, against an independent implementation; and the tables
//! of ids and codes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fields;
mod ids;
mod methods;
mod properties;
mod reply_codes;
#[path = "../samples/mod.rs"]
mod samples;
