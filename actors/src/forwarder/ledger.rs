//! What a forwarder has under way: which copies of which messages, and which targets take none now. Pure.
//!
//! Each copy has a confirm number of its own, so that a message that one target refuses goes to that one again and not
//! to the others, which have it. The copies of one page are kept together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use slab::Slab;

use crate::channel::confirms::Answer;
use crate::name::Name;
use crate::publication::Page;

/// The wait after a first refusal; it doubles with each that follows.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// One message on its way to one target.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    /// The message, by the number that [`Ledger::take_in`] gave.
    pub(super) message: u32,
    /// The queue it goes to.
    pub(super) target: Name,
    /// Where it is.
    pub(super) page: Arc<Page>,
    /// Where in the page.
    pub(super) offset: u32,
}

/// Copies that are sent together, under confirm numbers that follow each other.
#[derive(Debug)]
pub(super) struct Batch {
    /// The number of the first.
    pub(super) first: u64,
    /// Where they are.
    pub(super) page: Arc<Page>,
    /// The queues they go to.
    pub(super) targets: Vec<Name>,
    /// The copies.
    pub(super) copies: Vec<Sent>,
}

/// One copy of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// The message, by the number that [`Ledger::take_in`] gave.
    pub(super) message: u32,
    /// The queue it goes to, by its place among those of the batch.
    pub(super) target: u32,
    /// Where in the page it is.
    pub(super) offset: u32,
}

impl Sent {
    /// What is left of one that is answered.
    const ANSWERED: Sent = Sent {
        message: u32::MAX,
        target: u32::MAX,
        offset: 0,
    };
}

/// The messages that are not settled yet.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    messages: Slab<Message>,
    /// What was sent and is not answered, in order of the numbers.
    sent: VecDeque<Open>,
    refusing: FxHashMap<Name, Refusing>,
    /// Keys of messages that every target has.
    safe: Vec<u32>,
}

/// A batch of which not all is answered.
#[derive(Debug)]
struct Open {
    batch: Batch,
    /// So many of the first copies are answered.
    answered: usize,
    /// Copies that are not.
    open: usize,
}

#[derive(Debug)]
struct Message {
    /// What the source wants to hear.
    key: u32,
    /// Copies that are not safe yet.
    open: u32,
}

/// A target that refused a copy, and has taken none since.
#[derive(Debug, Default)]
struct Refusing {
    copies: Vec<Copy>,
    refusals: u32,
    /// Nothing is sent until the wait is over.
    waits: bool,
}

impl Ledger {
    /// Takes in a message that goes to so many targets, at least one, and returns its number.
    pub(super) fn take_in(&mut self, key: u32, targets: u32) -> u32 {
        self.messages.insert(Message { key, open: targets }) as u32
    }

    /// A message goes nowhere: it is as safe as it will ever be.
    pub(super) fn goes_nowhere(&mut self, key: u32) {
        self.safe.push(key);
    }

    /// Whether copies for a target are to [wait](Self::wait) instead of being [sent](Self::sent).
    #[inline]
    pub(super) fn waits(&self, target: &str) -> bool {
        !self.refusing.is_empty() && self.refusing.get(target).is_some_and(|refusing| refusing.waits)
    }

    /// Copies were sent, under numbers above all before.
    pub(super) fn sent(&mut self, batch: Batch) {
        let open = batch.copies.len();
        if open > 0 {
            self.sent.push_back(Open {
                batch,
                answered: 0,
                open,
            });
        }
    }

    /// A copy waits behind those that its target refused.
    pub(super) fn wait(&mut self, copy: Copy) {
        let refusing = self.refusing.entry(copy.target.clone()).or_default();
        refusing.copies.push(copy);
    }

    /// A copy of this message needs no answer any more: its target has it, or is deleted.
    pub(super) fn done(&mut self, message: u32) {
        let Some(found) = self.messages.get_mut(message as usize) else {
            return;
        };
        found.open -= 1;
        if found.open == 0 {
            self.safe.push(found.key);
            self.messages.remove(message as usize);
        }
    }

    /// What targets answered.
    pub(super) fn answered(&mut self, Answer { nack, tag, multiple }: Answer) {
        if !multiple {
            return self.answered_one(tag, nack);
        }
        while let Some(open) = self.sent.front_mut()
            && open.batch.first <= tag
        {
            let Some(mut open) = self.sent.pop_front() else {
                return;
            };
            let upto = usize::try_from(tag - open.batch.first).map_or(usize::MAX, |last| last + 1);
            let upto = upto.min(open.batch.copies.len());
            for place in open.answered..upto {
                self.answer(&mut open, place, nack);
            }
            open.answered = upto.max(open.answered);
            if open.open > 0 {
                self.sent.push_front(open);
                return;
            }
        }
    }

    fn answered_one(&mut self, tag: u64, nack: bool) {
        let behind = self.sent.partition_point(|open| open.batch.first <= tag);
        let Some(at) = behind.checked_sub(1) else { return };
        let Some(mut open) = self.sent.remove(at) else {
            return;
        };
        if let Ok(place) = usize::try_from(tag - open.batch.first) {
            self.answer(&mut open, place, nack);
        }
        if open.open > 0 {
            self.sent.insert(at, open);
        }
    }

    /// One copy of a batch is answered, unless it was before.
    #[inline]
    fn answer(&mut self, open: &mut Open, place: usize, refused: bool) {
        let Some(copy) = open.batch.copies.get_mut(place) else {
            return;
        };
        let Sent {
            message,
            target,
            offset,
        } = std::mem::replace(copy, Sent::ANSWERED);
        if message == Sent::ANSWERED.message {
            return;
        }
        open.open -= 1;
        if self.refusing.is_empty() && !refused {
            return self.done(message);
        }
        let Some(target) = open.batch.targets.get(target as usize) else {
            return;
        };
        if refused {
            return self.wait(Copy {
                message,
                target: target.clone(),
                page: Arc::clone(&open.batch.page),
                offset,
            });
        }
        let refusing = self.refusing.get(target);
        if refusing.is_some_and(|refusing| !refusing.waits && refusing.copies.is_empty()) {
            self.refusing.remove(target);
        }
        self.done(message);
    }

    /// The targets that refused something since this was asked last, each with the time after which it is to be
    /// [tried again](Self::try_again).
    pub(super) fn refused(&mut self) -> Vec<(Name, Duration)> {
        let refusing = self.refusing.iter_mut();
        let new = refusing.filter(|(_, refusing)| !refusing.waits && !refusing.copies.is_empty());
        new.map(|(target, refusing)| {
            refusing.waits = true;
            let doubled = FIRST_WAIT.saturating_mul(1 << refusing.refusals.min(16));
            refusing.refusals += 1;
            (target.clone(), doubled.min(LONGEST_WAIT))
        })
        .collect()
    }

    /// The wait for a target is over: these are to be sent, in this order.
    pub(super) fn try_again(&mut self, target: &str) -> Vec<Copy> {
        let Some(refusing) = self.refusing.get_mut(target) else {
            return Vec::new();
        };
        refusing.waits = false;
        std::mem::take(&mut refusing.copies)
    }

    /// A target is no more.
    pub(super) fn forget(&mut self, target: &str) {
        self.refusing.remove(target);
    }

    /// The keys of the messages that have become safe since this was asked last.
    pub(super) fn take_safe(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.safe)
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::Body;

    use super::*;
    use crate::publication::PageBuilder;

    fn copy(message: u32, target: &str) -> Copy {
        let mut builder = PageBuilder::new();
        let offset = builder.push("", "q", &[0, 0], false, Body::Slice(b""));
        Copy {
            message,
            target: target.into(),
            page: builder.finish(),
            offset,
        }
    }

    fn ack(tag: u64, multiple: bool) -> Answer {
        Answer {
            nack: false,
            tag,
            multiple,
        }
    }

    fn nack(tag: u64) -> Answer {
        let nack = true;
        Answer {
            nack,
            ..ack(tag, false)
        }
    }

    /// A batch of one copy.
    fn one(first: u64, copy: Copy) -> Batch {
        Batch {
            first,
            page: copy.page,
            targets: vec![copy.target],
            copies: vec![Sent {
                message: copy.message,
                target: 0,
                offset: copy.offset,
            }],
        }
    }

    /// A ledger with messages of keys 0, 1, … on their way to these targets, numbered from 1.
    fn sent(messages: &[&[&str]]) -> Ledger {
        let (mut ledger, mut number) = (Ledger::default(), 0);
        for (key, targets) in messages.iter().enumerate() {
            let message = ledger.take_in(key as u32, targets.len() as u32);
            for target in *targets {
                number += 1;
                ledger.sent(one(number, copy(message, target)));
            }
        }
        ledger
    }

    #[test]
    fn a_message_that_goes_nowhere_is_safe_at_once() {
        let mut ledger = sent(&[&["a"]]);
        ledger.goes_nowhere(7);
        assert_eq!(ledger.take_safe(), [7]);
    }

    #[test]
    fn a_message_is_safe_when_every_target_has_it() {
        let mut ledger = sent(&[&["a", "b"], &["a"]]);
        ledger.answered(ack(1, false));
        ledger.answered(ack(3, false));
        assert_eq!(ledger.take_safe(), [1]);
        ledger.answered(ack(2, true));
        assert_eq!(ledger.take_safe(), [0]);
        assert!(ledger.messages.is_empty() && ledger.sent.is_empty());
    }

    #[test]
    fn what_one_target_refuses_goes_to_that_one_again_and_later_ones_wait_behind() {
        let mut ledger = sent(&[&["a", "full"], &["full"]]);
        ledger.answered(ack(1, false));
        ledger.answered(nack(2));
        ledger.answered(nack(3));
        assert_eq!(ledger.refused(), [("full".into(), FIRST_WAIT)]);
        assert_eq!(ledger.refused(), []);
        assert!(ledger.waits("full") && !ledger.waits("a"));
        let message = ledger.take_in(2, 1);
        ledger.wait(copy(message, "full"));
        assert_eq!(ledger.take_safe(), []);
        let again = ledger.try_again("full");
        assert!(again.iter().map(|copy| copy.message).eq(0..3));
        let numbered = (4..).zip(again);
        numbered.for_each(|(number, copy)| ledger.sent(one(number, copy)));
        ledger.answered(ack(6, true));
        assert_eq!(ledger.take_safe(), [0, 1, 2]);
        assert!(ledger.refusing.is_empty());
    }

    #[test]
    fn the_wait_grows_until_the_target_takes_something() {
        let mut ledger = sent(&[&["full"]]);
        let mut waits = Vec::new();
        for number in 1..=10 {
            ledger.answered(nack(number));
            waits.extend(ledger.refused().into_iter().map(|(_, wait)| wait));
            for copy in ledger.try_again("full") {
                ledger.sent(one(number + 1, copy));
            }
        }
        assert!(waits.is_sorted() && waits.first() == Some(&FIRST_WAIT));
        assert_eq!(waits.last(), Some(&LONGEST_WAIT));
        ledger.answered(ack(11, false));
        let message = ledger.take_in(1, 1);
        ledger.sent(one(12, copy(message, "full")));
        ledger.answered(nack(12));
        assert_eq!(ledger.refused(), [("full".into(), FIRST_WAIT)]);
    }

    #[test]
    fn what_is_taken_after_a_refusal_does_not_lose_the_refused() {
        let mut ledger = sent(&[&["full"], &["full"]]);
        ledger.answered(nack(1));
        ledger.answered(ack(2, false));
        assert_eq!(ledger.refused(), [("full".into(), FIRST_WAIT)]);
        assert_eq!(ledger.try_again("full").len(), 1);
    }

    #[test]
    fn a_deleted_target_keeps_no_message() {
        let mut ledger = sent(&[&["a"]]);
        ledger.answered(nack(1));
        ledger.refused();
        let back = ledger.try_again("a");
        back.iter().for_each(|copy| ledger.done(copy.message));
        ledger.forget("a");
        assert_eq!(ledger.take_safe(), [0]);
    }
}
