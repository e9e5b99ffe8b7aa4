//! Copies that are about to be sent, until their page is finished. Pure.

use std::mem;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::course::Target;
use super::ledger::{Batch, Sent};
use crate::name::Name;
use crate::publication::Page;

/// Copies under confirm numbers that follow each other.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    first: u64,
    targets: Vec<Name>,
    /// Their places, by their keys among the attachments.
    places: FxHashMap<u32, u32>,
    copies: Vec<Sent>,
    /// The last of them.
    last: Option<(u32, u32)>,
}

impl Gathered {
    /// A copy of a message goes to a target, under the number after the last.
    #[inline]
    pub(super) fn add(&mut self, number: u64, message: u32, target: &Target, offset: u32) {
        if self.copies.is_empty() {
            self.first = number;
        }
        let place = match self.last {
            Some((key, place)) if key == target.key => place,
            _ => self.place(target),
        };
        self.copies.push(Sent {
            message,
            target: place,
            offset,
        });
    }

    /// All that was gathered, which is in `page`.
    pub(super) fn take(&mut self, page: Arc<Page>) -> Batch {
        let gathered = mem::take(self);
        Batch {
            first: gathered.first,
            page,
            targets: gathered.targets,
            copies: gathered.copies,
        }
    }

    fn place(&mut self, target: &Target) -> u32 {
        let targets = &mut self.targets;
        let place = *self.places.entry(target.key).or_insert_with(|| {
            targets.push(target.name.clone());
            targets.len() as u32 - 1
        });
        self.last = Some((target.key, place));
        place
    }
}
