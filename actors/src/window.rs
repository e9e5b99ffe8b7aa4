//! Back-pressure that rides with the data.
//!
//! A connection may have only so many received bytes on their way to the queues. The reader takes
//! a [`Permit`] for each batch; the permit travels inside the batch, is shared by what is made from it, and
//! comes back when the last queue has taken its part and drops it. While the window is empty the
//! *reader* waits, and so, through TCP, does the peer; the connection's mailbox stays live.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// Bytes a connection may have under way, unless one frame alone is larger.
const WINDOW: u32 = 512 * 1024;

/// Covers some received bytes until dropped. Clones share the cover.
#[derive(Debug, Clone)]
pub struct Permit {
    _cover: Arc<OwnedSemaphorePermit>,
}

/// The bytes one connection may have under way.
#[derive(Debug)]
pub struct Window {
    semaphore: PollSemaphore,
}

impl Window {
    pub(crate) fn new() -> Self {
        Window {
            semaphore: PollSemaphore::new(Arc::new(Semaphore::new(WINDOW as usize))),
        }
    }

    /// Ready with a permit when `bytes` fit; a larger batch takes the whole window rather than
    /// waiting for room that can never be.
    pub(crate) fn poll_acquire(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<Option<Permit>> {
        let wanted = u32::try_from(bytes).unwrap_or(WINDOW).clamp(1, WINDOW);
        let permit = ready!(self.semaphore.poll_acquire_many(cx, wanted));
        Poll::Ready(permit.map(|permit| Permit {
            _cover: Arc::new(permit),
        }))
    }
}
