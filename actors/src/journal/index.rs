//! Where every unsettled message of the journal is, and how much of each segment still lives. Pure.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::block::{BLOCK, Block};
use super::lending::{Borrowed, Lending, Returned};
use super::notes::Notes;
use super::record::Positions;
use super::{Return, Run};
use crate::id::StoreId;

/// A message of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// The queue.
    pub store: StoreId,
    /// Its place in the queue.
    pub position: u64,
}

/// Where a publication's record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Location {
    /// The number of the segment.
    pub segment: u32,
    /// The offset in it.
    pub offset: u32,
}

/// How much of a segment lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Segment {
    /// Its length in bytes.
    pub bytes: u64,
    /// Bodies it has: those of publications, and those that moved here alone.
    pub publications: u64,
    /// Publications among these that some queue has not settled.
    pub live: u64,
    /// Bodies that publications without one have.
    pub lent: u64,
    /// Its publications without a body.
    pub borrowers: Borrowers,
}

/// The publications of a segment whose bodies are elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Borrowers {
    /// The bytes of their records.
    pub bytes: u64,
    /// How many there are.
    pub publications: u64,
    /// Those that some queue has not settled.
    pub live: u64,
}

impl Segment {
    /// Whether nobody needs anything in it.
    pub fn is_dead(&self) -> bool {
        self.live == 0 && self.lent == 0 && self.borrowers.live == 0
    }

    /// Bytes that live, taking all publications with a body for equally long, and all without.
    pub fn live_bytes(&self) -> u64 {
        // One that lives and is lent is counted twice, which is mostly so for a moment only.
        let live = (self.live + self.lent).min(self.publications);
        let Borrowers { bytes, .. } = self.borrowers;
        share(self.bytes.saturating_sub(bytes), live, self.publications)
            + share(bytes, self.borrowers.live, self.borrowers.publications)
    }
}

fn share(bytes: u64, live: u64, all: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(live) / u128::from(all.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// The unsettled messages of all queues.
#[derive(Debug, Default)]
pub struct Index {
    pub(super) stores: FxHashMap<StoreId, BTreeMap<u64, Box<Block>>>,
    /// How many queues have a publication that more than one has or had.
    pub(super) shared: FxHashMap<Location, u32>,
    pub(super) segments: BTreeMap<u32, Segment>,
    pub(super) notes: Notes,
    pub(super) lending: Lending,
}

impl Index {
    /// A new segment, or more bytes of one.
    pub fn grow(&mut self, segment: u32, bytes: u64) {
        self.segments.entry(segment).or_default().bytes += bytes;
    }

    /// A queue has a message, the first of its publication. A message that was elsewhere has moved.
    pub fn insert(&mut self, message: MessageId, location: Location) {
        let segment = self.segments.entry(location.segment).or_default();
        segment.publications += 1;
        segment.live += 1;
        self.place(message, location);
    }

    /// A queue has a message, the first of a publication of so many bytes that has no body: its body is the one of this name.
    pub fn insert_borrower(&mut self, message: MessageId, location: Location, bytes: u64, body: Location) {
        let borrowers = &mut self.segments.entry(location.segment).or_default().borrowers;
        borrowers.publications += 1;
        borrowers.bytes += bytes;
        self.borrow(location, body);
        self.place(message, location);
    }

    /// A further queue has the publication at `location`, which was `origin`'s first, and whose body is the one of the name
    /// `body` if it has none of its own.
    pub fn insert_further(
        &mut self,
        message: MessageId,
        location: Location,
        origin: MessageId,
        body: Option<Location>,
    ) {
        if let Some(holders) = self.shared.get_mut(&location) {
            *holders += 1;
        } else if self.get(origin.store, origin.position) == Some(location) {
            self.shared.insert(location, 2);
        } else {
            // It was settled by all that had it, and lives again.
            self.revive(location, body);
        }
        self.place(message, location);
    }

    /// The body of this name has a record of its own now.
    pub fn move_body(&mut self, name: Location, to: Location) {
        self.count_body(to.segment);
        self.relocate(name, to);
    }

    /// A segment has a body that moved there.
    pub fn count_body(&mut self, segment: u32) {
        self.segments.entry(segment).or_default().publications += 1;
    }

    /// All of a segment from `lost` on is lost: those of the bodies that had moved there are again where they were.
    pub fn move_bodies_back(&mut self, lost: Location, bodies: impl Iterator<Item = (Location, Location)>) {
        for (name, from) in bodies {
            if self.lending.lent(name).is_some_and(|at| is_lost(at, lost)) {
                self.relocate(name, from);
            }
        }
    }

    /// The same of messages, with the names of their bodies if their publications had none where they were.
    pub fn move_back(
        &mut self,
        lost: Location,
        messages: impl Iterator<Item = (MessageId, Location, Option<Location>)>,
    ) {
        let mut alone = Vec::new();
        for (message, from, body) in messages {
            let at = self.get(message.store, message.position);
            if !at.is_some_and(|at| is_lost(at, lost)) {
                continue;
            }
            if let Some(holders) = self.shared.get_mut(&from) {
                *holders += 1;
            } else {
                self.revive(from, body);
                alone.push(from);
            }
            self.place(message, from);
        }
        for location in alone {
            if self.shared.get(&location) == Some(&1) {
                self.shared.remove(&location);
            }
        }
    }

    /// A segment is cut off: it has again what it had then.
    pub fn cut(&mut self, segment: u32, then: Segment) {
        if let Some(segment) = self.segments.get_mut(&segment) {
            (segment.bytes, segment.publications) = (then.bytes, then.publications);
            segment.borrowers.bytes = then.borrowers.bytes;
            segment.borrowers.publications = then.borrowers.publications;
        }
    }

    /// Finds out anew how much of each segment is lent.
    pub(super) fn recount_lent(&mut self) {
        for segment in self.segments.values_mut() {
            (segment.lent, segment.borrowers.live) = (0, 0);
        }
        for body in self.lending.names().filter_map(|name| self.lending.lent(name)) {
            if let Some(segment) = self.segments.get_mut(&body.segment) {
                segment.lent += 1;
            }
        }
        for (at, _) in self.lending.borrowed() {
            if let Some(segment) = self.segments.get_mut(&at.segment) {
                segment.borrowers.live += 1;
            }
        }
    }

    /// A publication that nobody had has one holder.
    fn revive(&mut self, location: Location, body: Option<Location>) {
        self.shared.insert(location, 1);
        match body {
            Some(name) => self.borrow(location, name),
            None => self.segments.entry(location.segment).or_default().live += 1,
        }
    }

    fn borrow(&mut self, location: Location, name: Location) {
        let borrowed = self.lending.borrow(location, name);
        if borrowed == Borrowed::Already {
            return;
        }
        let segment = self.segments.entry(location.segment).or_default();
        segment.borrowers.live += 1;
        if let Borrowed::First(at) = borrowed
            && let Some(segment) = self.segments.get_mut(&at.segment)
        {
            segment.lent += 1;
        }
    }

    fn relocate(&mut self, name: Location, to: Location) {
        let Some(from) = self.lending.relocate(name, to) else {
            return;
        };
        if let Some(segment) = self.segments.get_mut(&from.segment) {
            segment.lent = segment.lent.saturating_sub(1);
        }
        if let Some(segment) = self.segments.get_mut(&to.segment) {
            segment.lent += 1;
        }
    }

    fn place(&mut self, message: MessageId, location: Location) {
        let MessageId { store, position } = message;
        let blocks = self.stores.entry(store).or_default();
        let block = blocks.entry(position / BLOCK).or_insert_with(Block::empty);
        if let Some(old) = block.put(position % BLOCK, location) {
            self.release(old);
        }
    }

    /// Messages of a queue are gone. Positions it does not have are skipped.
    pub fn settle(&mut self, store: StoreId, positions: Positions) {
        let Positions { first, last } = positions;
        let Some(blocks) = self.stores.get_mut(&store).filter(|_| first <= last) else {
            return;
        };
        self.notes.settle(store, positions);
        let (mut gone, mut emptied) = (Vec::new(), Vec::new());
        for (&number, block) in blocks.range_mut(first / BLOCK..=last / BLOCK) {
            let base = number * BLOCK;
            let from = first.saturating_sub(base);
            block.take(from..=(last - base).min(BLOCK - 1), &mut gone);
            if block.live == 0 {
                emptied.push(number);
            }
        }
        for number in emptied {
            blocks.remove(&number);
        }
        if blocks.is_empty() {
            self.stores.remove(&store);
        }
        for location in gone {
            self.release(location);
        }
    }

    /// A message has come back. Nothing is noted of one that the queue does not have.
    pub fn returned(&mut self, store: StoreId, back: Return) {
        if self.get(store, back.position).is_some() {
            self.notes.returned(store, back);
        }
    }

    /// A queue is gone.
    pub fn remove(&mut self, store: StoreId) {
        self.settle(store, Positions::ALL);
    }

    /// Where a message is.
    pub fn get(&self, store: StoreId, position: u64) -> Option<Location> {
        let block = self.stores.get(&store)?.get(&(position / BLOCK))?;
        block.get(position % BLOCK)
    }

    /// How many messages a queue has, and among which positions.
    pub fn waiting(&self, store: StoreId) -> Option<Run> {
        let blocks = self.stores.get(&store)?;
        let (first, last) = (blocks.iter().next()?, blocks.iter().next_back()?);
        Some(Run {
            positions: Positions {
                first: first.0 * BLOCK + u64::from(first.1.live.trailing_zeros()),
                last: last.0 * BLOCK + u64::from(63 - last.1.live.leading_zeros().min(63)),
            },
            messages: blocks
                .values()
                .map(|block| u64::from(block.live.count_ones()))
                .sum(),
        })
    }

    /// The queues that have messages.
    pub fn stores(&self) -> impl Iterator<Item = StoreId> {
        self.stores.keys().copied()
    }

    /// The messages of a queue in order.
    pub fn messages(&self, store: StoreId) -> impl Iterator<Item = (u64, Location)> {
        self.among(store, Positions::ALL)
    }

    /// The messages of a queue among these positions, in order.
    pub fn among(&self, store: StoreId, positions: Positions) -> impl Iterator<Item = (u64, Location)> {
        let Positions { first, last } = positions;
        let blocks = self.stores.get(&store).filter(|_| first <= last);
        let blocks = blocks.map(|blocks| blocks.range(first / BLOCK..=last / BLOCK));
        blocks.into_iter().flatten().flat_map(move |(number, block)| {
            let base = number * BLOCK;
            let slots = first.saturating_sub(base)..=(last - base).min(BLOCK - 1);
            slots.filter_map(move |slot| Some((base + slot, block.get(slot)?)))
        })
    }

    /// About how many messages of a segment take so many bytes.
    pub fn messages_in(&self, segment: u32, bytes: u64) -> usize {
        let segment = self.segments.get(&segment).copied().unwrap_or_default();
        let one = segment.bytes / (segment.publications + segment.borrowers.publications).max(1);
        usize::try_from(bytes / one.max(1)).unwrap_or(usize::MAX)
    }

    /// How long a segment is.
    pub fn bytes(&self, segment: u32) -> u64 {
        self.segments.get(&segment).map_or(0, |segment| segment.bytes)
    }

    /// What is known of a segment.
    pub fn segment(&self, number: u32) -> Segment {
        self.segments.get(&number).copied().unwrap_or_default()
    }

    /// The segments in order.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = (u32, Segment)> {
        self.segments.iter().map(|(&number, &segment)| (number, segment))
    }

    /// A segment has been deleted.
    pub fn forget(&mut self, segment: u32) {
        self.segments.remove(&segment);
    }

    fn release(&mut self, location: Location) {
        if let Some(holders) = self.shared.get_mut(&location) {
            *holders -= 1;
            if *holders > 0 {
                return;
            }
            self.shared.remove(&location);
        }
        if !self.lending.is_empty()
            && let Some(returned) = self.lending.give_back(location)
        {
            return self.returned_body(location, returned);
        }
        if let Some(segment) = self.segments.get_mut(&location.segment) {
            segment.live = segment.live.saturating_sub(1);
        }
    }

    /// Nobody has the publication at `location` any more, which has no body.
    fn returned_body(&mut self, location: Location, returned: Returned) {
        if let Some(segment) = self.segments.get_mut(&location.segment) {
            segment.borrowers.live = segment.borrowers.live.saturating_sub(1);
        }
        if let Returned::Unneeded(at) = returned
            && let Some(segment) = self.segments.get_mut(&at.segment)
        {
            segment.lent = segment.lent.saturating_sub(1);
        }
    }
}

fn is_lost(at: Location, lost: Location) -> bool {
    at.segment == lost.segment && at.offset >= lost.offset
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod sound;
#[cfg(test)]
mod tests;
