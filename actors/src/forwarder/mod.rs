//! A forwarder: carries the dead messages of one queue to where its dead-letter exchange leads, or those that have waited
//! in it to where the exchange leads that delayed them.
//!
//! It is to the targets what a publishing channel is, confirms included, and to its queue a channel that holds the
//! messages and settles them. A message leaves its queue only when every target has it safely.

pub(crate) mod actor;
mod carrying;
mod course;
mod death;
mod errand;
mod gathered;
mod ledger;
mod underway;
