//! Deliveries of a channel that its client has not settled.

use std::{collections::VecDeque, fmt};

/// The consumer of a message that was got, not delivered.
pub const NO_CONSUMER: u32 = u32::MAX;

/// Marks a settled place; no attachment has this number.
const SETTLED: u32 = u32::MAX;

/// Marks a delivery that was taken from the client: what it says of it means nothing any more. No attachment has this number.
const FORFEITED: u32 = u32::MAX - 1;

/// One unsettled delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Its delivery tag.
    pub tag: u64,
    /// The channel's number of the queue it came from, below `u32::MAX - 1`.
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

    /// Takes deliveries of a queue, known by their keys, away from the client, and returns them. Their tags stay outstanding, and
    /// the client may settle them without effect.
    pub fn forfeit(&mut self, queue: u32, keys: &[u32]) -> Vec<Outstanding> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        let mut forfeited = Vec::with_capacity(keys.len());
        for place in &mut self.places {
            if place.queue == queue && keys.binary_search(&place.key).is_ok() {
                forfeited.push(*place);
                (place.queue, place.consumer) = (FORFEITED, NO_CONSUMER);
            }
        }
        forfeited
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

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(tag: u64) -> Outstanding {
        Outstanding {
            tag,
            queue: 0,
            key: tag as u32,
            consumer: 0,
        }
    }

    fn ledger(tags: impl IntoIterator<Item = u64>) -> Unacked {
        let mut ledger = Unacked::new();
        tags.into_iter().for_each(|tag| ledger.push(delivery(tag)));
        ledger
    }

    fn take(ledger: &mut Unacked, tag: u64, multiple: bool) -> Result<Vec<u64>, UnknownTag> {
        let mut taken = Vec::new();
        ledger.take(tag, multiple, |delivery| taken.push(delivery.tag))?;
        Ok(taken)
    }

    #[test]
    fn multiple_takes_all_up_to_the_tag() {
        let mut ledger = ledger(1..=5);
        assert_eq!(take(&mut ledger, 2, false), Ok(vec![2]));
        assert_eq!(take(&mut ledger, 4, true), Ok(vec![1, 3, 4]));
        assert_eq!(ledger.len(), 1);
    }

    #[test]
    fn multiple_needs_its_own_tag_to_be_outstanding() {
        let mut ledger = ledger(1..=5);
        assert_eq!(take(&mut ledger, 3, false), Ok(vec![3]));
        assert_eq!(take(&mut ledger, 3, true), Err(UnknownTag { tag: 3 }));
        assert_eq!(take(&mut ledger, 6, true), Err(UnknownTag { tag: 6 }));
        assert_eq!(ledger.len(), 4);
    }

    #[test]
    fn tag_zero_means_all_of_them_even_of_none() {
        let mut ledger = ledger([3, 9]);
        assert_eq!(take(&mut ledger, 0, true), Ok(vec![3, 9]));
        assert_eq!(take(&mut ledger, 0, true), Ok(vec![]));
        assert_eq!(take(&mut ledger, 0, false), Err(UnknownTag { tag: 0 }));
    }

    #[test]
    fn a_settled_tag_is_unknown() {
        let mut ledger = ledger([2, 3, 7]);
        assert_eq!(take(&mut ledger, 3, false), Ok(vec![3]));
        for tag in [1, 3, 5, 8] {
            assert_eq!(take(&mut ledger, tag, false), Err(UnknownTag { tag }));
        }
        assert_eq!(UnknownTag { tag: 8 }.to_string(), "unknown delivery tag 8");
    }

    #[test]
    fn what_a_rollback_brings_back_is_in_order_again() {
        let mut ledger = ledger(1..=6);
        take(&mut ledger, 2, false).unwrap();
        take(&mut ledger, 5, false).unwrap();
        ledger.restore([delivery(5), delivery(2)]);
        assert_eq!(take(&mut ledger, 0, true), Ok(vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn what_was_taken_away_may_be_settled_once_more_without_effect() {
        let mut ledger = ledger(1..=4);
        let taken = ledger.forfeit(0, &[3, 2, 9]);
        assert_eq!(taken, [delivery(2), delivery(3)]);
        assert_eq!(ledger.forfeit(0, &[3, 2]), []);
        let mut settled = Vec::new();
        ledger
            .take(3, true, |delivery| settled.push(delivery.queue))
            .unwrap();
        assert_eq!(settled, [0, FORFEITED, FORFEITED]);
        assert_eq!(take(&mut ledger, 2, false), Err(UnknownTag { tag: 2 }));
    }

    #[test]
    fn one_stuck_delivery_among_millions_settled_takes_no_room() {
        let mut ledger = ledger([1]);
        for tag in 2..2_000_000 {
            ledger.push(delivery(tag));
            assert_eq!(ledger.take(tag, false, drop), Ok(()));
        }
        assert_eq!(ledger.len(), 1);
        assert!(ledger.places.capacity() < 1_024);
    }

    #[test]
    fn settling_every_other_of_a_long_backlog_leaves_no_more_gaps_than_deliveries() {
        let mut ledger = ledger(1..=100_000);
        for tag in (1..=100_000).filter(|tag| tag % 10 != 0) {
            take(&mut ledger, tag, false).unwrap();
        }
        assert_eq!(ledger.len(), 10_000);
        assert!(ledger.places.len() <= 2 * ledger.len() + 64);
    }
}
