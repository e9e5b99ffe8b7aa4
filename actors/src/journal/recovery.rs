//! What a journal holds, read from its files after a start.
//!
//! The segments are read in order. What no good record covers is reported with its file and place and left
//! out; everything that is provably good is kept. [`scan`] changes nothing, [`repair`] cuts off torn tails.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::mpsc;
use std::thread;

use rustc_hash::FxHashMap;

use super::checkpoint::{self, Invalid, Lengths};
use super::files::Files;
use super::header::{SegmentHeader, Unreadable};
use super::index::{Index, Location, MessageId};
use super::loading::fill;
use super::record::Record;
use super::segment::{Step, Walk, file_name, file_number};
use crate::id::StoreId;

/// What the files hold.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The unsettled messages.
    pub index: Index,
    /// What more is known of each queue.
    pub queues: FxHashMap<StoreId, RecoveredQueue>,
    /// The broker that wrote the journal stopped in order.
    pub stopped_in_order: bool,
    /// The number of the next segment.
    pub next_segment: u32,
    /// What can't be read.
    pub defects: Vec<Defect>,
}

/// What is known of a queue beside its unsettled messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoveredQueue {
    /// The position of its next message: above all that were seen.
    pub next_position: u64,
    /// Messages below this position may have been handed out before, if the broker stopped in order.
    pub handed_out_below: u64,
    /// No message from this position on has a deadline.
    pub timed_below: u64,
}

impl RecoveredQueue {
    /// It had a message at this position.
    pub(super) fn seen(&mut self, position: u64) {
        self.next_position = self.next_position.max(position.saturating_add(1));
    }

    /// Its message at this position has a deadline.
    pub(super) fn timed(&mut self, position: u64) {
        self.timed_below = self.timed_below.max(position.saturating_add(1));
    }

    /// Messages up to this position may have been handed out.
    pub(super) fn handed_out(&mut self, upto: u64) {
        self.seen(upto);
        self.handed_out_below = self.handed_out_below.max(upto.saturating_add(1));
    }

    /// All its messages may have been handed out.
    pub(super) fn suspect(&mut self) {
        self.handed_out_below = u64::MAX;
    }
}

/// Something that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The file.
    pub file: String,
    /// The bytes of it.
    pub bytes: Range<usize>,
    /// What is wrong with them.
    pub kind: DefectKind,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefectKind {
    /// The end of a segment was never completed, as a crash leaves it.
    Torn,
    /// Records before good ones are damaged.
    Damaged,
    /// The publication a record refers to is not there.
    Dangling,
    /// The whole segment is unreadable.
    Unreadable(Unreadable),
}

impl Defect {
    /// Whether [`repair`] leaves it as it is.
    pub(super) fn lasts(&self) -> bool {
        !matches!(
            self.kind,
            DefectKind::Torn | DefectKind::Unreadable(Unreadable::Short)
        )
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.bytes;
        write!(f, "{}, bytes {start} to {end}: ", self.file)?;
        match self.kind {
            DefectKind::Torn => write!(f, "the tail was never completed"),
            DefectKind::Damaged => write!(f, "damaged records"),
            DefectKind::Dangling => write!(f, "a reference to a publication that is not there"),
            DefectKind::Unreadable(why) => write!(f, "unreadable: {why}"),
        }
    }
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub read: u64,
    /// Bytes there are to read.
    pub total: u64,
}

/// Reads what a clean stop left for the start, if it holds; why not, if there is one that does not.
///
/// # Errors
/// When files can't be read.
pub fn read_checkpoint(files: &dyn Files) -> io::Result<Option<Result<Recovered, Invalid>>> {
    let names = files.list()?;
    if !names.iter().any(|name| name == checkpoint::FILE) {
        return Ok(None);
    }
    let bytes = files.read(checkpoint::FILE, 0, usize::MAX)?;
    Ok(Some(checkpoint::decode(&bytes, &lengths(files)?)))
}

/// The lengths of all segments.
///
/// # Errors
/// When the system does not tell.
pub(super) fn lengths(files: &dyn Files) -> io::Result<Lengths> {
    let names = files.list()?;
    let numbers = names.iter().filter_map(|name| file_number(name));
    numbers
        .map(|number| Ok((number, files.len(&file_name(number))?)))
        .collect()
}

/// Reads all segments.
///
/// # Errors
/// When one can't be read.
pub fn scan(files: &dyn Files) -> io::Result<Recovered> {
    scan_with(files, &mut |_| {})
}

/// Reads all segments, and tells how far it is before each.
///
/// The next segment is read while one is looked through, so that two of them are in memory.
///
/// # Errors
/// When one can't be read.
pub fn scan_with(files: &dyn Files, progress: &mut dyn FnMut(Progress)) -> io::Result<Recovered> {
    let lengths = lengths(files)?;
    let mut so_far = Progress {
        read: 0,
        total: lengths.values().sum(),
    };
    let mut recovered = Recovered::empty();
    let last = lengths.keys().next_back().copied();
    let (reply, segments) = mpsc::sync_channel(0);
    let (done, unused) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for &number in lengths.keys() {
                let buffer: Vec<u8> = unused.try_recv().unwrap_or_default();
                let segment = read_whole(files, &file_name(number), buffer);
                let sent = reply.send((number, segment));
                if sent.is_err() {
                    return;
                }
            }
        });
        for (number, segment) in segments {
            progress(so_far);
            let segment = segment?;
            so_far.read += segment.len() as u64;
            recovered.next_segment = number.saturating_add(1);
            recovered.read_segment(number, Some(number) == last, &segment);
            let _ = done.send(segment);
        }
        Ok(recovered)
    })
}

fn read_whole(files: &dyn Files, name: &str, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    let len = usize::try_from(files.len(name)?).map_err(|_| io::ErrorKind::OutOfMemory)?;
    buffer.resize(len, 0);
    let count = fill(&*files.open(name)?, &mut buffer, 0)?;
    buffer.truncate(count);
    Ok(buffer)
}

/// Cuts off the tails that were found torn or unused, and deletes files that end within their header: they hold nothing.
/// What was read of the last segment is durable afterwards: others rely on it.
pub fn repair(files: &dyn Files, recovered: &Recovered) -> io::Result<()> {
    for defect in &recovered.defects {
        match defect.kind {
            DefectKind::Torn => files.truncate(&defect.file, defect.bytes.start as u64)?,
            DefectKind::Unreadable(Unreadable::Short) => files.delete(&defect.file)?,
            _ => {}
        }
    }
    let Some((number, last)) = recovered.index.segments().next_back() else {
        return Ok(());
    };
    let name = file_name(number);
    if recovered.stopped_in_order && files.len(&name)? == last.bytes {
        return Ok(());
    }
    files.truncate(&name, last.bytes)
}

impl Recovered {
    /// Of a journal that begins.
    pub(super) fn empty() -> Self {
        Recovered {
            next_segment: 1,
            ..Recovered::default()
        }
    }

    fn read_segment(&mut self, number: u32, last: bool, segment: &[u8]) {
        let name = &file_name(number);
        self.stopped_in_order = false;
        let walk = match Walk::new(segment) {
            Ok(walk) if is_number(segment, number) => walk,
            Ok(_) => return self.defect(name, 0..segment.len(), DefectKind::Unreadable(Unreadable::Header)),
            Err(why) => return self.defect(name, 0..segment.len(), DefectKind::Unreadable(why)),
        };
        let mut end = segment.len();
        let mut publications = FxHashMap::default();
        for step in walk {
            match step {
                Step::Record(offset, record) => {
                    let location = Location {
                        segment: number,
                        offset,
                    };
                    if !self.read(location, record, &mut publications) {
                        self.defect(name, offset as usize..offset as usize, DefectKind::Dangling);
                    }
                }
                Step::Damaged(bytes) => self.defect(name, bytes, DefectKind::Damaged),
                Step::Unused(bytes) if last => end = bytes.start,
                Step::Torn(bytes) | Step::Unused(bytes) => {
                    end = bytes.start;
                    self.defect(name, bytes, DefectKind::Torn);
                }
            }
        }
        self.index.grow(number, end as u64);
    }

    /// Takes a record in. False when it refers to something that is not there.
    fn read(
        &mut self,
        location: Location,
        record: Record<'_>,
        publications: &mut FxHashMap<u32, First>,
    ) -> bool {
        self.stopped_in_order = record == Record::Stopped;
        match record {
            Record::Publication {
                store,
                position,
                deadline,
                ..
            } => {
                let message = MessageId { store, position };
                publications.insert(location.offset, First { message, deadline });
                self.seen(message, deadline);
                self.index.insert(message, location);
            }
            Record::Reference {
                store,
                position,
                offset,
                deadline,
            } => {
                let message = MessageId { store, position };
                self.seen(message, deadline);
                let Some(first) = publications.get(&offset) else {
                    return false;
                };
                let location = Location { offset, ..location };
                self.index.insert_further(message, location, first.message);
                if deadline != first.deadline {
                    self.index.notes.expires(message, deadline);
                }
            }
            Record::Settled { store, positions } => {
                for range in positions {
                    self.queues.entry(store).or_default().seen(range.last);
                    self.index.settle(store, range);
                }
            }
            Record::Returned { store, returns } => {
                for back in returns {
                    self.index.returned(store, back);
                }
            }
            Record::HandedOut { store, upto } => {
                self.queues.entry(store).or_default().handed_out(upto);
            }
            Record::QueueDeleted { store } => {
                self.index.remove(store);
                self.queues.remove(&store);
            }
            Record::Stopped => {}
        }
        true
    }

    fn seen(&mut self, message: MessageId, deadline: u64) {
        let queue = self.queues.entry(message.store).or_default();
        queue.seen(message.position);
        if deadline != 0 {
            queue.timed(message.position);
        }
    }

    fn defect(&mut self, file: &str, bytes: Range<usize>, kind: DefectKind) {
        self.stopped_in_order = false;
        self.defects.push(Defect {
            file: file.to_owned(),
            bytes,
            kind,
        });
    }
}

/// The first message of a publication.
struct First {
    message: MessageId,
    deadline: u64,
}

fn is_number(segment: &[u8], number: u32) -> bool {
    SegmentHeader::decode(segment).is_ok_and(|header| header.number == number)
}
