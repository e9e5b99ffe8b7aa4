//! A road back that is owed an answer.
//!
//! A crash takes the unread mail of an actor with it. Whoever sent such mail and waits for what comes of it
//! would wait for ever; a [`ReturnAddress`] that nobody has read sends back what its sender must then hear.

use actix::prelude::*;

/// Where answers go, and what goes there if the mail that carries the address is never read.
#[derive(Debug)]
pub struct ReturnAddress<M>
where
    M: Message + Send,
    M::Result: Send,
{
    unread: Option<(Recipient<M>, M)>,
}

impl<M> ReturnAddress<M>
where
    M: Message + Send,
    M::Result: Send,
{
    /// An address that is sent `otherwise` if it is dropped unread.
    pub fn new(to: Recipient<M>, otherwise: M) -> Self {
        ReturnAddress {
            unread: Some((to, otherwise)),
        }
    }

    /// Reads the address: from here on the reader owes the answer.
    #[expect(clippy::expect_used, reason = "only reading empties it, and that consumes it")]
    pub fn read(mut self) -> Recipient<M> {
        self.unread.take().expect("it is read once").0
    }
}

impl<M> Drop for ReturnAddress<M>
where
    M: Message + Send,
    M::Result: Send,
{
    fn drop(&mut self) {
        if let Some((to, otherwise)) = self.unread.take() {
            to.do_send(otherwise);
        }
    }
}
