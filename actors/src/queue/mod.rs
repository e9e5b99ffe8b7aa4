//! A queue: what waits, what is held unsettled, and who gets the next message.
//!
//! [`QueueState`] is the whole of it without a runtime: commands go in, a [`Pass`] of handouts comes out.
//! It keeps these promises:
//!
//! - messages are handed out in the order of their arrival, higher priorities first on a queue that has them; one that
//!   returns takes its old place again
//! - each message is in one place: ready, or held for the channel that got it, or gone
//! - a consumer never gets more than its credit; higher priorities first, equals by turn, message by message; those who are
//!   many get several messages at a time, and as many each
//! - a backlog leaves memory when room is needed, and comes back in order; see [`Spill`] and [`Load`]
//! - what waits is compact: a page that only a few messages keep alive is given up for a copy of them

mod absent;
pub mod actor;
mod admission;
mod arguments;
mod attachment;
mod attempts;
mod backlog;
mod bodies;
mod browser;
mod browsing;
mod carried;
mod compaction;
mod convoy;
mod credit;
mod dead;
mod deadlines;
mod deaths;
mod departing;
mod dispatch;
mod dying;
pub mod effective;
mod ending;
mod entry;
mod expiry;
mod fifo;
pub mod forwarding;
mod gets;
mod holders;
mod keeping;
mod kind;
mod leaving;
mod level_set;
mod levels;
mod limits;
mod memory;
pub mod messages;
mod notices;
pub mod options;
mod overtime;
mod pace;
mod pages;
mod passing_on;
mod places;
mod plates;
mod priorities;
mod reading;
mod ready;
mod reason;
mod removal;
mod resting;
mod returning;
mod review;
pub(crate) mod roads;
mod settlements;
mod spans;
mod spilling;
mod stale;
mod stamps;
mod state;
mod subscribers;
mod subscription;
pub mod terms;
mod timing;
mod turns;
mod unearthing;
mod unsynced;

pub use backlog::Spill;
pub use browsing::{Browsed, Fate, Glance, Waiting};
pub use convoy::{Convoy, Neighbours};
pub use credit::Grant;
pub use departing::{Deceased, Departing};
pub use dispatch::Pass;
pub use limits::Free;
pub use memory::MemoryBudget;
pub use priorities::Priorities;
pub use reading::Load;
pub use reason::Reason;
pub use stamps::Stamps;
pub use state::{Outcome, QueueSettings, QueueState};
pub use subscribers::InExclusiveUse;
pub use subscription::Subscription;
