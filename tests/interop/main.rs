//! Clients other than our own: pika and lapin, and the pika programs that must run unchanged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

#[path = "../support/mod.rs"]
mod support;

mod aio_pika;
mod celery;
mod dramatiq;
mod kombu;
mod lapin;
mod pika;
mod seed;
