//! What a forwarder has under way: which copies of which messages, and which targets take none now. Pure.
//!
//! A message that one target refuses goes to that one again and not to the others, which have it. What goes to a target together is
//! kept together until it is answered.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::course::Target;
use super::underway::Underway;
use crate::channel::confirms::Verdict;
use crate::name::Name;
use crate::publication::{Page, Part};

/// The wait after a first refusal; it doubles with each that follows.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// One message on its way to one target.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    /// The number of the message.
    pub(super) message: u64,
    /// Where it is.
    pub(super) page: Arc<Page>,
    /// Where in the page.
    pub(super) offset: u32,
}

/// Copies that are sent to a target together.
#[derive(Debug)]
pub(super) struct Shipment {
    /// What the target knows it as. It rises from one to the next.
    pub(super) confirm: u64,
    /// The copies.
    pub(super) part: Part,
    /// The numbers of their messages, in the same order.
    pub(super) numbers: Vec<RangeInclusive<u64>>,
}

impl Shipment {
    /// The copies, each with its place.
    fn copies(&self) -> impl Iterator<Item = (u32, Copy)> {
        let numbers = self.numbers.iter().cloned().flatten();
        let copies = numbers.zip(self.part.offsets()).map(|(message, &offset)| Copy {
            message,
            page: Arc::clone(self.part.page()),
            offset,
        });
        (0..).zip(copies)
    }
}

/// The messages that are not settled yet.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    underway: Underway,
    /// What was sent and is not answered, by the keys of the targets.
    sent: FxHashMap<u32, Sent>,
    refusing: FxHashMap<Name, Refusing>,
}

/// What a target has not answered.
#[derive(Debug)]
struct Sent {
    target: Name,
    shipments: VecDeque<Shipment>,
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
    /// Messages set out, each to so many targets. Their numbers are above those of all before.
    pub(super) fn set_out(&mut self, numbers: RangeInclusive<u64>, targets: usize) {
        self.underway.set_out(numbers, targets as u32);
    }

    /// Whether copies for a target are to [wait](Self::wait) instead of being [sent](Self::sent).
    #[inline]
    pub(super) fn waits(&self, target: &str) -> bool {
        let refusing = || self.refusing.get(target);
        !self.refusing.is_empty()
            && refusing().is_some_and(|refusing| refusing.waits || !refusing.copies.is_empty())
    }

    /// Copies were sent to a target.
    pub(super) fn sent(&mut self, target: &Target, shipment: Shipment) {
        let sent = self.sent.entry(target.key).or_insert_with(|| Sent {
            target: target.name.clone(),
            shipments: VecDeque::new(),
        });
        sent.shipments.push_back(shipment);
    }

    /// A copy waits behind those that its target refused.
    pub(super) fn wait(&mut self, target: &Name, copy: Copy) {
        let refusing = self.refusing.entry(target.clone()).or_default();
        refusing.copies.push(copy);
    }

    /// A copy of this message needs no answer any more: its target is deleted.
    pub(super) fn done(&mut self, message: u64) {
        self.underway.arrived(message..=message);
    }

    /// A target has all that it was sent up to this.
    pub(super) fn stored(&mut self, key: u32, upto: u64) {
        let Some(sent) = self.sent.get_mut(&key) else {
            return;
        };
        let mut arrived = false;
        let answered = sent
            .shipments
            .partition_point(|shipment| shipment.confirm <= upto);
        for shipment in sent.shipments.drain(..answered) {
            for numbers in shipment.numbers {
                arrived = true;
                self.underway.arrived(numbers);
            }
        }
        let refusing = self.refusing.get(&sent.target).filter(|_| arrived);
        if refusing.is_some_and(|refusing| !refusing.waits && refusing.copies.is_empty()) {
            self.refusing.remove(&sent.target);
        }
    }

    /// A target refused some of what it was sent together: those at these places, which rise.
    pub(super) fn refused(&mut self, key: u32, confirm: u64, places: &[u32]) {
        let Some(sent) = self.sent.get_mut(&key) else {
            return;
        };
        let Some(shipment) = sent
            .shipments
            .iter_mut()
            .find(|shipment| shipment.confirm == confirm)
        else {
            return;
        };
        let refusing = self.refusing.entry(sent.target.clone()).or_default();
        let (mut taken, mut offsets) = (Vec::new(), Vec::new());
        for (place, copy) in shipment.copies() {
            if places.binary_search(&place).is_ok() {
                refusing.copies.push(copy);
            } else {
                taken.push(copy.message..=copy.message);
                offsets.push(copy.offset);
            }
        }
        shipment.numbers = taken;
        shipment.part = Part::whole(Arc::clone(shipment.part.page()), offsets, None);
    }

    /// A target is gone, and this becomes of all that it has not answered.
    pub(super) fn gone(&mut self, key: u32, verdict: Verdict) {
        let Some(sent) = self.sent.remove(&key) else {
            return;
        };
        for shipment in sent.shipments {
            match verdict {
                Verdict::Ack => {
                    let numbers = shipment.numbers.into_iter();
                    numbers.for_each(|numbers| self.underway.arrived(numbers));
                }
                Verdict::Nack => {
                    let copies = shipment.copies();
                    copies.for_each(|(_, copy)| self.wait(&sent.target, copy));
                }
            }
        }
    }

    /// The targets that refused something since this was asked last, each with the time after which it is to be
    /// [tried again](Self::try_again).
    pub(super) fn refusing(&mut self) -> Vec<(Name, Duration)> {
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

    /// The messages that have become safe since this was asked last.
    pub(super) fn take_safe(&mut self) -> Vec<RangeInclusive<u64>> {
        self.underway.take_safe()
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::Body;

    use super::*;
    use crate::publication::PageBuilder;

    const A: u32 = 0;
    const FULL: u32 = 1;

    fn target(key: u32) -> Target {
        let name = if key == A { "a" } else { "full" };
        Target {
            key,
            name: name.into(),
        }
    }

    /// A shipment of the messages of these numbers.
    fn shipment(confirm: u64, numbers: RangeInclusive<u64>) -> Shipment {
        let mut builder = PageBuilder::new();
        let offsets = numbers.clone().map(|number| {
            let body = [number as u8];
            builder.push("", "q", &[0, 0], false, Body::Slice(&body))
        });
        let offsets = offsets.collect();
        Shipment {
            confirm,
            part: Part::whole(builder.finish(), offsets, None),
            numbers: vec![numbers],
        }
    }

    /// Sends copies again, each by itself, under numbers from `confirm` on.
    fn resend(ledger: &mut Ledger, confirm: u64, copies: Vec<Copy>) {
        for (confirm, copy) in (confirm..).zip(copies) {
            let numbers = copy.message..=copy.message;
            ledger.sent(&target(FULL), shipment(confirm, numbers));
        }
    }

    /// A ledger with messages of numbers 0, 1, … on their way to these targets, all sent together with number 1.
    fn sent(count: u64, targets: &[u32]) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.set_out(0..=count - 1, targets.len());
        for &key in targets {
            ledger.sent(&target(key), shipment(1, 0..=count - 1));
        }
        ledger
    }

    fn is_empty(ledger: &Ledger) -> bool {
        ledger.refusing.is_empty() && ledger.sent.values().all(|sent| sent.shipments.is_empty())
    }

    #[test]
    fn messages_that_go_nowhere_are_safe_at_once() {
        let mut ledger = Ledger::default();
        ledger.set_out(0..=3, 0);
        assert_eq!(ledger.take_safe(), [0..=3]);
    }

    #[test]
    fn messages_are_safe_when_every_target_has_them() {
        let mut ledger = sent(2, &[A, FULL]);
        ledger.set_out(2..=2, 1);
        ledger.sent(&target(A), shipment(2, 2..=2));
        ledger.stored(A, 2);
        assert_eq!(ledger.take_safe(), [2..=2]);
        ledger.stored(FULL, 1);
        assert_eq!(ledger.take_safe(), [0..=1]);
        assert!(is_empty(&ledger));
    }

    #[test]
    fn what_one_target_refuses_goes_to_that_one_again_and_later_ones_wait_behind() {
        let mut ledger = sent(4, &[A, FULL]);
        ledger.stored(A, 1);
        ledger.refused(FULL, 1, &[1, 3]);
        assert!(ledger.waits("full"), "from the first refusal on");
        ledger.stored(FULL, 1);
        assert_eq!(ledger.take_safe(), [0..=0, 2..=2]);
        assert_eq!(ledger.refusing(), [("full".into(), FIRST_WAIT)]);
        assert_eq!(ledger.refusing(), []);
        assert!(ledger.waits("full") && !ledger.waits("a"));
        ledger.set_out(4..=4, 1);
        let copy = shipment(9, 4..=4).copies().next().unwrap().1;
        ledger.wait(&"full".into(), copy);
        assert_eq!(ledger.take_safe(), []);
        let again = ledger.try_again("full");
        let bodies = again
            .iter()
            .map(|copy| copy.page.body(copy.offset).as_slice().to_vec());
        assert_eq!(bodies.collect::<Vec<_>>(), [[1], [3], [4]]);
        let messages: Vec<u64> = again.iter().map(|copy| copy.message).collect();
        assert_eq!(messages, [1, 3, 4]);
        resend(&mut ledger, 2, again);
        ledger.stored(FULL, 4);
        assert_eq!(ledger.take_safe(), [1..=1, 3..=4]);
        assert!(is_empty(&ledger));
    }

    #[test]
    fn all_of_a_shipment_can_be_refused() {
        let mut ledger = sent(2, &[FULL]);
        ledger.refused(FULL, 1, &[0, 1]);
        ledger.stored(FULL, 1);
        assert_eq!(ledger.take_safe(), []);
        assert_eq!(ledger.refusing(), [("full".into(), FIRST_WAIT)]);
        assert_eq!(ledger.try_again("full").len(), 2);
    }

    #[test]
    fn the_wait_grows_until_the_target_takes_something() {
        let mut ledger = sent(1, &[FULL]);
        let mut waits = Vec::new();
        for confirm in 1..=10 {
            ledger.refused(FULL, confirm, &[0]);
            ledger.stored(FULL, confirm);
            waits.extend(ledger.refusing().into_iter().map(|(_, wait)| wait));
            let again = ledger.try_again("full");
            resend(&mut ledger, confirm + 1, again);
        }
        assert!(waits.is_sorted() && waits.first() == Some(&FIRST_WAIT));
        assert_eq!(waits.last(), Some(&LONGEST_WAIT));
        ledger.stored(FULL, 11);
        ledger.set_out(1..=1, 1);
        ledger.sent(&target(FULL), shipment(12, 1..=1));
        ledger.refused(FULL, 12, &[0]);
        assert_eq!(ledger.refusing(), [("full".into(), FIRST_WAIT)]);
    }

    #[test]
    fn what_is_taken_after_a_refusal_does_not_lose_the_refused() {
        let mut ledger = sent(1, &[FULL]);
        ledger.set_out(1..=1, 1);
        ledger.sent(&target(FULL), shipment(2, 1..=1));
        ledger.refused(FULL, 1, &[0]);
        ledger.stored(FULL, 2);
        assert_eq!(ledger.refusing(), [("full".into(), FIRST_WAIT)]);
        assert_eq!(ledger.try_again("full").len(), 1);
    }

    #[test]
    fn a_deleted_target_keeps_no_message() {
        let mut ledger = sent(2, &[FULL]);
        ledger.refused(FULL, 1, &[0]);
        ledger.gone(FULL, Verdict::Ack);
        assert_eq!(ledger.take_safe(), [1..=1]);
        ledger.refusing();
        for copy in ledger.try_again("full") {
            ledger.done(copy.message);
        }
        ledger.forget("full");
        assert_eq!(ledger.take_safe(), [0..=0]);
        assert!(is_empty(&ledger));
    }

    #[test]
    fn what_a_crashed_target_had_not_stored_goes_there_again() {
        let mut ledger = sent(2, &[FULL]);
        ledger.gone(FULL, Verdict::Nack);
        assert_eq!(ledger.take_safe(), []);
        assert_eq!(ledger.refusing(), [("full".into(), FIRST_WAIT)]);
        let again: Vec<u64> = ledger.try_again("full").iter().map(|copy| copy.message).collect();
        assert_eq!(again, [0, 1]);
    }
}
