//! Where the deliveries of a channel's consumers are numbered and become frames.
//!
//! A channel keeps no book of deliveries that need no ack, and need not be woken for them: their consumer takes them to the desk
//! itself. But what it told the channel goes first.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use actix::prelude::*;
use leveret_protocol::encode::REFERENCE_FROM;
use leveret_protocol::{BodyRef, Deliveries};

use super::actor::Consumer;
use super::messages::{Receipt, Written};
use super::unheard::{Hears, Unheard};
use crate::name::Name;
use crate::publication::{Counted, Delivery, Handout, Page, Part, Pattern, Portion, Publication};
use crate::writer::outbox::Outbox;

/// Bytes of the frames of a delivery beyond its names and what it costs on its page.
const FRAMES: usize = 40;

/// The delivery tags of a channel.
#[derive(Clone)]
pub(crate) struct Tags(Rc<Cell<u64>>);

impl Default for Tags {
    fn default() -> Self {
        Tags(Rc::new(Cell::new(1)))
    }
}

impl Tags {
    /// The next one.
    pub(crate) fn next(&self) -> u64 {
        let tag = self.0.get();
        self.0.set(tag + 1);
        tag
    }
}

/// The desk of one consumer.
#[repr(C)]
pub(crate) struct Desk {
    /// What the consumer has told the channel, and it has not read.
    pub(crate) unread: Cell<u32>,
    pub(crate) frame_max: u32,
    pub(crate) channel: u16,
    pub(crate) tags: Tags,
    /// Counts what was written.
    pub(crate) unheard: Rc<Unheard>,
    /// The consumer tag.
    pub(crate) consumer_tag: Name,
    pub(crate) output: Outbox,
}

impl Desk {
    /// The client knows the consumer.
    pub(crate) fn open(&self, consumer: &Rc<Addr<Consumer>>) {
        let consumer = Rc::clone(consumer);
        self.unheard.set_hearer(Some(consumer));
    }

    /// The channel delivers nothing more.
    pub(crate) fn close(&self) {
        self.unheard.set_hearer(None);
    }

    /// The consumer tells the channel something.
    pub(super) fn told(&self) {
        self.unread.set(self.unread.get() + 1);
    }

    /// The channel has read something that the consumer told it.
    pub(crate) fn read(&self) {
        self.unread.set(self.unread.get().saturating_sub(1));
    }

    /// Delivers messages that need no ack, if that may be done past the channel.
    pub(super) fn deliver(&self, handout: &Handout) -> bool {
        self.past_the_channel(|| self.write(handout, |_, _| {}))
    }

    /// Delivers messages that only passed the queue, if that may be done past the channel.
    pub(super) fn pass_on(&self, part: &Part) -> bool {
        self.past_the_channel(|| {
            let load = Load {
                messages: part.len() as usize,
                bytes: part.bytes(),
                counted: Counted::new(&[]),
            };
            self.put(load, || part.deliveries(), |_, _| {});
        })
    }

    /// Delivers some messages of a tray, if that may be done past the channel.
    pub(super) fn deliver_portion(
        &self,
        handout: &Handout,
        portion: &Portion,
        places: &Range<usize>,
    ) -> bool {
        self.past_the_channel(|| {
            let load = Load {
                messages: places.len(),
                bytes: portion.bytes,
                counted: Counted::from(places.start, &handout.counts),
            };
            self.put(load, || handout.deliveries_in(places.clone()), |_, _| {});
        })
    }

    fn past_the_channel(&self, deliver: impl FnOnce()) -> bool {
        let is_free = self.unread.get() == 0 && self.unheard.has_hearer();
        if is_free {
            deliver();
        }
        is_free
    }

    /// Numbers messages and puts them into the outbox; `each` hears of each and its tag.
    pub(crate) fn write(&self, handout: &Handout, each: impl FnMut(&Delivery, u64)) {
        let load = Load {
            messages: handout.len(),
            bytes: handout.bytes,
            counted: Counted::new(&handout.counts),
        };
        self.put(load, || handout.deliveries_in(0..handout.len()), each);
    }

    #[inline]
    fn put<'p, D: Iterator<Item = (Delivery, &'p Page)>>(
        &self,
        mut load: Load<'_>,
        deliveries: impl Fn() -> D,
        mut each: impl FnMut(&Delivery, u64),
    ) {
        let receipt = Receipt {
            unheard: Rc::clone(&self.unheard),
            messages: u32::try_from(load.messages).unwrap_or(u32::MAX),
            bytes: load.bytes,
        };
        let first = deliveries().next().map(|(first, page)| page.get(first.offset));
        let bytes = load.room(first, self.consumer_tag.len());
        self.output.deliver(receipt, bytes, |chunk| {
            let mut frames = Deliveries::new(self.channel, &self.consumer_tag, self.frame_max);
            // The last that was not found to be like the one before it.
            let mut before: Option<(&Page, Pattern<'_>)> = None;
            for (delivery, page) in deliveries() {
                let (tag, offset, redelivered) = (self.tags.next(), delivery.offset, delivery.redelivered);
                let alike = before
                    .filter(|(of, _)| std::ptr::eq(*of, page) && !load.counted.counts_next())
                    .and_then(|(_, pattern)| pattern.body(offset));
                if let Some(body) = alike
                    && frames.repeat(chunk, tag, redelivered, body)
                {
                    load.counted.skip();
                } else {
                    let publication = page.get(offset);
                    frames.write(
                        chunk,
                        tag,
                        redelivered,
                        publication.exchange,
                        publication.routing_key,
                        load.counted.next(publication.shown_properties()),
                        BodyRef::from(&publication.body),
                    );
                    before = page.pattern(offset).map(|pattern| (page, pattern));
                }
                each(&delivery, tag);
            }
        });
    }
}

impl Hears for Addr<Consumer> {
    fn hear(&self, written: Written) {
        self.do_send(written);
    }
}

/// Deliveries, all in all.
struct Load<'a> {
    messages: usize,
    /// What they cost together.
    bytes: u64,
    /// How often some of them came back.
    counted: Counted<'a>,
}

impl Load<'_> {
    /// Bytes that the frames take, roughly. Large bodies go out as they are, and need none.
    fn room(&self, first: Option<Publication<'_>>, tag: usize) -> usize {
        let bytes = self.bytes as usize;
        if bytes > self.messages * REFERENCE_FROM {
            return 0;
        }
        let names = first.map_or(0, |publication| {
            publication.exchange.len() + publication.routing_key.len()
        });
        bytes + self.messages * (FRAMES + tag + names)
    }
}
