//! When which messages expire. Pure: time comes in, in milliseconds since the Unix epoch.
//!
//! Deadlines wait by tick, unsorted, sixteen bytes for each run of neighbours with one deadline. Only those of the
//! tick that has begun are sorted; so each is looked at a few times in its life, however many there are. Of a tick that has not
//! begun the earliest is known, so that nobody looks before it and few look late.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::stale::Stale;
use crate::clock::end_of;

/// Milliseconds of a tick.
const TICK: u64 = 50;
/// Milliseconds between two looks at least, and what deadlines of a long time are rounded up to.
const LOOK: u64 = 10;

/// The deadline of a message that comes `now` and may wait for `ttl` milliseconds.
///
/// It is rounded up by less than half a percent, and less than a look, so that neighbours have the same one. That of a
/// message that may not wait at all is `now`.
pub(super) fn deadline(now: u64, ttl: u64) -> u64 {
    if ttl == 0 {
        return now;
    }
    let step = (ttl / 256).clamp(1, LOOK);
    end_of(now, ttl).saturating_add(step - 1) / step * step
}

/// The deadlines of messages, which are known by their positions. Those of messages that are gone stay, until the queue
/// is [swept](Self::sweep).
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Ticks that have not begun.
    ticks: BTreeMap<u64, Tick>,
    /// What is due in a tick that has begun, the earliest first.
    begun: BinaryHeap<Reverse<Due>>,
    /// The first tick that has not begun.
    next_tick: u64,
    /// How many runs of neighbours.
    items: usize,
    swept: Stale,
    /// While they are being swept, the tick that is next.
    sweeping: Option<u64>,
}

/// Neighbours with one deadline, all of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// The deadline.
    pub(super) at: u64,
    /// Position of the first.
    pub(super) first: u64,
    /// Position of the last.
    pub(super) last: u64,
    /// Their level among the [`Levels`](super::levels::Levels).
    pub(super) level: u8,
}

/// What is due within a tick.
#[derive(Debug)]
struct Tick {
    /// When the earliest is, in milliseconds after the begin; less when that is gone.
    earliest: u8,
    items: Vec<Item>,
}

impl Default for Tick {
    fn default() -> Self {
        Tick {
            earliest: u8::MAX,
            items: Vec::new(),
        }
    }
}

/// A [`Due`] of a tick.
#[derive(Clone, Copy, Debug)]
struct Item {
    first: u64,
    messages: u32,
    /// Milliseconds after the begin of the tick.
    after: u8,
    level: u8,
}

impl Item {
    fn due(self, tick: u64) -> Due {
        Due {
            at: tick * TICK + u64::from(self.after),
            first: self.first,
            last: self.first + u64::from(self.messages) - 1,
            level: self.level,
        }
    }

    /// Takes in messages that follow, if it can.
    fn joins(&mut self, next: Item) -> bool {
        let is_next = self.first + u64::from(self.messages) == next.first
            && (self.after, self.level) == (next.after, next.level);
        match self.messages.checked_add(next.messages) {
            Some(messages) if is_next => {
                self.messages = messages;
                true
            }
            _ => false,
        }
    }
}

impl Deadlines {
    pub(super) fn is_empty(&self) -> bool {
        self.items == 0
    }

    pub(super) fn add(&mut self, due: Due) {
        let Due {
            at,
            first,
            last,
            level,
        } = due;
        let tick = at / TICK;
        let Ok(messages) = u32::try_from(last - first + 1) else {
            return self.add_halves(due);
        };
        if tick < self.next_tick {
            self.begun.push(Reverse(due));
            self.items += 1;
            return;
        }
        let item = Item {
            first,
            messages,
            after: (at % TICK) as u8,
            level,
        };
        let Tick { earliest, items } = self.ticks.entry(tick).or_default();
        *earliest = item.after.min(*earliest);
        if !items.last_mut().is_some_and(|last| last.joins(item)) {
            items.push(item);
            self.items += 1;
        }
    }

    /// Takes the earliest, if they are due.
    pub(super) fn take_due(&mut self, now: u64) -> Option<Due> {
        if !self.is_due(now) {
            return None;
        }
        self.items -= 1;
        self.begun.pop().map(|Reverse(due)| due)
    }

    /// Whether some are due.
    pub(super) fn is_due(&mut self, now: u64) -> bool {
        self.begin_ticks(now / TICK);
        self.begun.peek().is_some_and(|Reverse(due)| due.at <= now)
    }

    /// When to look again: as soon as the next are due, or less than a look later.
    pub(super) fn next_look(&self) -> Option<u64> {
        let begun = self.begun.peek().map(|Reverse(due)| due.at);
        let first = self.ticks.first_key_value();
        let later = first.map(|(&tick, Tick { earliest, .. })| tick * TICK + u64::from(*earliest));
        let next = begun.into_iter().chain(later).min()?;
        Some(next.checked_next_multiple_of(LOOK).unwrap_or(next))
    }

    /// Whether it pays to look for those of messages that are gone, when there are so many that are not: twice as many and a few
    /// stay at most, sixteen bytes each.
    #[inline]
    pub(super) fn are_stale(&self, messages: usize) -> bool {
        self.sweeping.is_some() || self.swept.pays(self.items, messages)
    }

    /// Forgets those of messages that are gone, of about `most` runs of neighbours; it goes on with the next when it is called
    /// again, as long as they [are stale](Self::are_stale). `is_there` says whether one of these messages is not gone; there are
    /// so many `messages`. What is due in a tick that has begun is not worth it.
    pub(super) fn sweep(&mut self, most: usize, messages: usize, mut is_there: impl FnMut(Due) -> bool) {
        let mut next = self.sweeping.unwrap_or(0);
        let mut looked = 0;
        while looked < most
            && let Some((&tick, Tick { items, .. })) = self.ticks.range_mut(next..).next()
        {
            let before = items.len();
            items.retain(|item| is_there(item.due(tick)));
            items.shrink_to_fit();
            self.items -= before - items.len();
            looked += before;
            if items.is_empty() {
                self.ticks.remove(&tick);
            }
            next = tick + 1;
        }
        self.sweeping = self.ticks.range(next..).next().map(|(&tick, _)| tick);
        if self.sweeping.is_none() {
            self.swept.looked(self.items, messages);
        }
    }

    /// All ticks up to this one have begun.
    fn begin_ticks(&mut self, tick: u64) {
        self.next_tick = self.next_tick.max(tick + 1);
        while let Some(first) = self.ticks.first_entry()
            && *first.key() <= tick
        {
            let (tick, Tick { items, .. }) = first.remove_entry();
            self.begun
                .extend(items.iter().map(|item| Reverse(item.due(tick))));
        }
    }

    fn add_halves(&mut self, due: Due) {
        let middle = due.first + (due.last - due.first) / 2;
        self.add(Due { last: middle, ..due });
        self.add(Due {
            first: middle + 1,
            ..due
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn due(at: u64, first: u64, last: u64) -> Due {
        let level = 0;
        Due {
            at,
            first,
            last,
            level,
        }
    }

    #[test]
    fn a_run_of_neighbours_takes_sixteen_bytes() {
        assert_eq!(size_of::<Item>(), 16);
        let mut deadlines = Deadlines::default();
        for batch in 0..1_000 {
            deadlines.add(due(5_000, batch * 10, batch * 10 + 9));
        }
        assert_eq!(deadlines.items, 1);
        deadlines.add(Due {
            level: 1,
            ..due(5_000, 10_000, 10_000)
        });
        assert_eq!(deadlines.items, 2, "it is of another level");
        assert_eq!(deadlines.take_due(4_999), None);
        assert_eq!(deadlines.take_due(5_000), Some(due(5_000, 0, 9_999)));
        assert_eq!(deadlines.take_due(5_000).map(|due| due.level), Some(1));
        assert!(deadlines.is_empty());
    }

    #[test]
    fn a_deadline_is_exact_for_a_short_time_and_within_half_a_percent_for_a_long_one() {
        assert_eq!(deadline(1_001, 0), 1_001);
        assert_eq!(deadline(1_001, 300), 1_302);
        assert_eq!(deadline(1_001, 1_200), 2_204);
        assert_eq!(deadline(1_001, 3_600_000), 3_601_010);
        assert_eq!(deadline(u64::MAX, 1), u64::MAX);
    }

    #[test]
    fn more_neighbours_than_one_run_holds_are_several() {
        let mut deadlines = Deadlines::default();
        deadlines.add(due(100, 0, 1 << 33));
        let mut messages = 0;
        while let Some(Due { first, last, .. }) = deadlines.take_due(100) {
            messages += last - first + 1;
        }
        assert_eq!(messages, (1 << 33) + 1);
    }

    #[test]
    fn the_next_look_is_as_soon_as_the_next_is_due_or_a_little_later() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next_look(), None);
        deadlines.add(due(149, 3, 3));
        deadlines.add(due(151, 4, 4));
        deadlines.add(due(131, 5, 5));
        assert_eq!(deadlines.next_look(), Some(140));
        assert_eq!(deadlines.take_due(130), None);
        assert_eq!(deadlines.next_look(), Some(140));
        assert_eq!(deadlines.take_due(140), Some(due(131, 5, 5)));
        assert_eq!(deadlines.take_due(140), None);
        assert_eq!(deadlines.next_look(), Some(150));
        assert_eq!(deadlines.take_due(150), Some(due(149, 3, 3)));
        assert_eq!(deadlines.next_look(), Some(160));
    }

    #[test]
    fn what_is_gone_is_swept_when_it_is_most_and_not_all_at_once() {
        let mut deadlines = Deadlines::default();
        for position in 0..7_000 {
            deadlines.add(due(100 + position % 700, position * 2, position * 2));
        }
        assert!(deadlines.are_stale(1_000) && !deadlines.are_stale(3_000));
        let mut most_at_once = 0;
        while deadlines.are_stale(10) {
            let mut looked = 0;
            deadlines.sweep(600, 10, |due| {
                looked += 1;
                due.first < 20
            });
            most_at_once = looked.max(most_at_once);
        }
        assert_eq!((deadlines.items, most_at_once), (10, 1_000));
        let left: usize = deadlines.ticks.values().map(|tick| tick.items.len()).sum();
        assert_eq!((left, deadlines.take_due(100)), (10, Some(due(100, 0, 0))));
        assert!(!deadlines.are_stale(0));
    }

    proptest! {
        #[test]
        fn each_is_due_once_at_its_time_and_the_earliest_first(
            steps in vec((0..300_u64, 1..5_u64, 0..120_u64), 1..200),
        ) {
            let (mut deadlines, mut model) = (Deadlines::default(), BTreeMap::new());
            let (mut now, mut position) = (1_000, 0);
            for (ttl, messages, pause) in steps {
                let at = deadline(now, ttl);
                deadlines.add(due(at, position, position + messages - 1));
                model.extend((position..position + messages).map(|position| (position, at)));
                position += messages;
                now += pause;
                let mut before = 0;
                while let Some(Due { at, first, last, .. }) = deadlines.take_due(now) {
                    prop_assert!(before <= at && at <= now);
                    before = at;
                    for position in first..=last {
                        prop_assert_eq!(model.remove(&position), Some(at));
                    }
                }
                prop_assert!(model.values().all(|&due| due > now));
                prop_assert_eq!(deadlines.next_look().is_some(), !model.is_empty());
                if let Some(next) = deadlines.next_look() {
                    let earliest = model.values().min().copied().unwrap_or_default();
                    prop_assert!(next >= earliest && next < earliest + LOOK);
                }
            }
        }
    }
}
