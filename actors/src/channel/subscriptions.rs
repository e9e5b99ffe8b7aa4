//! The consumers of a channel.

use std::rc::Rc;

use actix::prelude::*;
use rustc_hash::FxHashMap;

use crate::consumer::actor::Consumer;
use crate::consumer::desk::Desk;
use crate::consumer::hall::Taken;
use crate::consumer::messages::Settled;
use crate::id::ConsumerId;
use crate::name::Name;

/// What a channel knows of one of its consumers.
pub(super) struct Subscriber {
    pub(super) id: ConsumerId,
    pub(super) addr: Rc<Addr<Consumer>>,
    /// Where its deliveries are written.
    pub(super) desk: Rc<Desk>,
    /// Its queue, as the channel's attachments number it.
    pub(super) queue: u32,
    pub(super) no_ack: bool,
    /// Whether the client wants to hear that it is registered, or that it is cancelled.
    pub(super) nowait: bool,
    /// Settlements it was not told of yet.
    settled: u32,
    _seat: Option<Taken>,
}

impl Subscriber {
    pub(super) fn new(
        id: ConsumerId,
        addr: Rc<Addr<Consumer>>,
        desk: Rc<Desk>,
        queue: u32,
        no_ack: bool,
        nowait: bool,
    ) -> Self {
        Subscriber {
            id,
            addr,
            desk,
            queue,
            no_ack,
            nowait,
            settled: 0,
            _seat: None,
        }
    }

    /// Its consumer tag.
    pub(super) fn tag(&self) -> &Name {
        &self.desk.consumer_tag
    }

    /// The same in a seat of the connection's hall, or in none.
    pub(super) fn sitting(mut self, seat: Option<Taken>) -> Self {
        self._seat = seat;
        self
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.desk.close();
    }
}

/// The consumers of one channel. Numbers are never used twice, so that an old delivery can't be
/// counted for a new consumer.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Subscriptions {
    /// The consumer whose delivery was settled last, and how many of it in a row that were not added to its others.
    row: (u32, u32),
    /// Consumers with settlements to be told.
    settled: Vec<u32>,
    by_number: FxHashMap<u32, Subscriber>,
    by_tag: FxHashMap<Name, u32>,
    next: u32,
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The number the next consumer gets.
    pub(super) fn next_number(&self) -> u32 {
        self.next
    }

    pub(super) fn insert(&mut self, subscriber: Subscriber) {
        self.by_tag.insert(subscriber.tag().clone(), self.next);
        self.by_number.insert(self.next, subscriber);
        self.next += 1;
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Subscriber> {
        let subscriber = self.by_number.remove(&number)?;
        self.by_tag.remove(subscriber.tag());
        Some(subscriber)
    }

    pub(super) fn get(&self, number: u32) -> Option<&Subscriber> {
        self.by_number.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Subscriber> {
        self.by_number.get_mut(&number)
    }

    pub(super) fn number_of(&self, tag: &str) -> Option<u32> {
        self.by_tag.get(tag).copied()
    }

    /// The consumer with that tag.
    #[cfg(feature = "faults")]
    pub(crate) fn by_tag(&self, tag: &str) -> Option<&Addr<Consumer>> {
        self.get(self.number_of(tag)?).map(|found| &*found.addr)
    }

    /// The consumer with that id.
    pub(super) fn by_id(&self, id: ConsumerId) -> Option<&Subscriber> {
        self.by_number.values().find(|subscriber| subscriber.id == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscriber> {
        self.by_number.values()
    }

    /// Notes that a delivery of this consumer was settled.
    #[inline]
    pub(super) fn settled(&mut self, number: u32) {
        if self.row.0 != number {
            self.end_row();
        }
        self.row = (number, self.row.1 + 1);
    }

    fn end_row(&mut self) {
        let (number, settled) = std::mem::take(&mut self.row);
        if settled > 0
            && let Some(subscriber) = self.by_number.get_mut(&number)
        {
            if subscriber.settled == 0 {
                self.settled.push(number);
            }
            subscriber.settled += settled;
        }
    }

    /// Tells the consumers what was settled.
    pub(super) fn post_settled(&mut self) {
        self.end_row();
        for number in self.settled.drain(..) {
            if let Some(subscriber) = self.by_number.get_mut(&number) {
                let messages = std::mem::take(&mut subscriber.settled);
                subscriber.addr.do_send(Settled { messages });
            }
        }
    }
}
