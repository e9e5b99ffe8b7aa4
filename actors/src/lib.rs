//! The actors of the Leveret broker.

pub mod exchange;
pub mod name;
pub mod vhost;
