//! Deliveries of a channel that its client has not settled.

use std::{collections::VecDeque, fmt};

/// The consumer of a message that was got, not delivered.
pub const NO_CONSUMER: u32 = u32::MAX;

/// Marks a settled place; no attachment has this number.
const SETTLED: u32 = u32::MAX;

/// One unsettled delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Its delivery tag.
    pub tag: u64,
    /// The channel's number of the queue it came from, below `u32::MAX`.
    pub queue: u32,
    /// The queue's key for it.
    pub key: u32,
    /// The channel's number of the consumer that got it, or [`NO_CONSUMER`].
    pub consumer: u32,
}

/// A client settled what it doesn't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTag {
    /// The delivery tag it named.
    pub tag: u64,
}

impl fmt::Display for UnknownTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown delivery tag {}", self.tag)
    }
}

impl std::error::Error for UnknownTag {}

/// The ledger of unsettled deliveries, in order of their tags.
///
/// Clients mostly settle in order, so it is a deque. What is settled out of order leaves a gap, which is closed
/// when there are more gaps than deliveries: a delivery that is never settled costs its own place only.
#[derive(Debug, Default)]
pub struct Unacked {
    /// By tag; settled ones keep their tag until they are removed. Neither end is a settled one.
    places: VecDeque<Outstanding>,
    settled: usize,
}

impl Unacked {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Unsettled deliveries.
    pub fn len(&self) -> usize {
        self.places.len() - self.settled
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Adds a delivery. Its tag must be above all before.
    #[inline]
    pub fn push(&mut self, delivery: Outstanding) {
        debug_assert!(
            self.places.back().is_none_or(|last| last.tag < delivery.tag),
            "tags grow"
        );
        self.places.push_back(delivery);
    }

    /// Takes what the client settles: the delivery of this tag, or with `multiple` all up to it, 0 being all there are.
    /// They go to `sink` in order of their tags.
    ///
    /// # Errors
    ///
    /// The tag is not outstanding. Nothing was taken then.
    #[inline]
    pub fn take(
        &mut self,
        tag: u64,
        multiple: bool,
        mut sink: impl FnMut(Outstanding),
    ) -> Result<(), UnknownTag> {
        if multiple && tag == 0 {
            self.take_all(sink);
            return Ok(());
        }
        let at = self.find(tag).ok_or(UnknownTag { tag })?;
        if multiple {
            self.take_first(at + 1, sink);
        } else if at == 0 {
            self.places.pop_front().into_iter().for_each(sink);
        } else if let Some(place) = self.places.get_mut(at) {
            sink(*place);
            place.queue = SETTLED;
            self.settled += 1;
        }
        self.close_gaps();
        Ok(())
    }

    /// Takes all there are.
    pub fn take_all(&mut self, sink: impl FnMut(Outstanding)) {
        self.take_first(self.places.len(), sink);
    }

    /// Puts deliveries back that were taken and not settled after all.
    pub fn restore(&mut self, deliveries: impl IntoIterator<Item = Outstanding>) {
        self.remove_gaps();
        self.places.extend(deliveries);
        self.places
            .make_contiguous()
            .sort_unstable_by_key(|place| place.tag);
    }

    /// The unsettled deliveries, in order of their tags.
    pub fn iter(&self) -> impl Iterator<Item = &Outstanding> {
        self.places.iter().filter(|place| place.queue != SETTLED)
    }

    /// Where the unsettled delivery of this tag is.
    #[inline]
    fn find(&self, tag: u64) -> Option<usize> {
        let first = self.places.front()?;
        // Without gaps between tags it is there; messages that need no ack make gaps.
        let guess = usize::try_from(tag.checked_sub(first.tag)?).ok()?;
        let at = match self.places.get(guess) {
            Some(place) if place.tag == tag => guess,
            _ => self.places.binary_search_by_key(&tag, |place| place.tag).ok()?,
        };
        self.places
            .get(at)
            .is_some_and(|place| place.queue != SETTLED)
            .then_some(at)
    }

    fn take_first(&mut self, count: usize, mut sink: impl FnMut(Outstanding)) {
        for place in self.places.drain(..count) {
            if place.queue == SETTLED {
                self.settled -= 1;
            } else {
                sink(place);
            }
        }
    }

    /// Removes settled places at the ends, and all of them when they are the most.
    #[inline]
    fn close_gaps(&mut self) {
        if self.settled == 0 {
            return;
        }
        while self.places.front().is_some_and(|place| place.queue == SETTLED) {
            self.places.pop_front();
            self.settled -= 1;
        }
        while self.places.back().is_some_and(|place| place.queue == SETTLED) {
            self.places.pop_back();
            self.settled -= 1;
        }
        if self.settled > self.len() + 64 {
            self.remove_gaps();
        }
    }

    fn remove_gaps(&mut self) {
        if self.settled > 0 {
            self.places.retain(|place| place.queue != SETTLED);
            self.settled = 0;
        }
    }
}
