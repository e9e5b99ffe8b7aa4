//! The actors of the Leveret broker.

pub mod name;
