//! The actors of the Leveret broker.
