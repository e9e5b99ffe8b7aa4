//! Messages read back from the segments into pages.
//!
//! Neighbours are read with one large read into a buffer that is used again; every record is checked before it is
//! copied.

use std::io;
use std::sync::Arc;

use leveret_protocol::Body;

use super::Restored;
use super::files::{Files, ReadAt};
use super::header::{SEGMENT_HEADER, SegmentHeader};
use super::index::Location;
use super::record::{RECORD_HEADER, Record};
use super::segment::file_name;
use crate::publication::{PageBuilder, Publication};

/// Size at which a page of messages is closed.
const PAGE: u64 = 64 * 1024;
/// Bytes that neighbours are read with.
const READ: usize = 512 * 1024;
/// What is read of a message that has no neighbours, in the hope that it is no longer.
const GUESS: usize = 4 * 1024;
/// How far apart neighbours may begin.
const APART: usize = 32 * 1024;
/// A buffer larger than this is given back after use.
const KEPT: usize = 2 * READ;

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// Its segment is not there.
    #[error("the file is not there")]
    Gone,
    /// No good record is where it should be.
    #[error("the record is damaged")]
    Damaged,
    /// The system can't read it.
    #[error("{0}")]
    Io(io::Error),
}

/// Where whole messages are read from: records and bodies that are elsewhere each have neighbours of their own.
pub(super) struct Sources {
    records: Source,
    bodies: Source,
}

impl Sources {
    pub(super) fn new(files: Arc<dyn Files>) -> Self {
        Sources {
            records: Source::new(Arc::clone(&files)),
            bodies: Source::new(files),
        }
    }

    /// As [`Source::close`].
    pub(super) fn close(&mut self) {
        self.records.close();
        self.bodies.close();
    }

    /// The message at the first of these places, and the deadline of the queue that had it first; the others are likely
    /// to be asked for next. Of those that have no bodies in their records `bodies` tells, by their positions, where they are.
    ///
    /// # Errors
    /// When it can't be read, and what of it.
    pub(super) fn read(
        &mut self,
        places: &[(u64, Location)],
        bodies: &[(u64, Location)],
    ) -> Result<(Publication<'_>, u64), (Unread, Location)> {
        let &(position, at) = places.first().ok_or((Unread::Damaged, Location::default()))?;
        match self.records.read(places).map_err(|unread| (unread, at))? {
            Record::Publication {
                publication,
                deadline,
                ..
            } => Ok((publication, deadline)),
            Record::Borrower {
                publication,
                deadline,
                ..
            } => {
                let from = bodies.partition_point(|(other, _)| *other < position);
                let bodies = bodies.get(from..).unwrap_or_default();
                let first = bodies.first().filter(|(other, _)| *other == position);
                let &(_, body_at) = first.ok_or((Unread::Damaged, at))?;
                let body = self.bodies.read(bodies).and_then(body);
                let body = body.and_then(|body| whole(body, &publication));
                let body = body.map_err(|unread| (unread, body_at))?;
                Ok((Publication { body, ..publication }, deadline))
            }
            _ => Err((Unread::Damaged, at)),
        }
    }
}

/// The body in a record.
fn body(record: Record<'_>) -> Result<Body<'_>, Unread> {
    match record {
        Record::Publication { publication, .. } => Ok(publication.body),
        Record::Body { body, .. } => Ok(Body::Slice(body)),
        _ => Err(Unread::Damaged),
    }
}

/// A body, if it can be that of a publication.
fn whole<'a>(body: Body<'a>, publication: &Publication<'_>) -> Result<Body<'a>, Unread> {
    if body.len() == publication.body_len as usize {
        Ok(body)
    } else {
        Err(Unread::Damaged)
    }
}

/// Where records are read from.
pub(super) struct Source {
    files: Arc<dyn Files>,
    open: Option<(SegmentHeader, Box<dyn ReadAt>)>,
    /// What was read last, and where in the segment it begins.
    bytes: Vec<u8>,
    from: usize,
}

impl Source {
    pub(super) fn new(files: Arc<dyn Files>) -> Self {
        Source {
            files,
            open: None,
            bytes: Vec::new(),
            from: 0,
        }
    }

    /// Closes the file: one that is deleted takes room while it is open.
    pub(super) fn close(&mut self) {
        self.open = None;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
    }

    /// The record at the first of these places; the others are likely to be asked for next.
    pub(super) fn read(&mut self, places: &[(u64, Location)]) -> Result<Record<'_>, Unread> {
        let Some(&(_, Location { segment, offset })) = places.first() else {
            return Err(Unread::Damaged);
        };
        let salt = self.open(segment)?;
        let at = offset as usize;
        self.load(at, RECORD_HEADER, places)?;
        let head = self
            .bytes
            .get(at - self.from..)
            .and_then(|rest| rest.first_chunk());
        let len = RECORD_HEADER + u32::from_le_bytes(*head.ok_or(Unread::Damaged)?) as usize;
        self.load(at, len, places)?;
        let read = Record::read_from(&self.bytes, self.from, salt, at);
        read.map(|(record, _)| record).ok_or(Unread::Damaged)
    }

    fn open(&mut self, number: u32) -> Result<u64, Unread> {
        if let Some((header, _)) = self.open.as_ref().filter(|(header, _)| header.number == number) {
            return Ok(header.salt);
        }
        self.close();
        let file = self
            .files
            .open(&file_name(number))
            .map_err(|failure| match failure.kind() {
                io::ErrorKind::NotFound => Unread::Gone,
                _ => Unread::Io(failure),
            })?;
        let mut bytes = vec![0; SEGMENT_HEADER];
        fill(&*file, &mut bytes, 0).map_err(Unread::Io)?;
        let header = SegmentHeader::decode(&bytes).map_err(|_| Unread::Damaged)?;
        if header.number != number {
            return Err(Unread::Damaged);
        }
        self.open = Some((header, file));
        Ok(header.salt)
    }

    /// Sees that `len` bytes from `at` are there, if the segment has them.
    fn load(&mut self, at: usize, len: usize, places: &[(u64, Location)]) -> Result<(), Unread> {
        let end = self.from + self.bytes.len();
        if at >= self.from && at + len <= end {
            return Ok(());
        }
        let Some((_, file)) = &self.open else {
            return Err(Unread::Gone);
        };
        // A damaged length must not make us ask for more than there is: what is missing is read step by step.
        let wanted = len.max(ahead(places) + GUESS);
        self.from = at;
        self.bytes.clear();
        while self.bytes.len() < wanted {
            let had = self.bytes.len();
            let step = (wanted - had).min(READ.max(had));
            self.bytes.resize(had + step, 0);
            let read = self
                .bytes
                .get_mut(had..)
                .map_or(Ok(0), |into| fill(&**file, into, (at + had) as u64));
            let count = read.inspect_err(|_| self.bytes.clear()).map_err(Unread::Io)?;
            self.bytes.truncate(had + count);
            if count < step {
                break;
            }
        }
        Ok(())
    }
}

/// How far the last neighbour of the first place begins after it.
fn ahead(places: &[(u64, Location)]) -> usize {
    let Some(&(_, first)) = places.first() else {
        return 0;
    };
    let mut last = first.offset;
    for (_, next) in places {
        let near = next.segment == first.segment
            && (last..=last.saturating_add(APART as u32)).contains(&next.offset)
            && (next.offset - first.offset) as usize <= READ;
        if !near {
            break;
        }
        last = next.offset;
    }
    (last - first.offset) as usize
}

/// Reads until the buffer is full or the file ends, and returns how many bytes.
pub(super) fn fill(file: &dyn ReadAt, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = into.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + count as u64) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(count)
}

/// Messages on their way into pages.
#[derive(Default)]
pub(super) struct Pages {
    builder: PageBuilder,
    messages: Vec<(u64, u32)>,
    /// Those of the messages, up to the last that has one.
    deadlines: Vec<u64>,
    done: Vec<Restored>,
    bytes: u64,
}

impl Pages {
    /// Bytes of all messages so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.builder.len()
    }

    /// Adds a message. A deadline of 0 is none.
    pub(super) fn add(&mut self, position: u64, publication: Publication<'_>, deadline: u64) {
        let offset = self.builder.copy(publication);
        if deadline != 0 {
            self.deadlines.resize(self.messages.len(), 0);
            self.deadlines.push(deadline);
        }
        self.messages.push((position, offset));
        if self.builder.len() >= PAGE {
            self.close();
        }
    }

    /// All messages, in order.
    pub(super) fn finish(&mut self) -> Vec<Restored> {
        self.close();
        self.bytes = 0;
        std::mem::take(&mut self.done)
    }

    fn close(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        self.bytes += self.builder.len();
        if !self.deadlines.is_empty() {
            self.deadlines.resize(self.messages.len(), 0);
        }
        self.done.push(Restored {
            page: self.builder.finish(),
            messages: std::mem::take(&mut self.messages),
            deadlines: std::mem::take(&mut self.deadlines),
        });
    }
}
