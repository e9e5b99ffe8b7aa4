//! Back-pressure that rides with the data.
//!
//! A connection may have only so many received bytes on their way to the queues. The reader takes
//! a [`Permit`] for each batch; the permit travels inside the batch, is shared by what is made from it, and
//! comes back when the last queue has taken its part and drops it. While the window is empty the
//! *reader* waits, and so, through TCP, does the peer; the connection's mailbox stays live.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// Bytes a connection may have under way, unless one frame alone is larger.
const WINDOW: u32 = 512 * 1024;
/// Bytes more for each further channel. What many channels have is a little for each, and the mails and wake-ups that it takes
/// cost more than the messages when they carry few.
const FOR_A_CHANNEL: u32 = 2 * 1024;
/// Bytes that a connection with many channels may have under way.
const WIDEST: u32 = 4 * WINDOW;

/// Covers some received bytes until dropped. Clones share the cover.
#[derive(Debug, Clone)]
pub struct Permit {
    cover: Arc<Cover>,
}

/// Several; most often it is one.
pub(crate) type Permits = SmallVec<[Permit; 1]>;

#[derive(Debug)]
enum Cover {
    Bytes { _of_the_window: OwnedSemaphorePermit },
    All { _of: Permits },
}

impl Permit {
    /// What all of them cover; `None` without any.
    pub(crate) fn all(mut permits: Permits) -> Option<Permit> {
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
    width: u32,
}

impl Window {
    pub(crate) fn new() -> Self {
        Window {
            semaphore: PollSemaphore::new(Arc::new(Semaphore::new(WINDOW as usize))),
            width: WINDOW,
        }
    }

    /// Its width in bytes.
    pub(crate) fn width(&self) -> usize {
        self.width as usize
    }

    /// Makes it as wide as so many channels deserve; returns whether it was narrower. It stays so when they go.
    pub(crate) fn widen_for(&mut self, channels: u32) -> bool {
        let further = channels.saturating_sub(1).saturating_mul(FOR_A_CHANNEL);
        let width = WINDOW.saturating_add(further).min(WIDEST);
        let widens = width > self.width;
        if widens {
            self.semaphore.add_permits((width - self.width) as usize);
            self.width = width;
        }
        widens
    }

    /// Ready with a permit when `bytes` fit; a larger batch takes the whole window of a single channel rather than
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
    use smallvec::smallvec;

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
        assert!(Permit::all(Permits::new()).is_none());
        let alone = Permit::all(smallvec![one.clone()]);
        assert!(alone.is_some_and(|alone| alone.is(&one) && !alone.is(&other)));
        let both = Permit::all(smallvec![one, other]);
        assert!(window.poll_acquire(cx, 1).is_pending());
        drop(both);
        assert!(window.poll_acquire(cx, 1).is_ready());
    }

    #[test]
    fn a_window_is_wider_for_many_channels_within_a_bound_and_stays_so() {
        let mut window = Window::new();
        let cx = &mut Context::from_waker(noop_waker_ref());
        let mut taken = Vec::new();
        let mut width = |window: &mut Window, channels| {
            window.widen_for(channels);
            while let Poll::Ready(permit) = window.poll_acquire(cx, 1024) {
                taken.extend(permit);
            }
            taken.len() as u32 * 1024
        };
        assert_eq!(width(&mut window, 1), WINDOW);
        assert_eq!(width(&mut window, 101), WINDOW + 100 * FOR_A_CHANNEL);
        assert_eq!(width(&mut window, 2), WINDOW + 100 * FOR_A_CHANNEL);
        assert_eq!(width(&mut window, u32::MAX), WIDEST);
    }
}
