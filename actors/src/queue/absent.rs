//! Waiting messages that are not in memory. Pure.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::places::Places;
use crate::journal::{Keeper, Positions, Run};

/// So few messages whose bodies are not known that others with known ones may join them.
const FEW: u64 = 64 * 1024;

/// Messages that one journal keeps and no other message stands between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) keeper: Keeper,
    pub(super) run: Run,
    pub(super) bodies: Bodies,
}

/// What is known of the bodies of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bodies {
    /// They are so many bytes.
    Bytes(u64),
    /// Nothing of each stretch by itself. A queue that counts has counted them.
    Mixed,
    /// Nothing. A queue that counts has not counted them yet.
    Unread,
}

impl Stretch {
    /// Messages of an earlier life.
    pub(super) fn unread(keeper: Keeper, run: Run) -> Self {
        let bodies = Bodies::Unread;
        Stretch { keeper, run, bodies }
    }

    /// Takes out a part, which is gone from here then.
    fn take_out(&mut self, part: Positions) -> Stretch {
        let Stretch { keeper, run, bodies } = self;
        // What can't be read any more may have been counted for nothing.
        let messages = run.messages.min(part.last - part.first + 1);
        run.messages -= messages;
        if run.messages > 0 && messages > 0 {
            *bodies = bodies.part();
        }
        if part.first <= run.positions.first {
            run.positions.first = part.last.saturating_add(1).min(run.positions.last);
        } else if part.last >= run.positions.last {
            run.positions.last = part.first - 1;
        }
        let run = Run {
            positions: part,
            messages,
        };
        Stretch {
            keeper: *keeper,
            run,
            bodies: *bodies,
        }
    }
}

impl Bodies {
    /// Those of both, where that is one thing.
    fn and(self, other: Bodies, few: bool) -> Option<Bodies> {
        match (self, other) {
            (Bodies::Bytes(one), Bodies::Bytes(other)) => Some(Bodies::Bytes(one + other)),
            (Bodies::Mixed, Bodies::Bytes(_)) if few => Some(Bodies::Mixed),
            (one, other) => (one == other).then_some(one),
        }
    }

    /// Of a part.
    fn part(self) -> Bodies {
        match self {
            Bodies::Unread => Bodies::Unread,
            Bodies::Bytes(_) | Bodies::Mixed => Bodies::Mixed,
        }
    }
}

/// Stretches in order: a few bytes each, however many messages they are.
#[derive(Debug, Default)]
pub(super) struct Absent {
    stretches: VecDeque<Stretch>,
    messages: u64,
}

impl Absent {
    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// How many messages.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Messages whose positions are above all that are here.
    pub(super) fn push(&mut self, stretch: Stretch) {
        if stretch.run.messages == 0 {
            return;
        }
        self.messages += stretch.run.messages;
        if let Some(last) = self.stretches.back_mut()
            && last.keeper == stretch.keeper
            && let Some(bodies) = last.bodies.and(stretch.bodies, last.run.messages < FEW)
        {
            last.run.positions.last = stretch.run.positions.last;
            last.run.messages += stretch.run.messages;
            last.bodies = bodies;
        } else {
            self.stretches.push_back(stretch);
        }
    }

    pub(super) fn first(&self) -> Option<&Stretch> {
        self.stretches.front()
    }

    /// The last position of all.
    pub(super) fn last(&self) -> Option<u64> {
        Some(self.stretches.back()?.run.positions.last)
    }

    /// The first stretch was read up to a position, and so many messages with so many bytes of bodies were there. Returns how
    /// many are certainly missing: fewer may be left than were counted.
    pub(super) fn read(&mut self, upto: u64, messages: u64, bytes: u64) -> u64 {
        let Some(Stretch { run, bodies, .. }) = self.stretches.front_mut() else {
            return 0;
        };
        let before = run.messages;
        let left = run.positions.last.saturating_sub(upto);
        run.messages = run.messages.saturating_sub(messages).min(left);
        run.positions.first = upto.saturating_add(1);
        let missing = (before - run.messages).saturating_sub(messages);
        *bodies = match *bodies {
            Bodies::Bytes(all) if missing == 0 => Bodies::Bytes(all.saturating_sub(bytes)),
            other => other.part(),
        };
        self.messages -= before - run.messages;
        if run.messages == 0 {
            self.stretches.pop_front();
        }
        missing
    }

    /// The first stretch with [unread](Bodies::Unread) bodies.
    pub(super) fn first_unread(&self) -> Option<&Stretch> {
        let mut stretches = self.stretches.iter();
        stretches.find(|stretch| stretch.bodies == Bodies::Unread)
    }

    /// Of the first stretch with unread bodies those up to a position were read: so many, of so many bytes.
    pub(super) fn weigh(&mut self, upto: u64, messages: u64, bytes: u64) {
        let unread = |stretch: &Stretch| stretch.bodies == Bodies::Unread;
        let Some(at) = self.stretches.iter().position(unread) else {
            return;
        };
        let Some(stretch) = self.stretches.get_mut(at) else {
            return;
        };
        let upto = upto.min(stretch.run.positions.last);
        if upto < stretch.run.positions.first {
            return;
        }
        if upto == stretch.run.positions.last || messages >= stretch.run.messages {
            // What is missing of them is found out when they are read for good.
            stretch.bodies = Bodies::Bytes(bytes);
            return;
        }
        let mut read = *stretch;
        read.run.positions.last = upto;
        read.run.messages = messages;
        read.bodies = Bodies::Bytes(bytes);
        stretch.run.positions.first = upto + 1;
        stretch.run.messages -= messages;
        match at
            .checked_sub(1)
            .and_then(|before| self.stretches.get_mut(before))
        {
            Some(before) if before.keeper == read.keeper && matches!(before.bodies, Bodies::Bytes(_)) => {
                before.run.positions.last = upto;
                before.run.messages += messages;
                before.bodies = before.bodies.and(read.bodies, false).unwrap_or(read.bodies);
            }
            _ if messages > 0 => self.stretches.insert(at, read),
            _ => {}
        }
    }

    /// The bytes of all bodies that are known. The others are unread from now on.
    pub(super) fn count_anew(&mut self) -> u64 {
        let mut all = 0;
        for stretch in &mut self.stretches {
            match stretch.bodies {
                Bodies::Bytes(bytes) => all += bytes,
                Bodies::Mixed | Bodies::Unread => stretch.bodies = Bodies::Unread,
            }
        }
        all
    }

    /// Takes out those at these positions that are not `gone`, all of which are here. `taken` hears of each stretch of them.
    pub(super) fn take_out(
        &mut self,
        range: RangeInclusive<u64>,
        gone: &Places,
        mut taken: impl FnMut(Stretch),
    ) {
        let from = self
            .stretches
            .partition_point(|stretch| stretch.run.positions.last < *range.start());
        let mut used_up = false;
        for stretch in self.stretches.range_mut(from..) {
            let Positions { first, last } = stretch.run.positions;
            let overlap = positions(first.max(*range.start()), last.min(*range.end()));
            if overlap.first > overlap.last {
                break;
            }
            for part in gone.others(overlap) {
                let out = stretch.take_out(part);
                self.messages -= out.run.messages;
                taken(out);
            }
            used_up |= stretch.run.messages == 0;
        }
        if used_up {
            self.stretches.retain(|stretch| stretch.run.messages > 0);
        }
    }

    /// Whether some of these positions are among those of the messages.
    pub(super) fn overlaps(&self, range: &RangeInclusive<u64>) -> bool {
        let at = self
            .stretches
            .partition_point(|stretch| stretch.run.positions.last < *range.start());
        let stretch = self.stretches.get(at);
        stretch.is_some_and(|stretch| stretch.run.positions.first <= *range.end())
    }

    /// The stretches from a position on.
    pub(super) fn from(&self, position: u64) -> impl Iterator<Item = Stretch> {
        let at = self
            .stretches
            .partition_point(|stretch| stretch.run.positions.last < position);
        self.stretches.range(at..).copied()
    }

    /// All of them go.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Stretch> {
        self.messages = 0;
        self.stretches.drain(..)
    }
}

/// The positions from one to another.
pub(super) fn positions(first: u64, last: u64) -> Positions {
    Positions { first, last }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(keeper: Keeper, first: u64, last: u64, messages: u64) -> Stretch {
        let positions = positions(first, last);
        Stretch {
            keeper,
            run: Run { positions, messages },
            bodies: Bodies::Mixed,
        }
    }

    fn of_bytes(first: u64, last: u64, bytes: u64) -> Stretch {
        Stretch {
            bodies: Bodies::Bytes(bytes),
            ..stretch(Keeper::Journal, first, last, last - first + 1)
        }
    }

    #[test]
    fn neighbours_of_one_journal_are_one_stretch() {
        let mut absent = Absent::default();
        absent.push(stretch(Keeper::Journal, 3, 10, 8));
        absent.push(stretch(Keeper::Journal, 14, 20, 5));
        absent.push(stretch(Keeper::Scratch, 21, 22, 2));
        assert_eq!(absent.messages(), 15);
        let stretches: Vec<Stretch> = absent.drain().collect();
        assert_eq!(
            stretches,
            [
                stretch(Keeper::Journal, 3, 20, 13),
                stretch(Keeper::Scratch, 21, 22, 2)
            ]
        );
    }

    #[test]
    fn what_is_taken_out_is_counted_out_of_its_stretches() {
        let mut absent = Absent::default();
        absent.push(stretch(Keeper::Journal, 1, 10, 10));
        absent.push(stretch(Keeper::Scratch, 11, 20, 10));
        absent.push(stretch(Keeper::Journal, 21, 30, 10));
        let mut taken = Vec::new();
        absent.take_out(8..=23, &Places::default(), |stretch| taken.push(stretch));
        assert_eq!(
            taken,
            [
                stretch(Keeper::Journal, 8, 10, 3),
                stretch(Keeper::Scratch, 11, 20, 10),
                stretch(Keeper::Journal, 21, 23, 3)
            ]
        );
        assert_eq!(absent.messages(), 14);
        absent.read(7, 7, 0);
        assert_eq!(absent.first(), Some(&stretch(Keeper::Journal, 24, 30, 7)));
    }

    #[test]
    fn what_is_missing_is_no_longer_counted_once_that_is_certain() {
        let mut absent = Absent::default();
        absent.push(stretch(Keeper::Journal, 1, 10, 10));
        assert_eq!(absent.read(5, 3, 0), 2);
        assert_eq!(absent.messages(), 5, "two of five are missing");
        assert_eq!(absent.read(10, 5, 0), 0);
        assert!(absent.is_empty());
        absent.push(stretch(Keeper::Journal, 1, 100, 10));
        assert_eq!(absent.read(50, 4, 0), 0);
        assert_eq!(absent.messages(), 6, "they may all be still to come");
        assert_eq!(absent.read(100, 5, 0), 1);
        assert_eq!((absent.messages(), absent.is_empty()), (0, true));
    }

    #[test]
    fn the_bytes_of_what_is_taken_from_one_end_are_known_and_of_a_middle_they_are_not() {
        let mut absent = Absent::default();
        absent.push(of_bytes(1, 10, 1_000));
        absent.push(of_bytes(11, 20, 500));
        assert_eq!(absent.read(5, 5, 700), 0);
        assert_eq!(absent.count_anew(), 800);
        let mut taken = Vec::new();
        absent.take_out(8..=9, &Places::default(), |stretch| taken.push(stretch.bodies));
        assert_eq!(absent.count_anew(), 0);
        absent.weigh(7, 2, 30);
        assert_eq!(absent.first().map(|first| first.bodies), Some(Bodies::Bytes(30)));
        absent.weigh(15, 6, 60);
        absent.push(of_bytes(21, 30, 5));
        assert_eq!(absent.count_anew(), 95, "five are not weighed yet");
        absent.weigh(20, 5, 50);
        assert_eq!((absent.count_anew(), absent.messages()), (145, 23));
        absent.take_out(1..=40, &Places::default(), |stretch| taken.push(stretch.bodies));
        let whole = [90, 50, 5].map(Bodies::Bytes);
        assert_eq!(taken, [&[Bodies::Mixed], &whole[..]].concat());
        assert!(absent.is_empty() && absent.first_unread().is_none());
    }
}
