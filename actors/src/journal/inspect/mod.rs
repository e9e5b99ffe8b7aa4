//! A journal that no broker uses, looked at without changing it.
//!
//! One segment at a time is in memory, and of the messages only the runs in which they wait.

mod records;
mod unsure;
mod waiting;

use std::io;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use rustc_hash::FxHashMap;

use super::bodies::{Bodies, Whereabouts};
use super::checkpoint::{self, Lengths};
use super::files::{Directory, Files};
use super::header::{SegmentHeader, Unreadable};
use super::index::{Location, MessageId};
use super::record::{Positions, Record};
use super::segment::{Step, Walk, file_name, file_number};
use super::spare;
use crate::id::StoreId;
pub use records::Records;
use unsure::{Borrower, Unsure};
use waiting::Waiting;

/// What a journal holds.
#[derive(Debug, Default)]
pub struct Inspected {
    /// Its segments, in order.
    pub segments: Vec<Segment>,
    /// How many messages wait in each queue.
    pub queues: FxHashMap<StoreId, u64>,
    /// The broker that wrote it stopped in order.
    pub stopped_in_order: bool,
    /// What a clean stop left for the next start.
    pub checkpoint: Checkpoint,
    /// What can't be read.
    pub defects: Vec<Defect>,
    /// Segments that are not there although earlier and later ones are.
    pub missing: Vec<RangeInclusive<u32>>,
    /// Files that are no segments.
    pub others: Vec<String>,
}

/// Whether the next start can begin from a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checkpoint {
    /// There is none.
    #[default]
    Absent,
    /// It holds.
    Valid,
    /// It does not hold; all segments will be read.
    Invalid(checkpoint::Invalid),
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its file.
    pub file: String,
    /// The version of its format, if it can be read.
    pub format: Option<u16>,
    /// Its length.
    pub bytes: u64,
    /// Its good records.
    pub records: Records,
    /// How many messages it tells of that wait: a publication counts once for each queue.
    pub waiting: u64,
}

/// Something that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The file.
    pub file: String,
    /// The bytes of it.
    pub bytes: Range<u64>,
    /// Nothing was written after this segment.
    pub last: bool,
    /// What is wrong.
    pub kind: DefectKind,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefectKind {
    /// No good record up to the end of the segment.
    Tail,
    /// No good record up to the next good one.
    Damaged,
    /// A queue's message, which is not settled, refers to a publication that is not there.
    Dangling {
        /// The queue.
        store: StoreId,
        /// The message's place in it.
        position: u64,
    },
    /// The whole segment is unreadable.
    Unreadable(Unreadable),
}

/// Reads the journal in `folder`, which must exist.
///
/// # Errors
///
/// When a file can't be read.
pub fn inspect(folder: &Path) -> io::Result<Inspected> {
    inspect_files(&Directory::open(folder)?)
}

pub(super) fn inspect_files(files: &dyn Files) -> io::Result<Inspected> {
    let (mut numbers, mut inspection) = (Vec::new(), Inspection::default());
    for name in files.list()? {
        match file_number(&name) {
            Some(number) => numbers.push(number),
            // Written anew by the next clean stop.
            None if [checkpoint::FILE, checkpoint::UNFINISHED, spare::FILE].contains(&name.as_str()) => {}
            None => inspection.inspected.others.push(name),
        }
    }
    numbers.sort_unstable();
    inspection.oldest = numbers.first().copied().unwrap_or_default();
    inspection.inspected.others.sort_unstable();
    inspection.inspected.missing = gaps(&numbers);
    for &number in &numbers {
        let name = file_name(number);
        let bytes = files
            .read(&name, 0, usize::MAX)
            .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        inspection.segment(number, numbers.last() == Some(&number), &bytes);
    }
    inspection.inspected.checkpoint = checkpoint(files, &numbers)?;
    Ok(inspection.end(&numbers))
}

fn checkpoint(files: &dyn Files, numbers: &[u32]) -> io::Result<Checkpoint> {
    if !files.list()?.iter().any(|name| name == checkpoint::FILE) {
        return Ok(Checkpoint::Absent);
    }
    let length = |&number| Ok((number, files.len(&file_name(number))?));
    let lengths: Lengths = numbers.iter().map(length).collect::<io::Result<_>>()?;
    let bytes = files.read(checkpoint::FILE, 0, usize::MAX)?;
    Ok(match checkpoint::decode(&bytes, &lengths) {
        Ok(_) => Checkpoint::Valid,
        Err(why) => Checkpoint::Invalid(why),
    })
}

fn gaps(numbers: &[u32]) -> Vec<RangeInclusive<u32>> {
    let neighbours = numbers.iter().zip(numbers.iter().skip(1));
    neighbours
        .filter(|(one, next)| *one + 1 < **next)
        .map(|(one, next)| one + 1..=next - 1)
        .collect()
}

#[derive(Default)]
struct Inspection {
    inspected: Inspected,
    waiting: Waiting,
    /// What would wait if its publication were there.
    dangling: Waiting,
    /// Where the publications of the current segment begin, in order.
    publications: Vec<u32>,
    /// Those of them whose bodies were not there, with the names of these.
    without: FxHashMap<u32, Location>,
    /// Of all segments so far.
    bodies: Bodies,
    unsure: Unsure,
    /// The first segment.
    oldest: u32,
}

impl Inspection {
    fn segment(&mut self, number: u32, last: bool, bytes: &[u8]) {
        self.inspected.stopped_in_order = false;
        self.publications.clear();
        self.without.clear();
        let mut segment = Segment {
            file: file_name(number),
            format: None,
            bytes: bytes.len() as u64,
            records: Records::default(),
            waiting: 0,
        };
        let own = |header: SegmentHeader| (header.number == number).then_some(header.version);
        let version = SegmentHeader::decode(bytes).and_then(|header| own(header).ok_or(Unreadable::Header));
        match version.and_then(|version| Ok((version, Walk::new(bytes)?))) {
            Ok((version, walk)) => {
                segment.format = Some(version);
                walk.for_each(|step| self.step(number, last, &mut segment, step));
            }
            Err(why) => {
                if let Unreadable::Version(later) = why {
                    segment.format = Some(later);
                }
                self.defect(&segment.file, 0..segment.bytes, last, DefectKind::Unreadable(why));
            }
        }
        self.inspected.segments.push(segment);
    }

    fn step(&mut self, number: u32, last: bool, segment: &mut Segment, step: Step<'_>) {
        let wide = |bytes: Range<usize>| bytes.start as u64..bytes.end as u64;
        match step {
            Step::Record(offset, record) => {
                self.inspected.stopped_in_order = record == Record::Stopped;
                segment.records.count(&record);
                if let Some(dangling) = self.record(number, offset, &record) {
                    let at = u64::from(offset);
                    self.defect(&segment.file, at..at, last, dangling);
                }
            }
            Step::Damaged(bytes) => {
                self.bodies.damaged(number, wide(bytes.clone()));
                self.defect(&segment.file, wide(bytes), last, DefectKind::Damaged);
            }
            Step::Unused(_) if last => {}
            Step::Torn(bytes) | Step::Unused(bytes) => {
                self.bodies.damaged(number, wide(bytes.clone()));
                self.defect(&segment.file, wide(bytes), last, DefectKind::Tail)
            }
        }
    }

    /// Takes a record in. Gives what is wrong with it, if anything.
    fn record(&mut self, number: u32, offset: u32, record: &Record<'_>) -> Option<DefectKind> {
        match *record {
            Record::Publication { store, position, .. } => {
                self.publications.push(offset);
                self.message(MessageId { store, position }, number, None);
            }
            Record::Borrower {
                store,
                position,
                body: name,
                ..
            } => {
                self.publications.push(offset);
                let is_readable = |wanted: u32| wanted == number || self.is_readable(wanted);
                let found = self.bodies.find(name, self.oldest, is_readable);
                if !matches!(found, Whereabouts::At(_)) {
                    self.without.insert(offset, name);
                }
                self.message(MessageId { store, position }, number, Some(offset));
            }
            Record::Body { name, .. } => {
                let at = Location {
                    segment: number,
                    offset,
                };
                self.bodies.moved.insert(name, at);
            }
            Record::Reference {
                store,
                position,
                offset,
                ..
            } => {
                if self.publications.binary_search(&offset).is_err() {
                    self.dangling.insert(store, position, number);
                    return Some(DefectKind::Dangling { store, position });
                }
                self.message(MessageId { store, position }, number, Some(offset));
            }
            Record::Settled { store, ref positions } => {
                for range in positions {
                    self.waiting.settle(store, *range);
                    self.dangling.settle(store, *range);
                    self.unsure.settle(store, *range);
                }
            }
            Record::QueueDeleted { store } => {
                self.waiting.delete(store);
                self.dangling.delete(store);
                self.unsure.settle(store, Positions::ALL);
            }
            Record::Returned { .. } | Record::HandedOut { .. } | Record::Stopped => {}
        }
        None
    }

    /// A message waits whose publication is at an offset of a segment, if that matters.
    fn message(&mut self, message: MessageId, segment: u32, offset: Option<u32>) {
        let MessageId { store, position } = message;
        self.waiting.insert(store, position, segment);
        match offset.and_then(|offset| Some((offset, *self.without.get(&offset)?))) {
            Some((offset, name)) => {
                let at = Location { segment, offset };
                self.unsure.insert(message, Borrower { at, name });
            }
            None => self.unsure.forget(message),
        }
    }

    fn is_readable(&self, number: u32) -> bool {
        let file = file_name(number);
        let unreadable = |defect: &Defect| matches!(defect.kind, DefectKind::Unreadable(_));
        let segments = &self.inspected.segments;
        let found = segments
            .binary_search_by(|segment| segment.file.cmp(&file))
            .is_ok();
        let defects = &self.inspected.defects;
        found
            && !defects
                .iter()
                .any(|defect| defect.file == file && unreadable(defect))
    }

    /// Those whose bodies are nowhere do not wait: they are settled, or lost.
    fn decide(&mut self, last: Option<u32>) {
        let stopped_in_order = self.inspected.stopped_in_order;
        for (MessageId { store, position }, Borrower { at, name }) in self.unsure.take() {
            let is_lost = match self
                .bodies
                .find(name, self.oldest, |number| self.is_readable(number))
            {
                Whereabouts::At(_) => continue,
                Whereabouts::Settled => false,
                Whereabouts::Lost => true,
            };
            self.waiting.settle(store, Positions::one(position));
            if is_lost {
                let (segment, offset) = (at.segment, u64::from(at.offset));
                self.dangling.insert(store, position, segment);
                let dangling = DefectKind::Dangling { store, position };
                self.defect(
                    &file_name(segment),
                    offset..offset,
                    last == Some(segment),
                    dangling,
                );
            }
        }
        self.inspected.stopped_in_order = stopped_in_order;
    }

    fn defect(&mut self, file: &str, bytes: Range<u64>, last: bool, kind: DefectKind) {
        self.inspected.stopped_in_order = false;
        self.inspected.defects.push(Defect {
            file: file.to_owned(),
            bytes,
            last,
            kind,
        });
    }

    fn end(mut self, numbers: &[u32]) -> Inspected {
        self.decide(numbers.last().copied());
        for (segment, &number) in self.inspected.segments.iter_mut().zip(numbers) {
            segment.waiting = self.waiting.in_segment(number);
        }
        let Inspection {
            dangling, inspected, ..
        } = &mut self;
        inspected.defects.retain(|defect| match defect.kind {
            DefectKind::Dangling { store, position } => dangling.has(store, position),
            _ => true,
        });
        self.inspected.queues = self.waiting.by_queue().collect();
        self.inspected
    }
}
