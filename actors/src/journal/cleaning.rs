//! Old segments make room: what still lives in them is copied forward, so that a message no one takes holds no
//! more than itself.
//!
//! Segments are only deleted oldest first. The oldest one is cleaned when all together hold more than
//! twice what lives, so that a message is copied about once for each time the traffic writes as much as lives.

use std::io;
use std::sync::Arc;

use leveret_protocol::Body;
use rustc_hash::FxHashMap;
use tracing::error;

use super::files::Files;
use super::index::{Location, MessageId};
use super::loading::{Source, Unread};
use super::log::{Copied, CopiedBody, Lender, Log, Op};
use super::pieces::Pieces;
use super::record::Record;
use super::segment::{Step, file_name};
use crate::publication::PageBuilder;

/// Dead bytes that are put up with, in segments.
const SLACK: u64 = 4;

/// The segment that is being cleaned.
#[derive(Debug, Default)]
pub(super) struct Cleaning {
    current: Option<Current>,
    /// The one before, if it is still there.
    done: Option<u32>,
    /// A segment with live messages that can't be read. Cleaning ends with it.
    stuck: Option<u32>,
    /// Copies could not be written since this was asked last.
    failed: bool,
}

#[derive(Debug)]
struct Current {
    number: u32,
    pieces: Pieces,
    /// Bytes that were read of it.
    read: u64,
}

impl Cleaning {
    /// The segment is deleted.
    pub(super) fn forget(&mut self, number: u32) {
        self.current.take_if(|current| current.number == number);
        self.done.take_if(|done| *done == number);
        self.stuck.take_if(|stuck| *stuck == number);
    }
}

impl Log {
    /// Copies what lives in the next `budget` bytes of the segment that is being cleaned, or begins with one.
    /// True when there is more to do. The copies are written by the next commit.
    ///
    /// # Errors
    /// When the segment can't be read.
    pub fn clean(&mut self, budget: usize) -> io::Result<bool> {
        // What is settled and not written must not be copied after that is told.
        if self.written < self.unsynced.len() {
            return Ok(false);
        }
        let current = self.cleaning.current.take();
        let under_way = current.as_ref().map(|current| current.number);
        let Some(number) = under_way.or_else(|| self.wants_cleaning()) else {
            return Ok(false);
        };
        let from = current.as_ref().map_or(0, |current| current.read);
        let piece = self.files.read(&file_name(number), from, budget)?;
        let pieces = match current {
            Some(Current { mut pieces, .. }) => {
                pieces.push(&piece);
                Ok(pieces)
            }
            None => Pieces::new(&piece),
        };
        let Ok(mut pieces) = pieces else {
            self.give_up(number);
            return Ok(true);
        };
        let is_last = piece.len() < budget;
        if is_last {
            pieces.end();
        }
        self.copy_from(number, &mut pieces)?;
        if is_last {
            self.cleaning.done = Some(number);
        } else {
            let read = from + piece.len() as u64;
            self.cleaning.current = Some(Current { number, pieces, read });
        }
        Ok(true)
    }

    /// Whether copies could not be written since this was asked last. To try again at once would mostly fail again.
    pub fn take_failed_copies(&mut self) -> bool {
        std::mem::take(&mut self.cleaning.failed)
    }

    /// Takes back the copies that are not safe, those in the index among them, which were written from `lost` on. The
    /// originals are still there, and the space they would give is not worth holding anything up: cleaning begins anew.
    pub(super) fn drop_copies(&mut self, lost: Option<Location>) {
        let copied = |op: &mut Op| matches!(op, Op::Moved { .. });
        for op in self.unsynced.extract_if(.., copied) {
            self.cleaning.failed = true;
            let (Op::Moved { messages, bodies, .. }, Some(lost)) = (op, lost) else {
                continue;
            };
            let bodies = bodies.iter().map(|copied| (copied.name, copied.from));
            self.sink.index.move_bodies_back(lost, bodies);
            let back = messages.iter().map(|copied| {
                let body = copied.body.map(|body| body.name);
                (copied.message, copied.from, body)
            });
            self.sink.index.move_back(lost, back);
        }
        self.cleaning.current = None;
        self.cleaning.done = None;
    }

    /// The oldest segment, when it is to be cleaned.
    fn wants_cleaning(&mut self) -> Option<u32> {
        let (oldest, segment) = self.index().segments().next()?;
        let active = self.active.as_ref().map(|active| active.number);
        if Some(oldest) == active || self.cleaning.stuck.is_some() {
            return None;
        }
        let (bytes, live) = self
            .index()
            .segments()
            .fold((0, 0), |(bytes, live), (_, segment)| {
                (bytes + segment.bytes, live + segment.live_bytes())
            });
        let wasteful = bytes > 2 * live + SLACK * self.settings.segment_bytes;
        if !wasteful || segment.is_dead() {
            return None;
        }
        if self.cleaning.done == Some(oldest) {
            self.give_up(oldest);
            return None;
        }
        Some(oldest)
    }

    /// Copies what lives in the pieces of a segment.
    fn copy_from(&mut self, segment: u32, pieces: &mut Pieces) -> io::Result<()> {
        let mut copies = Copies::new(Arc::clone(&self.files));
        while let Some(step) = pieces.next() {
            let Step::Record(at, record) = step else {
                continue;
            };
            let location = Location { segment, offset: at };
            let name = name_of(&record, location);
            if name.is_some_and(|name| self.sink.index.lending.lent(name) == Some(location)) {
                copies.add_body(&record, location);
            }
            let Some((message, offset, deadline)) = record.message(at) else {
                continue;
            };
            let location = Location { segment, offset };
            if self.index().get(message.store, message.position) == Some(location) {
                copies.add(&record, message, deadline, location)?;
            }
        }
        self.unsynced.extend(copies.finish());
        Ok(())
    }

    fn give_up(&mut self, number: u32) {
        error!(
            file = file_name(number),
            "a segment with unsettled messages can't be read any more; it is kept"
        );
        self.cleaning.stuck = Some(number);
    }
}

/// The name of the body that is in a record.
fn name_of(record: &Record<'_>, at: Location) -> Option<Location> {
    match *record {
        Record::Publication { .. } => Some(at),
        Record::Body { name, .. } => Some(name),
        _ => None,
    }
}

/// What one step copies.
struct Copies {
    builder: PageBuilder,
    /// Where in the page the publication at an offset of the segment is, and its body if that is elsewhere.
    copied: FxHashMap<u32, (u32, Option<Lender>)>,
    messages: Vec<Copied>,
    bodies: Vec<CopiedBody>,
    /// Of publications in earlier pieces.
    source: Source,
}

impl Copies {
    fn new(files: Arc<dyn Files>) -> Self {
        Copies {
            builder: PageBuilder::default(),
            copied: FxHashMap::default(),
            messages: Vec::new(),
            bodies: Vec::new(),
            source: Source::new(files),
        }
    }

    /// Adds a message that this record tells of. One whose publication is damaged is left where it is.
    fn add(
        &mut self,
        record: &Record<'_>,
        message: MessageId,
        deadline: u64,
        from: Location,
    ) -> io::Result<()> {
        let known = self.copied.get(&from.offset).copied();
        let copied = match (known, record) {
            (Some(known), _) => Some(known),
            (None, Record::Reference { .. }) => match self.source.read(&[(message.position, from)]) {
                Ok(record) => copy(&mut self.builder, &record),
                Err(Unread::Io(failure)) => return Err(failure),
                Err(Unread::Gone | Unread::Damaged) => None,
            },
            (None, record) => copy(&mut self.builder, record),
        };
        let Some((offset, body)) = copied else {
            return Ok(());
        };
        self.copied.insert(from.offset, (offset, body));
        self.messages.push(Copied {
            message,
            offset,
            deadline,
            from,
            body,
        });
        Ok(())
    }

    /// Adds the body of this record, which publications have that are elsewhere.
    fn add_body(&mut self, record: &Record<'_>, from: Location) {
        let Some((offset, _)) = copy(&mut self.builder, record) else {
            return;
        };
        let name = match *record {
            Record::Body { name, .. } => name,
            _ => {
                self.copied.insert(from.offset, (offset, None));
                from
            }
        };
        self.bodies.push(CopiedBody { name, offset, from });
    }

    fn finish(mut self) -> Option<Op> {
        let page = self.builder.finish();
        let is_empty = self.messages.is_empty() && self.bodies.is_empty();
        (!is_empty).then(|| Op::Moved {
            page: Arc::clone(&page),
            messages: self.messages,
            bodies: self.bodies,
        })
    }
}

/// Copies what a record has to a page: where it is there, and its body if that is elsewhere.
fn copy(builder: &mut PageBuilder, record: &Record<'_>) -> Option<(u32, Option<Lender>)> {
    match record {
        Record::Publication { publication, .. } => Some((builder.copy(publication.clone()), None)),
        Record::Borrower {
            publication, body, ..
        } => {
            let len = publication.body_len;
            let body = Lender { name: *body, len };
            Some((builder.copy(publication.clone()), Some(body)))
        }
        Record::Body { body, .. } => Some((builder.push("", "", &[], true, Body::Slice(body)), None)),
        _ => None,
    }
}
