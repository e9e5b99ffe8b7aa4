//! How the dead that are not in memory are read. On the disk they stand in the order of their positions and not of their deaths,
//! so that many that follow each other are asked for at once. Pure.

use std::sync::Arc;

use super::dying::{Buried, Dead, Dying, Waiting};
use super::fifo::Entry;
use super::state::QueueState;
use crate::journal::{Keeper, Positions, Restored};
use crate::publication::Page;

/// The first of those that wait for the forwarder, as far as they are looked at.
const MOST: usize = 1_024;

impl Dying {
    /// Those to be read next, by position, if the first of all is among them: more at once, the better that went.
    fn to_read(&self) -> Option<(Keeper, Vec<Positions>)> {
        let keeper = self.first_absent()?.keeper;
        let buried = self
            .waiting
            .iter()
            .take(MOST)
            .filter_map(|waiting| match waiting {
                Waiting::Absent(buried) if buried.keeper == keeper => Some(buried.positions),
                _ => None,
            });
        let mut asked: Vec<Positions> = buried.take(self.at_once.max(1)).collect();
        asked.sort_unstable_by_key(|positions| positions.first);
        asked.dedup_by(|next, before| next.first <= before.last);
        Some((keeper, asked))
    }

    /// All that was asked for was read, or only some of it.
    fn note_read(&mut self, all: bool) {
        self.at_once = match all {
            true => (2 * self.at_once.max(1)).min(MOST),
            // Those that were read stay in memory until the others before them are: they must not become many.
            false => 1,
        };
    }

    /// Puts what `read` makes of each of the first that are not in memory in its place.
    fn replace_first(&mut self, mut read: impl FnMut(Buried) -> Vec<Waiting>) {
        let first = self.waiting.len().min(MOST);
        let mut replaced = Vec::with_capacity(first);
        for waiting in self.waiting.drain(..first) {
            match waiting {
                Waiting::Absent(buried) => replaced.extend(read(buried)),
                one => replaced.push(one),
            }
        }
        for waiting in replaced.into_iter().rev() {
            self.waiting.push_front(waiting);
        }
    }
}

impl Buried {
    /// Those behind a position.
    fn after(self, position: u64) -> Option<Buried> {
        let positions = Positions {
            first: position + 1,
            ..self.positions
        };
        (positions.first <= positions.last).then_some(Buried { positions, ..self })
    }
}

/// What was asked for, of which all up to a position is answered.
struct Answer<'a> {
    keeper: Keeper,
    asked: &'a [Positions],
    upto: u64,
}

impl Answer<'_> {
    /// Those of some neighbours that it covers: the first of them.
    fn part_of(&self, buried: &Buried) -> Option<Positions> {
        let Positions { first, last } = buried.positions;
        let at = self.asked.partition_point(|range| range.last < first);
        let range = self.asked.get(at).filter(|_| buried.keeper == self.keeper)?;
        let last = last.min(range.last).min(self.upto);
        (range.first <= first && first <= last).then_some(Positions { first, last })
    }
}

impl QueueState {
    /// The dead that are to be read now.
    pub(super) fn dead_to_read(&self) -> Option<(Keeper, Vec<Positions>)> {
        match self.dying.has_room() || !self.dying.is_wanted() {
            true => self.dying.to_read(),
            false => None,
        }
    }

    /// Whether some of the dead are to be read now.
    pub(super) fn is_dead_to_read(&self) -> bool {
        self.dying.first_absent().is_some() && (self.dying.has_room() || !self.dying.is_wanted())
    }

    /// Dead messages were read, of all that were asked for up to a position. Others may have come before them meanwhile, or they
    /// are not wanted any more.
    pub(super) fn unearth(&mut self, keeper: Keeper, asked: &[Positions], read: Vec<Restored>, upto: u64) {
        self.dying
            .note_read(asked.last().is_none_or(|last| last.last <= upto));
        let answer = Answer { keeper, asked, upto };
        let mut wanted: Vec<Positions> = self
            .dying
            .waiting
            .iter()
            .take(MOST)
            .filter_map(|waiting| match waiting {
                Waiting::Absent(buried) => answer.part_of(buried),
                Waiting::One(_) => None,
            })
            .collect();
        wanted.sort_unstable_by_key(|positions| positions.first);
        let found = self.take_in(read, &wanted);
        let (mut unwanted, mut gone) = (Vec::new(), Vec::new());
        let (is_wanted, mut missing) = (self.dying.is_wanted(), false);
        self.dying.replace_first(|buried| {
            let Some(part) = answer.part_of(&buried) else {
                return vec![Waiting::Absent(buried)];
            };
            let from = found.partition_point(|&(position, _)| position < part.first);
            let to = found.partition_point(|&(position, _)| position <= part.last);
            let here = found.get(from..to).unwrap_or_default();
            if buried.counted {
                gone.extend(here.iter().map(|&(_, entry)| entry));
                missing |= (here.len() as u64) < part.last - part.first + 1;
            }
            let dead = here.iter().map(|&(position, entry)| Dead {
                position,
                entry,
                reason: buried.reason,
            });
            let mut left = Vec::new();
            match is_wanted {
                true => left.extend(dead.map(Waiting::One)),
                false => unwanted.extend(dead),
            }
            left.extend(buried.after(part.last).map(Waiting::Absent));
            left
        });
        if keeper == Keeper::Scratch {
            wanted
                .into_iter()
                .for_each(|had| self.settlements.note_range(keeper, had));
        }
        gone.iter().for_each(|entry| self.left(entry));
        for Dead {
            position,
            entry,
            reason,
        } in unwanted
        {
            self.die(position, entry, reason);
        }
        if missing {
            self.recount();
        }
    }

    /// Takes those of the messages that were read into memory that are among these positions. Both are in order.
    fn take_in(&mut self, read: Vec<Restored>, wanted: &[Positions]) -> Vec<(u64, Entry)> {
        let mut found = Vec::new();
        for Restored {
            page, mut messages, ..
        } in read
        {
            messages.retain(|&(position, _)| {
                let at = wanted.partition_point(|part| part.last < position);
                wanted.get(at).is_some_and(|part| part.first <= position)
            });
            let (numbers, offsets): (Vec<u64>, Vec<u32>) = messages.into_iter().unzip();
            let mut numbers = numbers.into_iter();
            let (settings, ready, attempts) = (self.settings, &self.ready, &self.returning.attempts);
            let kept = |page: &Page, offset| settings.keeps(page, offset);
            let publications = Arc::clone(&page);
            self.pages.insert(page, &offsets, kept, |entry| {
                let level = ready.level_of(&publications, entry.offset);
                found.extend(numbers.next().map(|position| {
                    let redelivered = ready.is_feared(position) || attempts.of(position).is_some();
                    let entry = Entry {
                        level,
                        redelivered,
                        ..entry
                    };
                    (position, entry)
                }));
            });
        }
        found
    }
}
