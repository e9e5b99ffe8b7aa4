//! Dead messages as the forwarder gets them: many at once, numbered. Pure.

use std::sync::Arc;

use super::reason::Reason;
use crate::publication::Page;

/// Dead messages for the forwarder, in the order of their deaths.
#[derive(Debug, Default)]
pub struct Convoy {
    /// The number of the first message. Those of the others follow.
    first: u64,
    /// Neighbours of one page that died of one cause.
    groups: Vec<Group>,
    /// Where the messages are in their pages.
    offsets: Vec<u32>,
    /// Where they stand in their queue, if a journal has them all.
    positions: Vec<u64>,
}

#[derive(Debug)]
struct Group {
    page: Arc<Page>,
    reason: Reason,
    /// The place of the next group's first message.
    end: usize,
}

/// Some messages of a [`Convoy`].
#[derive(Clone, Copy, Debug)]
pub struct Neighbours<'a> {
    /// The number of the first.
    pub first: u64,
    /// The page they are in.
    pub page: &'a Arc<Page>,
    /// Where in the page they are.
    pub offsets: &'a [u32],
    /// Where they stand in their queue, if its journal has them; none otherwise.
    pub positions: &'a [u64],
    /// Why they died.
    pub reason: Reason,
}

impl Convoy {
    /// How many messages.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// All messages, in order.
    pub fn neighbours(&self) -> impl Iterator<Item = Neighbours<'_>> {
        let mut begin = 0;
        self.groups.iter().map(move |group| {
            let first = begin;
            begin = group.end;
            Neighbours {
                first: self.first + first as u64,
                page: &group.page,
                offsets: self.offsets.get(first..group.end).unwrap_or_default(),
                positions: self.positions.get(first..group.end).unwrap_or_default(),
                reason: group.reason,
            }
        })
    }

    /// Room for so many messages, of which the first has this number.
    pub(super) fn new(first: u64, messages: usize) -> Self {
        Convoy {
            first,
            groups: Vec::new(),
            offsets: Vec::with_capacity(messages),
            positions: Vec::new(),
        }
    }

    /// The journal of their queue has them all: they stand at these positions.
    pub(super) fn kept_at(self, positions: Vec<u64>) -> Self {
        Convoy { positions, ..self }
    }

    /// Adds neighbours of one page that died of one cause.
    pub(super) fn push(&mut self, page: &Arc<Page>, offsets: impl Iterator<Item = u32>, reason: Reason) {
        self.offsets.extend(offsets);
        self.groups.push(Group {
            page: Arc::clone(page),
            reason,
            end: self.offsets.len(),
        });
    }
}
