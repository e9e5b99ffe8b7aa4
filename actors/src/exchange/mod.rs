//! Exchanges: which queues a publication goes to.

pub mod kind;
