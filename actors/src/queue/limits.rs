//! How long a queue may get, and what happens to what is one too many. Pure.

use super::reason::Reason;
use super::state::QueueState;
use super::terms::Overflow;
use crate::publication::Page;

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
    /// Whether some may still be unknown.
    counting: bool,
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
}

impl Limits {
    /// These limits hold from now on.
    pub(super) fn amend(&mut self, messages: Option<u64>, bytes: Option<u64>, overflow: Overflow) {
        (self.messages, self.bytes, self.overflow) = (messages, bytes, overflow);
    }

    /// Bodies of so many bytes wait; with `more`, perhaps others that are still to be counted.
    pub(super) fn count_anew(&mut self, bytes: u64, more: bool) {
        (self.used, self.counting) = (bytes, more);
    }

    /// There are no others.
    pub(super) fn all_counted(&mut self) {
        self.counting = false;
    }

    /// Whether bodies may still have to be counted.
    #[inline]
    pub(super) fn is_counting(&self) -> bool {
        self.counting && self.count_bytes()
    }

    /// The bytes of the bodies of all that waits, as far as they are known, where they are counted.
    pub(super) fn counted(&self) -> Option<u64> {
        self.bytes.map(|_| self.used)
    }

    /// Whether the bytes of bodies are counted.
    #[inline]
    pub(super) fn count_bytes(&self) -> bool {
        self.bytes.is_some()
    }

    /// Bodies of so many bytes wait from now on, or again.
    pub(super) fn arrived(&mut self, bytes: u64) {
        self.used += bytes;
    }

    /// Bodies of so many bytes do not wait any more.
    pub(super) fn left(&mut self, bytes: u64) {
        debug_assert!(self.used >= bytes, "what waits is counted");
        self.used = self.used.saturating_sub(bytes);
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
}
