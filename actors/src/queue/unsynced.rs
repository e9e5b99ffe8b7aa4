//! Confirms that wait for the journal. Pure.
//!
//! A channel is told "everything of yours up to this number is safe". A batch that is safe at once may therefore
//! not be told while an earlier one of the same channel waits: it joins the last that does.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::id::ChannelId;
use crate::journal::Safety;

/// What a queue owes to channels once its journal has synced.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// Tickets as they rise, and who waits for each.
    tickets: VecDeque<(u64, ChannelId)>,
    /// For each of a channel's tickets, in order: the number up to which it makes the channel's batches safe.
    waiting: FxHashMap<ChannelId, VecDeque<u64>>,
}

impl Unsynced {
    /// Notes a batch whose last confirm number is `number`. True when all of the channel's are safe up to it.
    pub(super) fn appended(&mut self, channel: ChannelId, number: u64, safety: Safety) -> bool {
        match safety {
            Safety::Now => match self.waiting.get_mut(&channel).and_then(VecDeque::back_mut) {
                Some(last) => {
                    *last = number;
                    false
                }
                None => true,
            },
            Safety::After(ticket) => {
                self.tickets.push_back((ticket, channel));
                self.waiting.entry(channel).or_default().push_back(number);
                false
            }
        }
    }

    /// The journal has synced up to a ticket: `safe` hears who has become safe up to which number.
    pub(super) fn synced(&mut self, upto: u64, mut safe: impl FnMut(ChannelId, u64)) {
        while let Some(&(ticket, channel)) = self.tickets.front()
            && ticket <= upto
        {
            self.tickets.pop_front();
            let Some(numbers) = self.waiting.get_mut(&channel) else {
                continue;
            };
            let number = numbers.pop_front();
            if numbers.is_empty() {
                self.waiting.remove(&channel);
            }
            number.into_iter().for_each(|number| safe(channel, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synced(unsynced: &mut Unsynced, upto: u64) -> Vec<(ChannelId, u64)> {
        let mut safe = Vec::new();
        unsynced.synced(upto, |channel, number| safe.push((channel, number)));
        safe
    }

    #[test]
    fn a_batch_is_safe_once_its_ticket_is_reached() {
        let mut unsynced = Unsynced::default();
        let (a, b) = (ChannelId::next(), ChannelId::next());
        assert!(!unsynced.appended(a, 3, Safety::After(10)));
        assert!(!unsynced.appended(b, 7, Safety::After(11)));
        assert_eq!(synced(&mut unsynced, 9), []);
        assert_eq!(synced(&mut unsynced, 10), [(a, 3)]);
        assert_eq!(synced(&mut unsynced, 12), [(b, 7)]);
    }

    #[test]
    fn what_is_safe_at_once_waits_behind_what_is_not() {
        let mut unsynced = Unsynced::default();
        let (a, b) = (ChannelId::next(), ChannelId::next());
        unsynced.appended(a, 1, Safety::After(10));
        assert!(!unsynced.appended(a, 2, Safety::Now), "1 is not safe yet");
        assert!(
            unsynced.appended(b, 1, Safety::Now),
            "another channel does not wait"
        );
        unsynced.appended(a, 3, Safety::After(20));
        assert_eq!(synced(&mut unsynced, 10), [(a, 2)]);
        assert!(!unsynced.appended(a, 4, Safety::Now));
        assert_eq!(synced(&mut unsynced, 20), [(a, 4)]);
        assert!(unsynced.appended(a, 5, Safety::Now));
    }
}
