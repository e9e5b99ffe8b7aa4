//! What the model's queue takes and refuses, and what it drops because it is too long.

use std::sync::Arc;

use leveret_actors::{
    publication::{Page, PageBuilder},
    queue::terms::Overflow,
};
use leveret_protocol::Body;

use crate::model::{Message, Model};
use crate::step::{BODY_SIZES, Length, properties};

impl Model {
    pub(crate) fn enqueue(&mut self, sizes: &[usize]) {
        let sizes: Vec<usize> = sizes.iter().map(|&size| BODY_SIZES[size]).collect();
        let (taken, refused) = self.what_fits(&sizes);
        let dead = if self.queue.dead_letters_refused() {
            refused.as_slice()
        } else {
            &[]
        };
        let first = self.published;
        let (page, offsets) = self.page(&taken);
        for &size in &taken {
            self.take(size);
        }
        self.queue.enqueue(page.clone(), &offsets);
        self.stamp(first, &page, &offsets);
        let (page, offsets) = self.page(dead);
        self.queue.enqueue_dead(page, &offsets);
        for &size in dead {
            let message = Message {
                size,
                redelivered: false,
                deadline: 0,
                fleeting: false,
                over: false,
                during: None,
            };
            self.bury(self.published, message);
            self.published += 1;
        }
    }

    /// A page with messages of these sizes; not all that is in it is for this queue.
    fn page(&self, sizes: &[usize]) -> (Arc<Page>, Vec<u32>) {
        let mut builder = PageBuilder::new();
        let mut offsets = Vec::new();
        for (number, &size) in (self.published..).zip(sizes) {
            let body = body(number, size);
            let persistent = is_persistent(size);
            offsets.push(builder.push("x", "key", &properties(number), persistent, Body::Slice(&body)));
            if number.is_multiple_of(2) {
                builder.push(
                    "x",
                    "key",
                    &properties(number),
                    persistent,
                    Body::Slice(b"for another"),
                );
            }
        }
        (builder.finish(), offsets)
    }

    fn take(&mut self, size: usize) {
        let number = self.published;
        if is_persistent(size) && self.settings.journaled {
            self.disk.journal.insert(number, body(number, size));
        }
        let deadline = self.deaths.deadline(number);
        let message = Message {
            size,
            redelivered: false,
            deadline,
            fleeting: deadline != 0 && deadline == self.deaths.now,
            over: false,
            during: None,
        };
        self.ready.insert(self.place(number), message);
        self.published += 1;
    }

    /// What there is room for, and what is refused.
    fn what_fits(&self, sizes: &[usize]) -> (Vec<usize>, Vec<usize>) {
        if !self.queue.refuses() {
            return (sizes.to_vec(), Vec::new());
        }
        let (page, offsets) = self.page(sizes);
        let mut free = self.queue.free();
        let (mut messages, mut bytes) = (self.ready.len() as u64, self.waiting_bytes());
        let fits = |(&size, offset): (&usize, u32)| {
            let fits = free.take(&page, offset);
            if self.is_exact() {
                let Length {
                    messages: most,
                    bytes: most_bytes,
                    ..
                } = self.deaths.length;
                let expected = most.is_none_or(|most| messages < most)
                    && most_bytes.is_none_or(|most| bytes + size as u64 <= most);
                assert_eq!(fits, expected);
            }
            if fits {
                messages += 1;
                bytes += size as u64;
            }
            fits.then_some(size).ok_or(size)
        };
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for fit in sizes.iter().zip(offsets).map(fits) {
            match fit {
                Ok(size) => taken.push(size),
                Err(size) => refused.push(size),
            }
        }
        (taken, refused)
    }

    pub(crate) fn amend(&mut self, length: Length) {
        if self.effective.counts_deliveries {
            return;
        }
        self.deaths.length = length;
        self.effective = self.deaths.effective(self.effective.clone());
        self.queue.amend(&self.effective);
    }

    pub(crate) fn drop_excess(&mut self) {
        if !self.is_exact() || self.deaths.length.overflow != Overflow::DropHead || self.queue.absent() > 0 {
            return;
        }
        while self.queue.drop_excess(3) {}
        while self.is_too_long() {
            let lowest = self.ready.keys().next_back().map(|&(level, _)| level);
            let first = self.ready.keys().find(|(level, _)| Some(*level) == lowest);
            let first = *first.unwrap_or_else(|| panic!("some wait"));
            self.die(first);
        }
        assert!(!self.queue.is_too_long());
    }

    /// What is dead and still counts is read: a restart would bring it back, to die again.
    pub(crate) fn read_what_counts(&mut self) {
        if self.queue.counted().is_none() || self.deaths.are_wanted() {
            return;
        }
        for _ in 0..1_000 {
            self.disk.load(&mut self.queue);
            if !self.disk.is_asked() {
                return;
            }
            self.answer(usize::MAX, None);
        }
        panic!("the reading never ends");
    }

    /// All that waits is counted, and nothing else but what has died and is to be read.
    pub(crate) fn check_length(&self) {
        let Some(counted) = self.queue.counted() else {
            assert_eq!(self.deaths.length.bytes, None);
            return;
        };
        let bytes = self.waiting_bytes();
        if self.is_exact() {
            assert_eq!(counted, bytes);
        } else if self.lost == 0 && !self.unread_rest() {
            let dead: u64 = self.deaths.messages().map(|message| message.size as u64).sum();
            let dropped = self.deaths.are_wanted() || self.queue.needs_reading();
            assert!(counted <= bytes + dead || dropped, "{counted} of {bytes}");
            assert!(
                self.queue.is_counting() || counted >= bytes,
                "{counted} of {bytes}"
            );
        }
    }

    /// Whether the queue counts what waits and nothing else.
    fn is_exact(&self) -> bool {
        self.lost == 0 && !self.unread_rest() && !self.queue.needs_reading() && self.deaths.dead.is_empty()
    }

    fn waiting_bytes(&self) -> u64 {
        self.ready.values().map(|message| message.size as u64).sum()
    }

    fn is_too_long(&self) -> bool {
        let Length { messages, bytes, .. } = self.deaths.length;
        messages.is_some_and(|most| self.ready.len() as u64 > most)
            || bytes.is_some_and(|most| self.waiting_bytes() > most)
    }
}

fn body(number: u64, size: usize) -> Vec<u8> {
    let mut body = vec![0; size];
    body[..8].copy_from_slice(&number.to_le_bytes());
    body
}

fn is_persistent(size: usize) -> bool {
    size.is_multiple_of(16)
}
