//! Which log a queue writes to, when there are several: the one that has its messages. Pure.

use rustc_hash::FxHashMap;

use super::recovery::RecoveredQueue;
use crate::id::StoreId;

/// The logs of the queues.
#[derive(Debug)]
pub(super) struct Homes {
    /// Logs for queues without messages.
    count: usize,
    /// What was found at the start, until the queue is there.
    found: FxHashMap<StoreId, RecoveredQueue>,
    /// The log that has messages of a queue.
    with_messages: FxHashMap<StoreId, usize>,
}

impl Homes {
    pub(super) fn new(count: usize) -> Self {
        Homes {
            count,
            found: FxHashMap::default(),
            with_messages: FxHashMap::default(),
        }
    }

    /// A log knows a queue. Only one has messages of it: a queue goes elsewhere when it has none, after a start.
    pub(super) fn found(&mut self, store: StoreId, log: usize, queue: RecoveredQueue, has_messages: bool) {
        let known = self.found.entry(store).or_default();
        known.next_position = known.next_position.max(queue.next_position);
        known.handed_out_below = known.handed_out_below.max(queue.handed_out_below);
        if has_messages {
            self.with_messages.insert(store, log);
        }
    }

    /// Whether a log has messages of a queue, or had some at the start.
    pub(super) fn found_messages(&self, store: StoreId) -> bool {
        self.with_messages.contains_key(&store)
    }

    /// The log of a queue that begins or crashed, and what it begins with.
    pub(super) fn take(&mut self, store: StoreId) -> (usize, RecoveredQueue) {
        let start = self.found.remove(&store).unwrap_or_else(|| {
            // It may have handed out all it had when it crashed.
            let mut start = RecoveredQueue::default();
            start.suspect();
            start
        });
        let spread = (store.0 % self.count.max(1) as u64) as usize;
        (self.with_messages.get(&store).copied().unwrap_or(spread), start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_stays_where_its_messages_are_and_others_are_spread() {
        let mut homes = Homes::new(2);
        let start = RecoveredQueue {
            next_position: 7,
            handed_out_below: 3,
            ..RecoveredQueue::default()
        };
        homes.found(StoreId(1), 4, start, true);
        homes.found(StoreId(2), 4, start, false);
        assert!(homes.found_messages(StoreId(1)) && !homes.found_messages(StoreId(2)));
        assert_eq!(homes.take(StoreId(1)), (4, start));
        assert_eq!(homes.take(StoreId(1)).0, 4, "also when it crashed");
        assert_eq!(homes.take(StoreId(2)), (0, start));
        assert_eq!(homes.take(StoreId(3)).0, 1);
    }
}
