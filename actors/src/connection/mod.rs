//! A connection: one socket, from the first byte to the last.
//!
//! - [`handshake`]: header, login, limits, virtual host
//! - [`reader`]: the socket as a stream of batches, paused for back-pressure
//! - [`opening`]: the handshake's steps carried out
//! - [`channels`]: hands each channel its frames
//! - [`channel_zero`]: what concerns the connection itself
//! - [`alarms`]: publishers held back while a resource is low
//! - [`heartbeat`]: who is late
//! - [`closing`]: how a connection ends, whoever wants it to
//!
//! The writing half of the socket has an actor of its own, the [`writer`](crate::writer).

pub(crate) mod actor;
mod alarms;
mod channel_zero;
mod channels;
mod closing;
mod handshake;
mod heartbeat;
pub(crate) mod messages;
mod opening;
mod reader;
mod sasl;
mod tuning;
