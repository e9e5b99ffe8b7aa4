//! The actors of the Leveret broker.

pub mod channel;
pub mod consumer;
pub mod id;
pub mod name;
pub mod publication;
pub mod queue;
