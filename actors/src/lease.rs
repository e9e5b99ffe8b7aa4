//! A crash is an event.
//!
//! actix neither catches nor reports the panic of an actor: its task is dropped while the thread
//! unwinds. An actor that holds a [`Lease`] tells its parent that it is gone, however it went.

use actix::prelude::*;

/// Tells a parent that one of its actors is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Gone<I> {
    /// Which one, as the parent names it.
    pub id: I,
    /// True when it panicked rather than stopped.
    pub crashed: bool,
}

/// Sends [`Gone`] to the parent when dropped.
#[derive(Debug)]
pub struct Lease<I: Clone + Send + 'static> {
    parent: Recipient<Gone<I>>,
    id: I,
}

impl<I: Clone + Send + 'static> Lease<I> {
    /// A lease of the actor that `parent` calls `id`.
    pub fn new(parent: Recipient<Gone<I>>, id: I) -> Self {
        Lease { parent, id }
    }
}

impl<I: Clone + Send + 'static> Drop for Lease<I> {
    fn drop(&mut self) {
        self.parent.do_send(Gone {
            id: self.id.clone(),
            crashed: std::thread::panicking(),
        });
    }
}
