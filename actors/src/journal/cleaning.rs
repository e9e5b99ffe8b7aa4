//! Old segments make room: what still lives in them is copied forward, so that a message no one takes holds no
//! more than itself.
//!
//! Segments are only deleted oldest first. The oldest one is cleaned when all together hold more than
//! twice what lives, so that a message is copied about once for each time the traffic writes as much as lives.

use std::io;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tracing::error;

use super::header::SEGMENT_HEADER;
use super::index::{Location, MessageId};
use super::log::{Copied, Log, Op};
use super::record::Record;
use super::segment::{Step, Walk, file_name};
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
    segment: Vec<u8>,
    /// Where the next step begins.
    at: usize,
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
        if self.cleaning.current.is_none() {
            let Some(number) = self.wants_cleaning() else {
                return Ok(false);
            };
            self.cleaning.current = Some(Current {
                number,
                segment: self.files.read(&file_name(number), 0, usize::MAX)?,
                at: SEGMENT_HEADER,
            });
        }
        self.copy_some(budget);
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
            if let (Op::Moved { messages, .. }, Some(lost)) = (op, lost) {
                let back = messages.iter().map(|copied| (copied.message, copied.from));
                self.sink.index.move_back(lost, back);
            }
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
        if !wasteful || segment.live == 0 {
            return None;
        }
        if self.cleaning.done == Some(oldest) {
            self.give_up(oldest);
            return None;
        }
        Some(oldest)
    }

    fn copy_some(&mut self, budget: usize) {
        let Some(mut current) = self.cleaning.current.take() else {
            return;
        };
        let Ok(mut walk) = Walk::new(&current.segment) else {
            return self.give_up(current.number);
        };
        walk.skip_to(current.at);
        let upto = current.at.saturating_add(budget);
        let mut copies = Copies::default();
        while walk.offset() < upto
            && let Some(step) = walk.next()
        {
            let Step::Record(offset, record) = step else {
                continue;
            };
            let Some((message, offset, deadline)) = record.message(offset) else {
                continue;
            };
            let location = Location {
                segment: current.number,
                offset,
            };
            if self.index().get(message.store, message.position) == Some(location) {
                copies.add(&walk, message, deadline, location);
            }
        }
        current.at = walk.offset();
        if current.at >= current.segment.len() {
            self.cleaning.done = Some(current.number);
        } else {
            self.cleaning.current = Some(current);
        }
        self.unsynced.extend(copies.finish());
    }

    fn give_up(&mut self, number: u32) {
        error!(
            file = file_name(number),
            "a segment with unsettled messages can't be read any more; it is kept"
        );
        self.cleaning.stuck = Some(number);
    }
}

/// What one step copies.
#[derive(Default)]
struct Copies {
    builder: PageBuilder,
    /// Where in the page the publication at an offset of the segment is.
    copied: FxHashMap<u32, u32>,
    messages: Vec<Copied>,
}

impl Copies {
    fn add(&mut self, walk: &Walk<'_>, message: MessageId, deadline: u64, from: Location) {
        let copied = self.copied.get(&from.offset).copied().or_else(|| {
            let Some(Record::Publication { publication, .. }) = walk.at(from.offset) else {
                return None;
            };
            let copy = self.builder.copy(publication);
            self.copied.insert(from.offset, copy);
            Some(copy)
        });
        self.messages.extend(copied.map(|offset| Copied {
            message,
            offset,
            deadline,
            from,
        }));
    }

    fn finish(mut self) -> Option<Op> {
        let page = self.builder.finish();
        (!self.messages.is_empty()).then(|| Op::Moved {
            page: Arc::clone(&page),
            messages: self.messages,
        })
    }
}
