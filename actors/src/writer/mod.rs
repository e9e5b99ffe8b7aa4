//! The writing half of a socket.
//!
//! A connection's reader may be paused for back-pressure while its writer must go on, so they are two
//! actors. What is to be written gathers in the [`outbox`], and the writer writes it all in its turn,
//! vectored; when the socket is full it waits for room without stopping to gather. Where many sockets get deliveries,
//! these gather while the thread is busy: see [`rush`].
//!
//! What gathers is bounded by what produces it: deliveries by the credit of their consumers (which comes
//! back through receipts once they are written), answers by [`Backlog`](backlog::Backlog), which pauses the reader.

pub(crate) mod actor;
pub(crate) mod backlog;
pub(crate) mod messages;
pub(crate) mod outbox;
mod rush;
