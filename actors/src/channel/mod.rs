//! A channel: commands in order, and the ledgers of what is open in both directions.

pub mod confirms;
pub mod global_prefetch;
pub mod unacked;
