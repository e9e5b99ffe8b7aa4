//! What a clean stop leaves so that the next start reads no segments: where everything is, byte by byte in
//! `docs/storage.md`. Pure.
//!
//! It names the segments and their lengths, and holds only while they are exactly these.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::alike::Tail;
use super::block::Block;
use super::fields::Fields;
use super::index::{Index, Location, Segment};
use super::lending::Lending;
use super::notes::{Notes, OfQueue};
use super::recovery::{Recovered, RecoveredQueue};
use crate::id::StoreId;

/// The file, and what it is called while it is written.
pub const FILE: &str = "checkpoint";
/// A file that was not completed.
pub const UNFINISHED: &str = "checkpoint.new";

const MAGIC: [u8; 8] = *b"LEVERETC";
const VERSION: u16 = 4;
/// Told nothing of bodies that are elsewhere.
const WITHOUT_BORROWERS: u16 = 3;
/// Told nothing of priorities.
const WITHOUT_PRIORITIES: u16 = 2;
/// Told nothing of single messages.
const WITHOUT_NOTES: u16 = 1;
/// Bytes before what is checked.
const HEADER: usize = 16;

/// The lengths of all segment files, by their numbers.
pub type Lengths = BTreeMap<u32, u64>;

/// Why a checkpoint does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It is damaged, or something else.
    #[error("it is damaged")]
    Damaged,
    /// A later version wrote it.
    #[error("its version {0} is not known")]
    Version(u16),
    /// Segments came, went or changed since.
    #[error("it tells of other segments")]
    Segments,
}

/// What is written.
pub fn encode(
    index: &Index,
    queues: &FxHashMap<StoreId, RecoveredQueue>,
    next_segment: u32,
    lengths: &Lengths,
) -> Vec<u8> {
    let mut out = Out(vec![0; HEADER]);
    out.number(next_segment.into());
    out.lengths(lengths);
    out.segments(&index.segments);
    out.queues(queues);
    out.number(index.stores.len() as u64);
    for (store, blocks) in &index.stores {
        out.number(store.0);
        out.blocks(blocks);
    }
    out.number(index.shared.len() as u64);
    let mut last = Location::default();
    for (location, holders) in &index.shared {
        last = out.location(last, *location);
        out.number(u64::from(*holders));
    }
    out.notes(&index.notes);
    out.lending(&index.lending);
    out.finish()
}

/// Reads what was written, if it holds for these segments.
///
/// # Errors
/// When it does not.
pub fn decode(bytes: &[u8], lengths: &Lengths) -> Result<Recovered, Invalid> {
    let mut fields = Fields(bytes);
    let (Some(magic), Some(version), Some(_), Some(check)) =
        (fields.take(8), fields.u16(), fields.u16(), fields.u32())
    else {
        return Err(Invalid::Damaged);
    };
    if magic != MAGIC {
        return Err(Invalid::Damaged);
    }
    if !(WITHOUT_NOTES..=VERSION).contains(&version) {
        return Err(Invalid::Version(version));
    }
    if bytes.get(10..12) != Some(&[0; 2]) || crc32fast::hash(fields.0) != check {
        return Err(Invalid::Damaged);
    }
    let mut read = In { fields, version };
    let next_segment = read.small().ok_or(Invalid::Damaged)?;
    if read.lengths().ok_or(Invalid::Damaged)? != *lengths {
        return Err(Invalid::Segments);
    }
    read.recovered(next_segment).ok_or(Invalid::Damaged)
}

struct Out(Vec<u8>);

impl Out {
    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Small for what is near, before or behind.
    fn difference(&mut self, from: u32, to: u32) {
        let difference = i64::from(to) - i64::from(from);
        self.number(((difference << 1) ^ (difference >> 63)) as u64);
    }

    fn location(&mut self, last: Location, location: Location) -> Location {
        self.difference(last.segment, location.segment);
        self.difference(last.offset, location.offset);
        location
    }

    fn lengths(&mut self, lengths: &Lengths) {
        self.number(lengths.len() as u64);
        for (&number, &bytes) in lengths {
            self.number(number.into());
            self.number(bytes);
        }
    }

    fn segments(&mut self, segments: &BTreeMap<u32, Segment>) {
        self.number(segments.len() as u64);
        for (&number, segment) in segments {
            self.number(number.into());
            self.number(segment.bytes);
            self.number(segment.publications);
            self.number(segment.live);
            self.number(segment.borrowers.publications);
            self.number(segment.borrowers.bytes);
        }
    }

    fn queues(&mut self, queues: &FxHashMap<StoreId, RecoveredQueue>) {
        self.number(queues.len() as u64);
        for (store, queue) in queues {
            self.number(store.0);
            self.number(queue.next_position);
            self.number(queue.handed_out_below);
            self.number(queue.timed_below);
            self.number(queue.tail.priority.map_or(0, |priority| u64::from(priority) + 1));
            self.number(queue.tail.from);
        }
    }

    fn blocks(&mut self, blocks: &BTreeMap<u64, Box<Block>>) {
        self.number(blocks.len() as u64);
        let mut last = Location::default();
        for (&number, block) in blocks {
            self.number(number);
            self.0.extend_from_slice(&block.live.to_le_bytes());
            for location in block.locations() {
                last = self.location(last, location);
            }
        }
    }

    fn notes(&mut self, notes: &Notes) {
        self.number(notes.stores.len() as u64);
        for (store, queue) in &notes.stores {
            self.number(store.0);
            self.number(queue.deadlines.len() as u64);
            for (&position, &deadline) in &queue.deadlines {
                self.number(position);
                self.number(deadline);
            }
            self.number(queue.returns.len() as u64);
            for (&position, &(attempts, due)) in &queue.returns {
                self.number(position);
                self.number(attempts.into());
                self.number(due);
            }
        }
    }

    fn lending(&mut self, lending: &Lending) {
        self.number(lending.len() as u64);
        self.pairs(lending.borrowed());
        self.number(lending.moved().len() as u64);
        self.pairs(lending.moved());
    }

    fn pairs(&mut self, pairs: impl Iterator<Item = (Location, Location)>) {
        let (mut last, mut last_other) = (Location::default(), Location::default());
        for (one, other) in pairs {
            last = self.location(last, one);
            last_other = self.location(last_other, other);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let check = crc32fast::hash(self.0.get(HEADER..).unwrap_or_default());
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[0; 2]);
        header.extend_from_slice(&check.to_le_bytes());
        self.0.iter_mut().zip(header).for_each(|(to, from)| *to = from);
        self.0
    }
}

struct In<'a> {
    fields: Fields<'a>,
    /// In which it is written.
    version: u16,
}

impl In<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.fields.take(1)?.first()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn difference(&mut self, from: u32) -> Option<u32> {
        let number = self.number()?;
        let difference = (number >> 1) as i64 ^ -((number & 1) as i64);
        u32::try_from(i64::from(from).checked_add(difference)?).ok()
    }

    fn location(&mut self, last: Location) -> Option<Location> {
        Some(Location {
            segment: self.difference(last.segment)?,
            offset: self.difference(last.offset)?,
        })
    }

    fn lengths(&mut self) -> Option<Lengths> {
        (0..self.number()?)
            .map(|_| Some((self.small()?, self.number()?)))
            .collect()
    }

    fn recovered(&mut self, next_segment: u32) -> Option<Recovered> {
        let segments = (0..self.number()?)
            .map(|_| Some((self.small()?, self.segment()?)))
            .collect::<Option<_>>()?;
        let queues = (0..self.number()?).map(|_| self.queue()).collect::<Option<_>>()?;
        let stores = (0..self.number()?)
            .map(|_| Some((StoreId(self.number()?), self.blocks()?)))
            .collect::<Option<_>>()?;
        let mut last = Location::default();
        let mut shared = FxHashMap::default();
        for _ in 0..self.number()? {
            last = self.location(last)?;
            shared.insert(last, self.small()?);
        }
        let notes = match self.version {
            WITHOUT_NOTES => Notes::default(),
            _ => self.notes()?,
        };
        let lending = match self.version {
            ..=WITHOUT_BORROWERS => Lending::default(),
            _ => self.lending()?,
        };
        let mut index = Index {
            stores,
            shared,
            segments,
            notes,
            lending,
        };
        index.recount_lent();
        Some(Recovered {
            index,
            queues,
            stopped_in_order: true,
            next_segment,
            ..Recovered::default()
        })
    }

    fn segment(&mut self) -> Option<Segment> {
        let mut segment = Segment {
            bytes: self.number()?,
            publications: self.number()?,
            live: self.number()?,
            ..Segment::default()
        };
        if self.version > WITHOUT_BORROWERS {
            segment.borrowers.publications = self.number()?;
            segment.borrowers.bytes = self.number()?;
        }
        Some(segment)
    }

    fn lending(&mut self) -> Option<Lending> {
        let mut lending = Lending::default();
        for (at, name) in self.pairs()? {
            lending.borrow(at, name);
        }
        for (name, at) in self.pairs()? {
            lending.relocate(name, at);
        }
        Some(lending)
    }

    fn pairs(&mut self) -> Option<Vec<(Location, Location)>> {
        let (mut last, mut last_other) = (Location::default(), Location::default());
        (0..self.number()?)
            .map(|_| {
                last = self.location(last)?;
                last_other = self.location(last_other)?;
                Some((last, last_other))
            })
            .collect()
    }

    fn queue(&mut self) -> Option<(StoreId, RecoveredQueue)> {
        let store = StoreId(self.number()?);
        let mut queue = RecoveredQueue {
            next_position: self.number()?,
            handed_out_below: self.number()?,
            ..RecoveredQueue::default()
        };
        if self.version > WITHOUT_NOTES {
            queue.timed_below = self.number()?;
        }
        queue.tail = match self.version {
            ..=WITHOUT_PRIORITIES => Tail::unknown_below(queue.next_position),
            _ => self.tail()?,
        };
        Some((store, queue))
    }

    fn tail(&mut self) -> Option<Tail> {
        let priority = match self.number()? {
            0 => None,
            above => Some(u8::try_from(above - 1).ok()?),
        };
        let from = self.number()?;
        Some(Tail { priority, from })
    }

    fn notes(&mut self) -> Option<Notes> {
        let stores = (0..self.number()?)
            .map(|_| Some((StoreId(self.number()?), self.notes_of_queue()?)))
            .collect::<Option<_>>()?;
        Some(Notes { stores })
    }

    fn notes_of_queue(&mut self) -> Option<OfQueue> {
        Some(OfQueue {
            deadlines: (0..self.number()?)
                .map(|_| Some((self.number()?, self.number()?)))
                .collect::<Option<_>>()?,
            returns: (0..self.number()?)
                .map(|_| Some((self.number()?, (self.small()?, self.number()?))))
                .collect::<Option<_>>()?,
        })
    }

    fn blocks(&mut self) -> Option<BTreeMap<u64, Box<Block>>> {
        let mut last = Location::default();
        let mut blocks = BTreeMap::new();
        for _ in 0..self.number()? {
            let number = self.number()?;
            let live = self.fields.u64()?;
            let mut block = Block::empty();
            for slot in (0..64).filter(|slot| live >> slot & 1 == 1) {
                last = self.location(last)?;
                block.put(slot, last);
            }
            blocks.insert(number, block);
        }
        Some(blocks)
    }
}
