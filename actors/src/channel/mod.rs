//! A channel: commands in order, and the ledgers of what is open in both directions.
//!
//! - executes its client's commands one after another ([`inbox`], [`methods`])
//! - routes publications with the exchanges' own tables and gathers them for their queues ([`publish`])
//! - numbers deliveries and keeps them until they are settled ([`unacked`])
//! - keeps the publisher's confirms ([`confirms`]) and transactions ([`transaction`])
//! - lends the channel-wide prefetch to its consumers ([`global_prefetch`])
//!
//! The ledgers are pure; [`actor`] and the files that add methods to it post the mail.

pub(crate) mod actor;
mod answers;
pub(crate) mod attachments;
pub mod confirms;
mod deliver;
mod expiration;
pub mod global_prefetch;
mod inbox;
mod labour;
pub(crate) mod mailbag;
pub(crate) mod messages;
mod methods;
mod overdue;
mod publish;
mod reply_to;
mod routes;
pub(crate) mod session;
mod settle;
mod subscriptions;
mod transaction;
pub mod unacked;
pub(crate) mod unfinished;
