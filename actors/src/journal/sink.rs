//! What a log notes about the records it writes.

use std::sync::Arc;

use super::gather::Gather;
use super::index::{Index, Location, MessageId};
use super::log::Op;
use super::recent::{Place, Recent};
use crate::publication::Page;

/// Where operations become records and entries of the index.
pub(super) struct Sink {
    pub(super) index: Index,
    pub(super) recent: Recent,
    pub(super) gather: Gather,
}

impl Sink {
    pub(super) fn put(&mut self, segment: u32, op: &Op) {
        match op {
            Op::Append {
                store,
                page,
                messages,
                ..
            } => {
                for &(position, offset) in messages {
                    let message = MessageId {
                        store: *store,
                        position,
                    };
                    self.message(segment, message, page, offset);
                }
            }
            Op::Moved { page, messages } => {
                for &(message, offset) in messages {
                    self.message(segment, message, page, offset);
                }
            }
            Op::Settled { store, positions } => {
                for range in positions {
                    self.index.settle(*store, *range);
                }
                self.gather.settled(*store, positions);
            }
            Op::HandedOut { store, upto } => self.gather.handed_out(*store, *upto),
            Op::QueueDeleted { store } => {
                self.index.remove(*store);
                self.gather.queue_deleted(*store);
            }
            Op::Stopped => self.gather.stopped(),
        }
    }

    fn message(&mut self, segment: u32, message: MessageId, page: &Arc<Page>, offset: u32) {
        let MessageId { store, position } = message;
        if let Some(Place { at, origin }) = self.recent.find(page, offset) {
            self.gather.reference(store, position, at);
            let location = Location { segment, offset: at };
            self.index.insert_further(message, location, origin);
        } else {
            // A segment is far smaller than 4 GiB.
            let at = self.gather.publication(store, position, page.get(offset)) as u32;
            let place = Place { at, origin: message };
            self.recent.add(page, offset, place);
            self.index.insert(message, Location { segment, offset: at });
        }
    }
}
