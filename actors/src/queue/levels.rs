//! What waits, by priority: all of a higher level come before those of a lower one, and each level is in order by itself.
//!
//! A queue has the usual level alone until a message of another one comes. Then each message costs the same however many levels
//! there are.

mod aside;

use std::{iter, mem};

use super::{
    absent::Stretch,
    fifo::{Entry, Fifo},
    level_set::LevelSet,
    priorities::Priorities,
    ready::Ready,
    review::Review,
    settlements::Settlements,
};
use crate::{
    journal::{Alike, Keeper, Run},
    publication::Page,
};

/// All levels. Positions count in the order of arrival, whatever the level. What is asked for each batch comes last.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Levels {
    next_position: u64,
    /// Messages below this position may have been handed out in an earlier life.
    handed_out_below: u64,
    usual: Ready,
    more: Option<Box<More>>,
    priorities: Priorities,
}

/// What queues have whose messages are, or may be, of several levels.
#[derive(Debug, Default)]
struct More {
    /// The levels by their numbers, as far as one was needed. The place of the usual one is empty.
    others: Vec<Ready>,
    /// The levels that may have messages.
    used: LevelSet,
    review: Option<Review>,
}

impl Levels {
    /// One for each of these priorities.
    pub(super) fn new(priorities: Priorities) -> Self {
        Self {
            priorities,
            ..Self::default()
        }
    }

    /// The level of messages without a priority.
    pub(super) fn usual(&self) -> u8 {
        self.priorities.usual()
    }

    /// Whether there is the usual level alone.
    #[inline]
    pub(super) fn is_one(&self) -> bool {
        self.more.is_none()
    }

    /// The level of a publication.
    pub(super) fn level_of(&self, page: &Page, offset: u32) -> u8 {
        match self.priorities.are_equal() {
            true => self.usual(),
            false => self.priorities.of(page.priority(offset)),
        }
    }

    /// The level of all publications of a page, if that is to be seen without looking at each.
    pub(super) fn level_of_all(&self, page: &Page) -> Option<u8> {
        let alike = self.priorities.are_equal() || !page.has_priorities();
        alike.then(|| self.usual())
    }

    /// Whether the messages of a page may be [pushed together](Self::push_all): all are of the usual level, and so is what waits.
    pub(super) fn takes_together(&self, page: &Page) -> bool {
        self.is_one() && self.level_of_all(page).is_some()
    }

    pub(super) fn len(&self) -> usize {
        let review = self.review().map_or(0, |review| {
            review.unknown.messages() as usize + review.arrived.len()
        });
        self.all().map(Ready::len).sum::<usize>() + review
    }

    /// How many messages there are at least, cheaply: those of the first level.
    #[inline]
    pub(super) fn len_at_least(&self) -> usize {
        match &self.more {
            None => self.usual.len(),
            Some(_) => self.highest_first().next().map_or(0, |(_, ready)| ready.len()),
        }
    }

    /// How many can be taken one after the other, at least.
    #[inline]
    pub(super) fn at_hand(&self) -> usize {
        match self.more {
            None => self.usual.at_hand(),
            Some(_) => 0,
        }
    }

    /// How many of them are not in memory.
    pub(super) fn absent(&self) -> u64 {
        let unknown = self.review().map_or(0, |review| review.unknown.messages());
        self.all().map(Ready::absent).sum::<u64>() + unknown
    }

    /// Whether the first message can be taken.
    #[inline]
    pub(super) fn has_first(&self) -> bool {
        match &self.more {
            None => self.usual.has_first(),
            Some(more) => {
                let first = self.highest_first().next();
                more.review.is_none() && first.is_some_and(|(_, ready)| ready.has_first())
            }
        }
    }

    /// The position of the next message that is pushed.
    pub(super) fn next_position(&self) -> u64 {
        self.next_position
    }

    /// Begins where an earlier life ended. What comes now was not handed out in it, whatever is feared of the rest.
    pub(super) fn start_at(&mut self, next_position: u64, handed_out_below: u64) {
        self.next_position = next_position;
        self.handed_out_below = handed_out_below.min(next_position);
    }

    /// The last position of a message that was handed out and came back, or may have been handed out in an earlier life.
    pub(super) fn last_redelivered(&self) -> Option<u64> {
        let returned = self.all().filter_map(Ready::last_redelivered).max();
        returned.max(self.last_feared())
    }

    /// Whether a message that is read may have been handed out in an earlier life.
    pub(super) fn is_feared(&self, position: u64) -> bool {
        position < self.handed_out_below
    }

    /// The last position of a message that may have been handed out in an earlier life.
    pub(super) fn last_feared(&self) -> Option<u64> {
        let unknown = self.unknown().map(|run| run.positions.first);
        let known = self.all().filter_map(Ready::first_unreturned);
        let first = known.chain(unknown).min()?;
        let last = self.handed_out_below.checked_sub(1)?;
        (first <= last).then_some(last)
    }

    /// Takes messages [together](Self::takes_together), and returns what they cost together.
    #[inline]
    pub(super) fn push_all(&mut self, offsets: &[u32], entry: impl FnMut(u32) -> Entry) -> u64 {
        let first = self.next_position;
        self.next_position += offsets.len() as u64;
        self.usual.push_all(first, offsets, entry)
    }

    /// The first messages of one page, up to `most`, as [`Fifo::run`] has them. None where there are several levels, and where
    /// others come first.
    #[inline]
    pub(super) fn run(&self, most: usize) -> Option<(u64, &[Entry])> {
        match self.more {
            None => self.usual.run(most),
            Some(_) => None,
        }
    }

    /// Takes so many of the [run](Self::run), which cost so much together.
    #[inline]
    pub(super) fn pop_run(&mut self, count: usize, cost: u64) {
        self.usual.pop_run(count, cost);
    }

    /// Takes a message into its level.
    pub(super) fn push_to_level(&mut self, entry: Entry) {
        let position = self.next_position;
        self.next_position += 1;
        match self.more.as_mut().and_then(|more| more.review.as_mut()) {
            Some(review) => review.arrived.push(position, entry),
            None => self.level_mut(entry.level).push(position, entry),
        }
    }

    /// A position for a message that does not wait.
    pub(super) fn skip_position(&mut self) -> u64 {
        self.next_position += 1;
        self.next_position - 1
    }

    /// The first message, with its position, if it is in memory.
    #[inline(always)]
    pub(super) fn pop(&mut self, settlements: &mut Settlements) -> Option<(u64, Entry)> {
        if self.more.is_none() {
            self.usual.pop(settlements)
        } else {
            self.pop_highest(settlements)
        }
    }

    /// Puts a popped message back to its place.
    pub(super) fn put_back(&mut self, position: u64, entry: Entry) {
        self.level_mut(entry.level).put_back(position, entry);
    }

    /// Adds a message that was read to the front of its level. It may be marked as redelivered.
    pub(super) fn push_read(&mut self, position: u64, entry: Entry) {
        let redelivered = entry.redelivered || self.is_feared(position);
        let entry = Entry { redelivered, ..entry };
        self.level_mut(entry.level).push_read(position, entry);
    }

    /// Messages that an earlier life has left, before any other is pushed. See [`unknown`](Self::unknown).
    /// With `review`, they are unknown even if all are of one level.
    pub(super) fn push_kept(&mut self, run: Run, alike: Alike, review: bool) {
        let kept = Stretch::unread(Keeper::Journal, run);
        match (alike, review) {
            (Alike::All(priority), false) => self.level_mut(self.priorities.of(priority)).push_absent(kept),
            (Alike::Unknown, false) if self.priorities.are_equal() => self.usual.push_absent(kept),
            _ => {
                let more = self
                    .more
                    .get_or_insert_with(|| More::beside(self.priorities.usual()));
                more.review.get_or_insert_default().unknown.push(kept);
            }
        }
    }

    /// What came while the levels of others are found out.
    pub(super) fn arrived_mut(&mut self) -> Option<&mut Fifo> {
        Some(&mut self.more.as_mut()?.review.as_mut()?.arrived)
    }

    /// The messages whose levels are to be found out before any is handed out.
    pub(super) fn unknown(&self) -> Option<&Run> {
        Some(&self.review()?.unknown.first()?.run)
    }

    /// All up to a position have found their levels; so many they were. With the last of them, what came meanwhile follows.
    pub(super) fn known(&mut self, upto: u64, messages: u64) {
        let Some(more) = &mut self.more else { return };
        let Some(review) = &mut more.review else { return };
        review.unknown.read(upto, messages, 0);
        if !review.unknown.is_empty() {
            return;
        }
        let mut arrived = mem::take(&mut review.arrived);
        more.review = None;
        if more
            .used
            .highest_first()
            .all(|level| level == self.priorities.usual())
        {
            self.more = None;
        }
        while let Some((position, entry)) = arrived.pop() {
            self.level_mut(entry.level).push(position, entry);
        }
    }

    /// The levels that have messages.
    #[inline]
    pub(super) fn highest_first(&self) -> impl Iterator<Item = (u8, &Ready)> {
        let alone = self.more.is_none().then_some((self.usual(), &self.usual));
        let used = self.more.iter().flat_map(|more| more.used.highest_first());
        let levels = used.filter_map(|level| Some((level, self.level(level)?)));
        alone
            .into_iter()
            .chain(levels.filter(|(_, ready)| !ready.is_empty()))
    }

    pub(super) fn level_mut(&mut self, level: u8) -> &mut Ready {
        let usual = self.usual();
        if level == usual && self.more.is_none() {
            return &mut self.usual;
        }
        let more = self.more.get_or_insert_with(|| More::beside(usual));
        more.used.insert(level);
        if level == usual {
            return &mut self.usual;
        }
        let at = usize::from(level);
        if more.others.len() <= at {
            more.others.resize_with(at + 1, Ready::default);
        }
        more.others.get_mut(at).unwrap_or(&mut self.usual)
    }

    /// Bytes of all but the returned that are in memory.
    pub(super) fn cost(&self) -> u64 {
        let arrived = self.review().map_or(0, |review| review.arrived.cost());
        self.all().map(Ready::cost).sum::<u64>() + arrived
    }

    /// All that came back and wait again, in no particular order.
    pub(super) fn returned_mut(&mut self) -> impl Iterator<Item = (u64, &mut Entry)> {
        let returned = self.all_mut().flat_map(Ready::returned_mut);
        returned.map(|(&position, entry)| (position, entry))
    }

    /// Drops everything. What the journals have of it is noted, and `gone` hears of each message that was in memory.
    /// Positions of messages that are elsewhere, in rising order, are `others`.
    pub(super) fn clear(
        &mut self,
        settlements: &mut Settlements,
        others: &[u64],
        mut gone: impl FnMut(&Entry),
    ) {
        let review = self.more.as_mut().and_then(|more| more.review.take());
        if let Some(Review {
            mut unknown,
            mut arrived,
        }) = review
        {
            for Stretch { keeper, run, .. } in unknown.drain() {
                settlements.note_range(keeper, run.positions);
            }
            while let Some((position, entry)) = arrived.pop() {
                settlements.note(position, &entry);
                gone(&entry);
            }
        }
        for ready in self.all_mut() {
            ready.clear(settlements, others, &mut gone);
        }
    }

    /// All parts in which those wait that did not come back, as far as they are in memory.
    pub(super) fn parts_mut(&mut self) -> impl Iterator<Item = &mut Fifo> {
        let (arrived, others) = match &mut self.more {
            Some(more) => (
                more.review.as_mut().map(|review| &mut review.arrived),
                &mut more.others[..],
            ),
            None => (None, &mut [][..]),
        };
        let levels = iter::once(&mut self.usual).chain(others);
        levels.flat_map(Ready::parts_mut).chain(arrived)
    }

    #[cold]
    fn pop_highest(&mut self, settlements: &mut Settlements) -> Option<(u64, Entry)> {
        if self.review().is_some() {
            return None;
        }
        let (level, _) = self.highest_first().next()?;
        let ready = self.level_mut(level);
        let popped = ready.pop(settlements);
        if ready.is_empty()
            && let Some(more) = &mut self.more
        {
            more.used.remove(level);
        }
        popped
    }

    fn review(&self) -> Option<&Review> {
        self.more.as_ref()?.review.as_ref()
    }

    pub(super) fn level(&self, level: u8) -> Option<&Ready> {
        match level == self.usual() {
            true => Some(&self.usual),
            false => self.more.as_ref()?.others.get(usize::from(level)),
        }
    }

    #[inline]
    fn all(&self) -> impl Iterator<Item = &Ready> {
        let others = self.more.iter().flat_map(|more| &more.others);
        iter::once(&self.usual).chain(others)
    }

    #[inline]
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Ready> {
        let others = self.more.iter_mut().flat_map(|more| &mut more.others);
        iter::once(&mut self.usual).chain(others)
    }
}

impl More {
    /// The usual level may have messages.
    fn beside(usual: u8) -> Box<Self> {
        let mut more = Box::<Self>::default();
        more.used.insert(usual);
        more
    }
}
