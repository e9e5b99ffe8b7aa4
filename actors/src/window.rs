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
    cover: Arc<Cover>,
}

#[derive(Debug)]
enum Cover {
    Bytes { _of_the_window: OwnedSemaphorePermit },
    All { _of: Vec<Permit> },
}

impl Permit {
    /// What all of them cover; `None` without any.
    pub(crate) fn all(mut permits: Vec<Permit>) -> Option<Permit> {
        if permits.len() < 2 {
            return permits.pop();
        }
        let cover = Arc::new(Cover::All { _of: permits });
        Some(Permit { cover })
    }

    /// Whether it shares the cover.
    #[inline]
    pub(crate) fn is(&self, other: &Permit) -> bool {
        Arc::ptr_eq(&self.cover, &other.cover)
    }
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
            cover: Arc::new(Cover::Bytes {
                _of_the_window: permit,
            }),
        }))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker_ref;

    use super::*;

    #[test]
    fn bytes_are_free_when_the_last_of_all_that_cover_them_is_dropped() {
        let mut window = Window::new();
        let cx = &mut Context::from_waker(noop_waker_ref());
        let Poll::Ready(Some(one)) = window.poll_acquire(cx, WINDOW as usize - 1) else {
            panic!("there is room")
        };
        let Poll::Ready(Some(other)) = window.poll_acquire(cx, 1) else {
            panic!("there is room")
        };
        assert!(Permit::all(Vec::new()).is_none());
        let alone = Permit::all(vec![one.clone()]);
        assert!(alone.is_some_and(|alone| alone.is(&one) && !alone.is(&other)));
        let both = Permit::all(vec![one, other]);
        assert!(window.poll_acquire(cx, 1).is_pending());
        drop(both);
        assert!(window.poll_acquire(cx, 1).is_ready());
    }
}
