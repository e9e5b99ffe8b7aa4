//! Messages whose bodies were not where their records say, and may have moved. Pure.

use std::collections::BTreeMap;

use crate::id::StoreId;
use crate::journal::index::{Location, MessageId};
use crate::journal::record::Positions;

/// Messages by queue and position.
#[derive(Debug, Default)]
pub(super) struct Unsure(BTreeMap<(u64, u64), Borrower>);

/// Where a record is that has no body, and the name of that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Borrower {
    pub(super) at: Location,
    pub(super) name: Location,
}

impl Unsure {
    /// Of a message `borrower` was the last record.
    pub(super) fn insert(&mut self, message: MessageId, borrower: Borrower) {
        self.0.insert((message.store.0, message.position), borrower);
    }

    /// A message has a later record, with which all is well.
    pub(super) fn forget(&mut self, message: MessageId) {
        if !self.0.is_empty() {
            self.0.remove(&(message.store.0, message.position));
        }
    }

    /// Messages of a queue are gone.
    pub(super) fn settle(&mut self, store: StoreId, positions: Positions) {
        let range = (store.0, positions.first)..=(store.0, positions.last);
        if self.0.is_empty() || positions.first > positions.last {
            return;
        }
        while let Some((&message, _)) = self.0.range(range.clone()).next() {
            self.0.remove(&message);
        }
    }

    /// All that are left, in order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (MessageId, Borrower)> + use<> {
        let all = std::mem::take(&mut self.0).into_iter();
        all.map(|((store, position), borrower)| {
            let store = StoreId(store);
            (MessageId { store, position }, borrower)
        })
    }
}
