//! What is known of single messages besides where they are. Pure.
//!
//! Most have nothing to tell: a queue takes room here only for those that do.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::Return;
use super::index::MessageId;
use super::record::Positions;
use crate::id::StoreId;

/// Notes about unsettled messages.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) stores: FxHashMap<StoreId, OfQueue>,
}

/// Those about the messages of one queue, by their positions.
#[derive(Debug, Default)]
pub(super) struct OfQueue {
    /// The deadlines that the records of the publications don't tell; 0 is none.
    pub(super) deadlines: BTreeMap<u64, u64>,
    /// How often messages have come back, and until when they rest.
    pub(super) returns: BTreeMap<u64, (u32, u64)>,
}

impl Notes {
    /// The record of its publication tells another deadline than the message has.
    pub(super) fn expires(&mut self, message: MessageId, deadline: u64) {
        let queue = self.stores.entry(message.store).or_default();
        queue.deadlines.insert(message.position, deadline);
    }

    /// A message has come back.
    pub(super) fn returned(&mut self, store: StoreId, back: Return) {
        let returns = &mut self.stores.entry(store).or_default().returns;
        returns.insert(back.position, (back.attempts, back.due));
    }

    /// Messages are gone. The positions must be in order.
    pub(super) fn settle(&mut self, store: StoreId, positions: Positions) {
        let Some(queue) = self.stores.get_mut(&store) else {
            return;
        };
        cut_out(&mut queue.deadlines, positions);
        cut_out(&mut queue.returns, positions);
        if queue.deadlines.is_empty() && queue.returns.is_empty() {
            self.stores.remove(&store);
        }
    }

    /// Deadlines of messages among these positions, where they are not as the records of the publications tell.
    pub(super) fn deadlines(&self, store: StoreId, positions: Positions) -> impl Iterator<Item = (u64, u64)> {
        let queue = self
            .stores
            .get(&store)
            .filter(|_| positions.first <= positions.last);
        let deadlines = queue.map(|queue| queue.deadlines.range(positions.first..=positions.last));
        let deadlines = deadlines.into_iter().flatten();
        deadlines.map(|(&position, &deadline)| (position, deadline))
    }

    /// The last return of a message.
    pub(super) fn return_of(&self, message: MessageId) -> Option<Return> {
        let returns = &self.stores.get(&message.store)?.returns;
        let (&position, &noted) = returns.get_key_value(&message.position)?;
        Some(back(position, noted))
    }

    /// The last returns of a queue's messages, in order.
    pub(super) fn returns(&self, store: StoreId) -> Vec<Return> {
        let returns = self.stores.get(&store).map(|queue| queue.returns.iter());
        let returns = returns.into_iter().flatten();
        returns.map(|(&position, &noted)| back(position, noted)).collect()
    }
}

fn back(position: u64, (attempts, due): (u32, u64)) -> Return {
    Return {
        position,
        attempts,
        due,
    }
}

fn cut_out<T>(notes: &mut BTreeMap<u64, T>, Positions { first, last }: Positions) {
    while let Some((&position, _)) = notes.range(first..=last).next() {
        notes.remove(&position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: StoreId = StoreId(1);

    fn at(position: u64) -> MessageId {
        MessageId { store: A, position }
    }

    #[test]
    fn notes_go_with_their_messages() {
        let mut notes = Notes::default();
        for position in 0..10 {
            notes.expires(at(position), position * 100);
            notes.returned(A, back(position, 1, 0));
        }
        notes.returned(A, back(3, 2, 77));
        notes.settle(A, Positions { first: 4, last: 8 });
        notes.settle(A, Positions { first: 0, last: 1 });
        notes.settle(StoreId(2), Positions::ALL);
        let deadlines: Vec<_> = notes.deadlines(A, Positions { first: 3, last: 20 }).collect();
        assert_eq!(deadlines, [(3, 300), (9, 900)]);
        let returns = [back(2, 1, 0), back(3, 2, 77), back(9, 1, 0)];
        assert_eq!(notes.returns(A), returns);
        assert_eq!(
            (notes.return_of(at(3)), notes.return_of(at(4))),
            (Some(returns[1]), None)
        );
        notes.settle(A, Positions::ALL);
        assert!(notes.stores.is_empty());
    }

    fn back(position: u64, attempts: u32, due: u64) -> Return {
        super::back(position, (attempts, due))
    }
}
