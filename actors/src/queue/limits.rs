//! How long a queue may get, and what happens to what is one too many. Pure.

use super::fifo::Entry;
use super::reason::Reason;
use super::state::QueueState;
use super::terms::Overflow;
use crate::publication::{Handout, Page};

/// The limits of a queue, and how much of them is used that is not counted elsewhere.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Of waiting messages.
    messages: Option<u64>,
    /// Of the bytes of their bodies.
    bytes: Option<u64>,
    overflow: Overflow,
    /// Bytes of the bodies of all that waits, as far as they are known. Not counted where there is no limit of bytes.
    used: u64,
}

/// What still fits into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    messages: u64,
    bytes: u64,
}

impl Free {
    /// Takes room for the message at `offset` of a page. `false` when there is not enough.
    pub fn take(&mut self, page: &Page, offset: u32) -> bool {
        let body = u64::from(page.body_len(offset));
        let fits = self.messages > 0 && body <= self.bytes;
        if fits {
            self.messages -= 1;
            self.bytes -= body;
        }
        fits
    }

    /// Whether no message fits at all.
    pub fn is_used_up(&self) -> bool {
        self.messages == 0
    }
}

impl Limits {
    /// These limits hold from now on.
    pub(super) fn amend(&mut self, messages: Option<u64>, bytes: Option<u64>, overflow: Overflow) {
        (self.messages, self.bytes, self.overflow) = (messages, bytes, overflow);
    }

    /// Messages with these bodies wait, and none beside them that is known.
    pub(super) fn count_anew(&mut self, bodies: impl Iterator<Item = u32>) {
        self.used = bodies.map(u64::from).sum();
    }

    /// Whether the bytes of bodies are counted.
    #[inline]
    pub(super) fn count_bytes(&self) -> bool {
        self.bytes.is_some()
    }

    /// A message with such a body waits from now on, or again.
    pub(super) fn arrived(&mut self, body: u32) {
        if self.count_bytes() {
            self.used += u64::from(body);
        }
    }

    /// A message with such a body does not wait any more.
    pub(super) fn left(&mut self, body: u32) {
        self.used = self.used.saturating_sub(body.into());
    }

    fn are_exceeded(&self, messages: u64) -> bool {
        self.messages.is_some_and(|most| messages > most) || self.bytes.is_some_and(|most| self.used > most)
    }

    fn free(&self, messages: u64) -> Free {
        let room = |most: Option<u64>, used| most.map_or(u64::MAX, |most| most.saturating_sub(used));
        Free {
            messages: room(self.messages, messages),
            bytes: room(self.bytes, self.used),
        }
    }

    fn exist(&self) -> bool {
        self.messages.is_some() || self.bytes.is_some()
    }
}

impl QueueState {
    /// What there is room for, in a queue that refuses what is one too many.
    pub fn free(&self) -> Free {
        self.limits.free(self.ready.len() as u64)
    }

    /// Whether what is one too many is refused, so that [`free`](Self::free) has to be asked first.
    #[inline]
    pub fn refuses(&self) -> bool {
        self.limits.overflow != Overflow::DropHead && self.limits.exist()
    }

    /// Whether what is refused goes to the dead-letter exchange.
    pub fn dead_letters_refused(&self) -> bool {
        self.limits.overflow == Overflow::RejectPublishDlx && self.dying.is_wanted()
    }

    /// Whether messages have to make room, which [`drop_excess`](Self::drop_excess) lets them do.
    #[inline]
    pub fn is_too_long(&self) -> bool {
        // What has come in spite of a refusal, or before the limit, stays.
        self.limits.exist()
            && self.limits.overflow == Overflow::DropHead
            && self.limits.are_exceeded(self.ready.len() as u64)
    }

    /// Lets the first messages die that are too many, `most` at most: those of the lowest level. `true` when there are more in
    /// memory. What is not in memory has to be [loaded](Self::load) first.
    pub fn drop_excess(&mut self, most: usize) -> bool {
        let mut left = most;
        while self.is_too_long() {
            if left == 0 {
                return true;
            }
            let Some((position, entry)) = self.ready.pop_lowest(&mut self.settlements) else {
                break;
            };
            self.left(&entry);
            self.die(position, entry, Reason::MaxLen);
            left -= 1;
        }
        self.compact_pages();
        false
    }

    /// Counts the messages at `offsets` of a page that were enqueued.
    #[inline]
    pub(super) fn count_arrived(&mut self, page: &Page, offsets: &[u32]) {
        if self.limits.count_bytes() {
            for &offset in offsets {
                self.limits.arrived(page.body_len(offset));
            }
        }
    }

    /// Counts out what was handed out.
    #[inline]
    pub(super) fn count_left(&mut self, handout: &Handout) {
        if self.limits.count_bytes() {
            for (_, publication) in handout.publications() {
                self.limits.left(publication.body_len);
            }
        }
    }

    /// Counts a message that waits again. One that is not in memory is counted when it is read.
    pub(super) fn count_returned(&mut self, entry: &Entry) {
        if self.limits.count_bytes()
            && let Some(page) = self.pages.get(entry)
        {
            self.limits.arrived(page.body_len(entry.offset));
        }
    }

    /// Counts out a message that waits no longer.
    pub(super) fn left(&mut self, entry: &Entry) {
        if self.limits.count_bytes()
            && let Some(page) = self.pages.get(entry)
        {
            self.limits.left(page.body_len(entry.offset));
        }
    }
}
