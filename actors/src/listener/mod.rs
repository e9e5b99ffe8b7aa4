//! How connections come in: a [listener](actor) accepts them, the [`reception`] of a worker starts them there.
//!
//! Both live on workers, so that a connection which is soon over is accepted, served and forgotten by one thread.

pub(crate) mod actor;
pub(crate) mod messages;
pub(crate) mod reception;
