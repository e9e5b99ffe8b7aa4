//! Messages that rest: they came back, and are not handed out before they are due. Pure: time comes in, in milliseconds since
//! the Unix epoch.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::fifo::Entry;
use crate::clock::end_of;

/// Messages that are due within so many milliseconds are due together, not before any of them is.
const TICK: u64 = 10;

/// A rest that begins as soon as the time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begin {
    pub(super) position: u64,
    /// How often the message has come back.
    pub(super) attempts: u32,
    /// How long it rests, in milliseconds.
    pub(super) delay: u64,
}

/// The messages of a queue that rest, by their positions. They are neither ready nor unacked.
#[derive(Debug, Default)]
pub(super) struct Resting {
    entries: BTreeMap<u64, Entry>,
    /// Positions by the end of the tick in which they are due.
    due: BTreeMap<u64, Vec<u64>>,
    beginning: Vec<Begin>,
}

impl Resting {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A message comes to rest.
    pub(super) fn push(&mut self, begin: Begin, entry: Entry) {
        self.entries.insert(begin.position, entry);
        self.beginning.push(begin);
    }

    /// A message goes on resting until it is due.
    pub(super) fn push_until(&mut self, due: u64, position: u64, entry: Entry) {
        self.entries.insert(position, entry);
        self.set(due, position);
    }

    /// It is `now`, for all that came to rest since the last time. `begun` hears of each message, how often it has come back
    /// and when it is due.
    pub(super) fn begin(&mut self, now: u64, mut begun: impl FnMut(u64, u32, u64, &Entry)) {
        for Begin {
            position,
            attempts,
            delay,
        } in std::mem::take(&mut self.beginning)
        {
            let due = end_of(now, delay);
            self.set(due, position);
            if let Some(entry) = self.entries.get(&position) {
                begun(position, attempts, due, entry);
            }
        }
    }

    /// When the next are due.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.first_key_value().map(|(&due, _)| due)
    }

    /// Takes messages that are due, those of one tick.
    pub(super) fn take_due(&mut self, now: u64) -> Option<Vec<(u64, Entry)>> {
        let tick = self.due.first_entry().filter(|tick| *tick.key() <= now)?;
        let positions = tick.remove();
        let entries = positions
            .into_iter()
            .filter_map(|position| Some((position, self.entries.remove(&position)?)));
        Some(entries.collect())
    }

    /// Takes those at these positions, due or not.
    pub(super) fn take_out(&mut self, positions: &RangeInclusive<u64>) -> Vec<(u64, Entry)> {
        let among: Vec<u64> = self
            .entries
            .range(positions.clone())
            .map(|(&position, _)| position)
            .collect();
        let take = |position| Some((position, self.entries.remove(&position)?));
        among.into_iter().filter_map(take).collect()
    }

    /// Where they stood, in order.
    pub(super) fn positions(&self) -> impl Iterator<Item = u64> {
        self.entries.keys().copied()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut Entry)> {
        self.entries
            .iter_mut()
            .map(|(&position, entry)| (position, entry))
    }

    fn set(&mut self, due: u64, position: u64) {
        self.due
            .entry(due.next_multiple_of(TICK))
            .or_default()
            .push(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry = Entry {
        page: 0,
        offset: 0,
        cost: 1,
        redelivered: true,
        kept: true,
        scratched: false,
        level: 0,
    };

    fn taken(resting: &mut Resting, now: u64) -> Vec<u64> {
        let mut taken = Vec::new();
        while let Some(due) = resting.take_due(now) {
            taken.extend(due.into_iter().map(|(position, _)| position));
        }
        taken
    }

    #[test]
    fn a_rest_begins_when_the_time_is_told_and_ends_when_it_is_due() {
        let mut resting = Resting::default();
        let begin = |position, delay| Begin {
            position,
            attempts: 3,
            delay,
        };
        resting.push(begin(7, 100), ENTRY);
        resting.push(begin(4, 500), ENTRY);
        resting.push_until(1_205, 9, ENTRY);
        let mut told = Vec::new();
        resting.begin(1_103, |position, attempts, due, _| {
            told.push((position, attempts, due))
        });
        assert_eq!(told, [(7, 3, 1_204), (4, 3, 1_604)]);
        assert_eq!(resting.next_due(), Some(1_210));
        assert_eq!(taken(&mut resting, 1_209), []);
        assert_eq!(taken(&mut resting, 1_210), [9, 7], "as they came to rest");
        resting.begin(2_000, |_, _, _, _| panic!("both have begun"));
        assert_eq!((resting.next_due(), resting.len()), (Some(1_610), 1));
        assert_eq!(taken(&mut resting, u64::MAX), [4]);
        assert!(resting.is_empty());
    }
}
