//! How what has left memory comes back.

use std::sync::Arc;

use super::absent::{Bodies, positions};
use super::fifo::Entry;
use super::ready::Ready;
use super::settlements::Ranges;
use super::spans::Spans;
use super::state::QueueState;
use crate::journal::{Keeper, Positions, Restored};
use crate::publication::Page;

/// Returned messages that are asked for at once, at most.
const MOST_RETURNED: usize = 1_024;

/// Messages to be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Load {
    /// From which journal.
    pub keeper: Keeper,
    /// They are among these.
    pub positions: Vec<Positions>,
}

#[derive(Debug)]
pub(super) struct Loading {
    pub(super) keeper: Keeper,
    pub(super) wanted: Wanted,
    /// What was asked for is gone meanwhile.
    pub(super) forgotten: bool,
    /// Messages that are dead, or died meanwhile: the journal may still have them.
    pub(super) dead: Spans,
}

/// What is asked of a journal.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Messages of unknown levels.
    Review,
    /// The returned messages of a level at these positions.
    Returned(u8, Vec<u64>),
    /// The first absent messages of a level.
    First(u8),
    /// The first of the dead.
    Dead(Vec<Positions>),
    /// Absent messages of a level, to be counted.
    Bodies(u8, Positions),
}

impl QueueState {
    /// Whether something has to be read although nobody takes messages: to learn about it, or because it dies.
    pub fn needs_reading(&self) -> bool {
        self.in_review()
            || self.is_counting()
            || self.is_dead_to_read()
            || (self.is_too_long() && self.absent() > 0)
    }

    /// What is to be read now that less than `ahead` bytes of the first messages may be in memory. To be asked when someone
    /// takes messages, or it [has to be](Self::needs_reading).
    pub fn load(&mut self, ahead: u64) -> Option<Load> {
        if self.backlog.loading.is_some() {
            return None;
        }
        self.look_for_unread();
        let (load, wanted) = self.wanted(ahead).or_else(|| self.to_count())?;
        let dead = match (&wanted, load.positions.first()) {
            (Wanted::First(_) | Wanted::Bodies(..), Some(&asked)) => self.dying.among(asked),
            _ => Spans::default(),
        };
        self.backlog.loading = Some(Loading {
            keeper: load.keeper,
            wanted,
            forgotten: false,
            dead,
        });
        Some(load)
    }

    /// What was read, of all that was asked for up to a position.
    pub fn loaded(&mut self, keeper: Keeper, read: Vec<Restored>, upto: u64) {
        let Some(loading) = self.backlog.loading.take_if(|loading| loading.keeper == keeper) else {
            return;
        };
        if loading.forgotten {
            return;
        }
        match loading.wanted {
            Wanted::Review => self.review(read, upto),
            Wanted::Returned(level, asked) => self.fill_returned(level, &asked, read, upto),
            Wanted::First(level) => self.extend_front(level, &loading.dead, read, upto),
            Wanted::Dead(asked) => self.unearth(keeper, &asked, read, upto),
            Wanted::Bodies(level, asked) => self.count_read(level, asked, &loading.dead, &read, upto),
        }
        self.compact_pages();
    }

    /// These messages leave, which were in memory. Those that came back stand among absent ones, and may be read with these.
    pub(super) fn pass_over(&mut self, entries: &[(u64, Entry)]) {
        if self.backlog.loading.is_none() {
            return;
        }
        for &(position, entry) in entries {
            let absent = self.ready.level(entry.level).and_then(Ready::first_absent);
            if absent.is_some_and(|first| first.run.positions.first <= position) {
                self.backlog.pass_over(Positions::one(position));
            }
        }
    }

    /// Adds messages that were read to the fronts of their levels, and returns how many.
    pub(super) fn append_read(&mut self, page: Arc<Page>, messages: Vec<(u64, u32)>) -> u64 {
        let (positions, offsets): (Vec<u64>, Vec<u32>) = messages.into_iter().unzip();
        let (ready, mut positions) = (&mut self.ready, positions.into_iter());
        let returning = &mut self.returning;
        let (mut read, mut resting) = (0, Vec::new());
        let settings = self.settings;
        let kept = |page: &Page, offset| settings.keeps(page, offset);
        let publications = Arc::clone(&page);
        self.pages.insert(page, &offsets, kept, |entry| {
            if let Some(position) = positions.next() {
                let level = ready.level_of(&publications, entry.offset);
                let redelivered = returning.attempts.of(position).is_some();
                let entry = Entry {
                    level,
                    redelivered,
                    ..entry
                };
                if returning.rests_on(position, entry) {
                    resting.push(entry);
                } else {
                    ready.push_read(position, entry);
                }
                read += 1;
            }
        });
        for entry in resting {
            self.left(&entry);
        }
        read
    }

    fn extend_front(&mut self, level: u8, dead: &Spans, read: Vec<Restored>, upto: u64) {
        let Some(first) = self.ready.level_mut(level).first_absent() else {
            return;
        };
        let (keeper, run) = (first.keeper, first.run.positions);
        let uncounted = self.limits.count_bytes() && first.bodies == Bodies::Unread;
        let upto = upto.min(run.last);
        if upto < run.first {
            return;
        }
        let (mut count, mut bytes, mut had) = (0, 0, Ranges::default());
        for Restored {
            page, mut messages, ..
        } in read
        {
            // Between them are messages of other levels, some that died, and some that were given back.
            let ready = self.ready.level(level);
            let has_returned = |position| ready.is_some_and(|ready| ready.has_returned(position));
            messages.retain(|&(position, offset)| {
                (run.first..=upto).contains(&position)
                    && self.ready.level_of(&page, offset) == level
                    && !dead.contains(position)
                    && !has_returned(position)
            });
            messages.iter().for_each(|&(position, _)| had.add(position));
            let bodies = messages
                .iter()
                .map(|&(_, offset)| u64::from(page.body_len(offset)));
            let bodies = bodies.sum::<u64>();
            if uncounted {
                self.limits.arrived(bodies);
            }
            bytes += bodies;
            count += self.append_read(page, messages);
        }
        let missing = self.ready.level_mut(level).read(upto, count, bytes);
        if missing > 0 {
            self.recount();
        }
        if keeper == Keeper::Scratch {
            let ready = self.ready.level(level);
            let has_returned = ready.is_some_and(|ready| ready.have_returned(&(run.first..=upto)));
            if self.ready.is_one() && dead.is_empty() && !has_returned {
                had = Ranges(vec![positions(run.first, upto)]);
            }
            had.0
                .into_iter()
                .for_each(|had| self.settlements.note_range(keeper, had));
        }
    }

    /// What is to be read so that `ahead` bytes of the first messages are in memory, and why.
    fn wanted(&self, ahead: u64) -> Option<(Load, Wanted)> {
        if let Some(run) = self.ready.unknown() {
            let (keeper, positions) = (Keeper::Journal, vec![run.positions]);
            return Some((Load { keeper, positions }, Wanted::Review));
        }
        if let Some((keeper, positions)) = self.dead_to_read() {
            let wanted = Wanted::Dead(positions.clone());
            return Some((Load { keeper, positions }, wanted));
        }
        if self.is_too_long()
            && let Some(level) = self.ready.lowest()
            && let Some(ready) = self.ready.level(level)
            && !ready.has_first()
        {
            let returned = returned_to_load(ready);
            let returned = returned.map(|(load, asked)| (load, Wanted::Returned(level, asked)));
            return returned.or_else(|| Some((absent_to_load(ready)?, Wanted::First(level))));
        }
        let mut before = 0;
        for (level, ready) in self.ready.highest_first() {
            if let Some((load, asked)) = returned_to_load(ready) {
                return Some((load, Wanted::Returned(level, asked)));
            }
            if before + ready.front_cost() < ahead
                && let Some(load) = absent_to_load(ready)
            {
                return Some((load, Wanted::First(level)));
            }
            before += ready.cost();
            if before >= ahead {
                break;
            }
        }
        None
    }

    /// Returned messages that were read are in memory again. Those that could not be read are gone.
    fn fill_returned(&mut self, level: u8, asked: &[u64], read: Vec<Restored>, upto: u64) {
        let returned = self.ready.level_mut(level).returned_mut();
        for Restored {
            page, mut messages, ..
        } in read
        {
            messages.retain(|(position, _)| returned.get(position).is_some_and(Entry::is_absent));
            let (positions, offsets): (Vec<u64>, Vec<u32>) = messages.into_iter().unzip();
            let mut positions = positions.iter();
            self.pages.insert(
                page,
                &offsets,
                |_, _| false,
                |entry| {
                    if let Some(old) = positions.next().and_then(|position| returned.get_mut(position)) {
                        *old = Entry {
                            page: entry.page,
                            offset: entry.offset,
                            cost: entry.cost,
                            ..*old
                        };
                    }
                },
            );
        }
        let mut missing = Vec::new();
        for position in asked.iter().take_while(|&&position| position <= upto) {
            if returned.get(position).is_some_and(Entry::is_absent) {
                missing.extend(returned.remove(position));
            }
        }
        missing.iter().for_each(|entry| self.left(entry));
    }
}

/// The first absent messages of a level.
fn absent_to_load(ready: &Ready) -> Option<Load> {
    let first = ready.first_absent()?;
    Some(Load {
        keeper: first.keeper,
        positions: vec![first.run.positions],
    })
}

/// The first returned messages of a level, if they are not in memory.
fn returned_to_load(ready: &Ready) -> Option<(Load, Vec<u64>)> {
    let (first, entry) = ready.next_returned().filter(|(_, entry)| entry.is_absent())?;
    let keeper = entry.keeper();
    let mut ranges = Ranges::default();
    ranges.add(first);
    let mut asked = vec![first];
    let alike = ready
        .returned()
        .skip(1)
        .take_while(|(_, entry)| entry.is_absent() && entry.keeper() == keeper);
    for (position, _) in alike.take(MOST_RETURNED) {
        ranges.add(position);
        asked.push(position);
    }
    let load = Load {
        keeper,
        positions: ranges.0,
    };
    Some((load, asked))
}
