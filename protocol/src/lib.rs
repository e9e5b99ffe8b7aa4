//! AMQP 0-9-1 on the wire: a codec without input or output.
//!
//! Bytes go in, values or an [`Exception`] come out; nothing here owns a socket, a clock or a thread.
//! What arrives is read in three steps, each usable alone:
//!
//! 1. [`decode::frames`] finds the complete frames of a buffer; [`FrameCodec`] does so for a
//!    [`tokio_util::codec::FramedRead`] and yields all complete frames of one read as one [`FrameBatch`].
//! 2. [`Assembler`], one per channel, joins method, content header and bodies into a [`Command`].
//! 3. [`Method`], [`Properties`] and [`FieldTable`] give those bytes a meaning.
//!
//! What leaves is written into a [`Chunk`], which holds the frames of many commands.
//!
//! Invariants:
//!
//! - *Total*: whatever a peer sends becomes a value or an [`Exception`], never a panic or an endless loop.
//! - *Bounded*: what is allocated for bytes that a peer announced but has not sent stays within a fixed cap, or eight
//!   times what it has.
//! - *Borrowed*: a command whose frames arrived together borrows from its batch and allocates only for tables.
//! - *Faithful*: properties travel as raw bytes; what is not rewritten leaves byte for byte as it came.

mod assembler;
pub mod codec;
mod content;
pub mod decode;
pub mod encode;
mod exception;
pub mod frame;
pub mod header;
pub mod method;
pub mod properties;
mod repeated;
pub mod reply_code;
mod text;
pub mod types;
mod wire;

pub use assembler::{Assembler, Command, HARD_MESSAGE_LIMIT};
pub use codec::{DecodeError, FrameCodec, Inbound};
pub use content::{Body, Content};
pub use encode::{BodyRef, Chunk, Deliveries};
pub use exception::{Exception, Scope};
pub use frame::{Frame, FrameBatch, FrameKind, Frames};
pub use header::ProtocolHeader;
pub use method::{EncodeMethod, Method};
pub use properties::{OwnedProperties, Properties};
pub use reply_code::ReplyCode;
pub use types::{FieldTable, FieldValue, ShortString};
