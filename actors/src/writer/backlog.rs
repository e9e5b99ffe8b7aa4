//! Answers that the peer has caused and not yet read.
//!
//! A peer that sends requests and never reads the answers would grow the writer without bound. Its own
//! reader is therefore paused while more than [`MOST_UNREAD`] bytes of answers wait. Deliveries do not
//! count: a client that publishes while it leaves deliveries unread must not be locked up.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::task::AtomicWaker;

/// Bytes of unread answers at which the peer is no longer listened to.
const MOST_UNREAD: usize = 4 * 1024 * 1024;

/// Counts the bytes of answers on their way to one socket.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    unread: AtomicUsize,
    reader: AtomicWaker,
}

impl Backlog {
    /// Notes answers given to the writer.
    pub(crate) fn add(&self, bytes: usize) {
        self.unread.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes answers that were written.
    pub(crate) fn remove(&self, bytes: usize) {
        let before = self.unread.fetch_sub(bytes, Ordering::AcqRel);
        if before > MOST_UNREAD && before - bytes <= MOST_UNREAD {
            self.reader.wake();
        }
    }

    /// Bytes of answers that are not written yet.
    pub(crate) fn unread(&self) -> usize {
        self.unread.load(Ordering::Relaxed)
    }

    /// Whether the reader must wait; it is woken when it may go on.
    pub(crate) fn is_full(&self, cx: &std::task::Context<'_>) -> bool {
        if self.unread.load(Ordering::Acquire) <= MOST_UNREAD {
            return false;
        }
        self.reader.register(cx.waker());
        self.unread.load(Ordering::Acquire) > MOST_UNREAD
    }
}
