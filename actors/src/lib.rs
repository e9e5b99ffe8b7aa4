//! The actors of the Leveret broker.

pub mod channel;
pub mod consumer;
pub mod exchange;
pub mod id;
pub mod name;
pub mod publication;
pub mod queue;
pub mod vhost;
