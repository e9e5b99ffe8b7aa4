//! What a journal holds, read from its files after a start.
//!
//! The segments are read in order. What no good record covers is reported with its file and place and left
//! out; everything that is provably good is kept. [`scan`] changes nothing, [`repair`] cuts off torn tails.

use std::io;
use std::ops::Range;
use std::sync::mpsc;
use std::thread;

use leveret_protocol::properties;
use rustc_hash::FxHashMap;

use super::bodies::Bodies;
use super::checkpoint::{self, Invalid, Lengths};
use super::files::Files;
use super::header::Unreadable;
use super::index::{Index, Location, MessageId};
use super::loading::fill;
use super::pieces::Pieces;
use super::record::{Positions, Record, borrower_len};
use super::segment::{Step, file_name, file_number};
use crate::id::StoreId;

pub use super::defect::{Defect, DefectKind};
pub use super::recovered_queue::RecoveredQueue;

/// Bytes that are read at once.
const PIECE: usize = if cfg!(test) { 100 } else { 1024 * 1024 };

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
    /// Where bodies have moved to.
    pub(super) bodies: Bodies,
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
/// They are read piece by piece; the next ones are read while one is looked through.
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
    let (oldest, last) = (
        lengths.keys().next().copied(),
        lengths.keys().next_back().copied(),
    );
    let (reply, pieces) = mpsc::sync_channel(1);
    let (done, unused) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for &number in lengths.keys() {
                if let Err(failure) = read_segment(files, number, &reply, &unused) {
                    let _ = reply.send(Err(failure));
                    return;
                }
            }
        });
        let mut reading = Reading::default();
        for piece in pieces {
            let Piece { number, bytes } = piece?;
            if reading.bytes == 0 {
                progress(so_far);
                recovered.next_segment = number.saturating_add(1);
            }
            so_far.read += bytes.len() as u64;
            reading = recovered.read_piece(reading, number, Some(number) == last, &bytes);
            let _ = done.send(bytes);
        }
        recovered.find_bodies(oldest.unwrap_or_default());
        Ok(recovered)
    })
}

/// Sends the pieces of a segment, and then an empty one. Stops when nobody wants them.
fn read_segment(
    files: &dyn Files,
    number: u32,
    reply: &mpsc::SyncSender<io::Result<Piece>>,
    unused: &mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let file = files.open(&file_name(number))?;
    let mut at = 0;
    loop {
        let mut bytes = unused.try_recv().unwrap_or_default();
        bytes.resize(PIECE, 0);
        let count = fill(&*file, &mut bytes, at)?;
        bytes.truncate(count);
        at += count as u64;
        let sent = reply.send(Ok(Piece { number, bytes }));
        if sent.is_err() || count == 0 {
            return Ok(());
        }
    }
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

    /// Takes a piece of a segment in; an empty one is the end of it.
    fn read_piece(&mut self, mut reading: Reading, number: u32, last: bool, piece: &[u8]) -> Reading {
        if reading.bytes == 0 {
            self.stopped_in_order = false;
            reading.pieces = match Pieces::new(piece) {
                Ok(pieces) if pieces.header().number == number => Ok(pieces),
                Ok(_) => Err(Unreadable::Header),
                Err(why) => Err(why),
            };
        } else if let Ok(pieces) = &mut reading.pieces {
            pieces.push(piece);
        }
        reading.bytes += piece.len();
        let is_end = piece.is_empty();
        let name = &file_name(number);
        match &mut reading.pieces {
            Ok(pieces) => {
                if is_end {
                    pieces.end();
                }
                reading.end = self.read_steps(pieces, number, last, &mut reading.publications);
            }
            Err(why) if is_end => self.defect(name, 0..reading.bytes, DefectKind::Unreadable(*why)),
            Err(_) => {}
        }
        if !is_end {
            return reading;
        }
        if reading.pieces.is_ok() {
            self.index
                .grow(number, reading.end.unwrap_or(reading.bytes) as u64);
        }
        Reading::default()
    }

    /// Takes in what the pieces allow. Returns where the segment ends, when that is before its last byte.
    fn read_steps(
        &mut self,
        pieces: &mut Pieces,
        number: u32,
        last: bool,
        publications: &mut FxHashMap<u32, First>,
    ) -> Option<usize> {
        let name = &file_name(number);
        let mut end = None;
        while let Some(step) = pieces.next() {
            match step {
                Step::Record(offset, record) => {
                    let location = Location {
                        segment: number,
                        offset,
                    };
                    if !self.read(location, record, publications) {
                        self.defect(name, offset as usize..offset as usize, DefectKind::Dangling);
                    }
                }
                Step::Damaged(bytes) => self.defect(name, bytes, DefectKind::Damaged),
                Step::Unused(bytes) if last => end = Some(bytes.start),
                Step::Torn(bytes) | Step::Unused(bytes) => {
                    end = Some(bytes.start);
                    self.defect(name, bytes, DefectKind::Torn);
                }
            }
        }
        end
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
                publication,
            } => {
                let message = MessageId { store, position };
                let first = self.first(message, deadline, publication.properties);
                publications.insert(location.offset, first);
                self.index.insert(message, location);
            }
            Record::Borrower {
                store,
                position,
                deadline,
                publication,
                body: name,
            } => {
                let message = MessageId { store, position };
                let first = self.first(message, deadline, publication.properties);
                let body = Some(name);
                publications.insert(location.offset, First { body, ..first });
                let bytes = borrower_len(&publication, deadline) as u64;
                self.index.insert_borrower(message, location, bytes, name);
            }
            Record::Body { name, .. } => {
                self.bodies.moved.insert(name, location);
                self.index.count_body(location.segment);
            }
            Record::Reference {
                store,
                position,
                offset,
                deadline,
            } => {
                let message = MessageId { store, position };
                let Some(first) = publications.get(&offset) else {
                    self.seen(message, deadline, None);
                    return false;
                };
                self.seen(message, deadline, first.priority);
                let location = Location { offset, ..location };
                self.index
                    .insert_further(message, location, first.message, first.body);
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

    /// What is to be known of the first message of a publication with these properties.
    fn first(&mut self, message: MessageId, deadline: u64, properties: &[u8]) -> First {
        let first = First {
            message,
            deadline,
            priority: properties::priority(properties),
            body: None,
        };
        self.seen(message, deadline, first.priority);
        first
    }

    fn seen(&mut self, message: MessageId, deadline: u64, priority: Option<u8>) {
        let queue = self.queues.entry(message.store).or_default();
        queue.had(Positions::one(message.position), priority);
        if deadline != 0 {
            queue.timed(message.position);
        }
    }

    pub(super) fn defect(&mut self, file: &str, bytes: Range<usize>, kind: DefectKind) {
        self.stopped_in_order = false;
        self.defects.push(Defect {
            file: file.to_owned(),
            bytes,
            kind,
        });
    }
}

/// Some bytes of a segment.
struct Piece {
    number: u32,
    /// None behind the last.
    bytes: Vec<u8>,
}

/// A segment that is being read.
struct Reading {
    pieces: Result<Pieces, Unreadable>,
    /// How many bytes were read.
    bytes: usize,
    /// Where it ends, if that is before its last byte.
    end: Option<usize>,
    /// By the offset of the record.
    publications: FxHashMap<u32, First>,
}

impl Default for Reading {
    fn default() -> Self {
        Reading {
            pieces: Err(Unreadable::Short),
            bytes: 0,
            end: None,
            publications: FxHashMap::default(),
        }
    }
}

/// The first message of a publication.
struct First {
    message: MessageId,
    deadline: u64,
    priority: Option<u8>,
    /// The name of its body, if that is elsewhere.
    body: Option<Location>,
}
