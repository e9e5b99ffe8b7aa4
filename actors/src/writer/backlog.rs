//! Answers that the peer has caused and not yet read.
//!
//! A peer that sends requests and never reads the answers would grow the writer without bound. While more than
//! [`MOST_UNREAD`] bytes of answers wait, its reader is paused, and its channels execute nothing of what was read
//! before: a few bytes can ask for large answers. Deliveries do not count: a client that publishes while it leaves
//! deliveries unread must not be locked up.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// Bytes of unread answers at which the peer is no longer listened to.
const MOST_UNREAD: usize = 4 * 1024 * 1024;

/// Counts the bytes of answers on their way to one socket.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    unread: AtomicUsize,
    /// Nobody will read them: nothing waits for it.
    closed: AtomicBool,
    reader: AtomicWaker,
    channels: Notify,
}

impl Backlog {
    /// Notes answers on their way to the writer.
    pub(crate) fn add(&self, bytes: usize) {
        self.unread.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes answers that were written.
    pub(crate) fn remove(&self, bytes: usize) {
        let before = self.unread.fetch_sub(bytes, Ordering::AcqRel);
        if before > MOST_UNREAD && before - bytes <= MOST_UNREAD {
            self.wake();
        }
    }

    /// Nobody will read them any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    /// Bytes of answers that are not written yet.
    pub(crate) fn unread(&self) -> usize {
        self.unread.load(Ordering::Relaxed)
    }

    /// Whether so many are unread that the peer is not listened to.
    pub(crate) fn is_over(&self) -> bool {
        self.unread.load(Ordering::Acquire) > MOST_UNREAD && !self.closed.load(Ordering::Acquire)
    }

    /// Whether the reader must wait; it is woken when it may go on.
    pub(crate) fn is_full(&self, cx: &std::task::Context<'_>) -> bool {
        if !self.is_over() {
            return false;
        }
        self.reader.register(cx.waker());
        self.is_over()
    }

    /// Completes when the peer has read enough for a channel to go on.
    pub(crate) async fn room(self: Arc<Self>) {
        loop {
            let mut woken = pin!(self.channels.notified());
            woken.as_mut().enable();
            if !self.is_over() {
                return;
            }
            woken.await;
        }
    }

    fn wake(&self) {
        self.reader.wake();
        self.channels.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn channels_wait_until_the_peer_has_read_enough() {
        let backlog = Arc::new(Backlog::default());
        backlog.add(MOST_UNREAD);
        assert!(Arc::clone(&backlog).room().now_or_never().is_some());
        backlog.add(10);
        let mut waiting = Box::pin(Arc::clone(&backlog).room());
        assert!(waiting.as_mut().now_or_never().is_none());
        backlog.remove(9);
        assert!(waiting.as_mut().now_or_never().is_none());
        backlog.remove(1);
        assert!(waiting.now_or_never().is_some());
    }

    #[test]
    fn nobody_waits_for_a_writer_that_is_gone() {
        let backlog = Arc::new(Backlog::default());
        backlog.add(2 * MOST_UNREAD);
        let waiting = Arc::clone(&backlog).room();
        backlog.close();
        assert!(waiting.now_or_never().is_some() && !backlog.is_over());
    }
}
