//! The ledgers of a channel against plain models.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use leveret_actors::channel::{
    confirms::{Answer, Confirms, Verdict},
    unacked::{Outstanding, Unacked, UnknownTag},
};
use proptest::{collection::vec, prelude::*, sample::Index};

#[derive(Clone, Debug)]
enum Settlement {
    /// Deliveries, and by how much each tag exceeds the one before.
    Deliver(Vec<u64>),
    One(Index),
    UpTo(Index),
    /// Any tag, mostly one that is not outstanding.
    Any(u64, bool),
    All,
    /// What was taken by the step before comes back.
    Restore,
}

fn settlement() -> impl Strategy<Value = Settlement> {
    prop_oneof![
        4 => vec(1..3_u64, 1..60).prop_map(Settlement::Deliver),
        8 => any::<Index>().prop_map(Settlement::One),
        1 => any::<Index>().prop_map(Settlement::UpTo),
        2 => (0..400_u64, any::<bool>()).prop_map(|(tag, multiple)| Settlement::Any(tag, multiple)),
        1 => Just(Settlement::All),
        1 => Just(Settlement::Restore),
    ]
}

proptest! {
    #[test]
    fn unsettled_deliveries_are_taken_once_and_in_order(steps in vec(settlement(), 1..200)) {
        let mut ledger = Unacked::new();
        let mut model = BTreeMap::new();
        let mut last = 0;
        let mut taken = Vec::new();
        for step in steps {
            let tags: Vec<u64> = model.keys().copied().collect();
            let pick = |index: Index| if tags.is_empty() { 1 } else { tags[index.index(tags.len())] };
            let (tag, multiple) = match step {
                Settlement::Deliver(gaps) => {
                    for gap in gaps {
                        last += gap;
                        let delivery = Outstanding { tag: last, queue: last as u32 % 7, key: last as u32, consumer: 0 };
                        ledger.push(delivery);
                        model.insert(last, delivery);
                    }
                    continue;
                }
                Settlement::Restore => {
                    model.extend(taken.iter().map(|delivery: &Outstanding| (delivery.tag, *delivery)));
                    ledger.restore(taken.drain(..));
                    continue;
                }
                Settlement::One(index) => (pick(index), false),
                Settlement::UpTo(index) => (pick(index), true),
                Settlement::Any(tag, multiple) => (tag, multiple),
                Settlement::All => (0, true),
            };
            taken.clear();
            let known = model.contains_key(&tag) || tag == 0 && multiple;
            let result = ledger.take(tag, multiple, |delivery| taken.push(delivery));
            prop_assert_eq!(result, if known { Ok(()) } else { Err(UnknownTag { tag }) });
            let expected: Vec<Outstanding> = if !known {
                Vec::new()
            } else if multiple {
                let upto = if tag == 0 { u64::MAX } else { tag };
                take_upto(&mut model, upto)
            } else {
                model.remove(&tag).into_iter().collect()
            };
            prop_assert_eq!(&taken, &expected);
            prop_assert_eq!(ledger.len(), model.len());
            prop_assert_eq!(ledger.is_empty(), model.is_empty());
            prop_assert!(ledger.iter().eq(model.values()));
        }
    }
}

fn take_upto(model: &mut BTreeMap<u64, Outstanding>, upto: u64) -> Vec<Outstanding> {
    let later = model.split_off(&upto.saturating_add(1));
    std::mem::replace(model, later).into_values().collect()
}

const QUEUES: u32 = 4;

#[derive(Clone, Debug)]
enum Event {
    /// So many publications, each to the queues in this set of bits.
    Publish(usize, u32),
    /// A queue stored some of what is open there.
    Stored(u32, Index),
    Refused(u32, Vec<Index>),
    Gone(u32, Verdict),
    Take,
}

fn event() -> impl Strategy<Value = Event> {
    let queue = 0..QUEUES;
    let verdict = prop_oneof![Just(Verdict::Ack), Just(Verdict::Nack)];
    prop_oneof![
        4 => (prop_oneof![12 => 1..4_usize, 1 => 1_000..1_500_usize], 0..1_u32 << QUEUES).prop_map(|(n, to)| Event::Publish(n, to)),
        8 => (queue.clone(), any::<Index>()).prop_map(|(queue, upto)| Event::Stored(queue, upto)),
        2 => (queue.clone(), vec(any::<Index>(), 1..5)).prop_map(|(queue, picks)| Event::Refused(queue, picks)),
        1 => (queue, verdict).prop_map(|(queue, verdict)| Event::Gone(queue, verdict)),
        6 => Just(Event::Take),
    ]
}

/// What is known of each publication.
#[derive(Default)]
struct Publications {
    last: u64,
    /// By queue: what it has not answered for.
    sent: [BTreeSet<u64>; QUEUES as usize],
    refused: BTreeSet<u64>,
    unanswered: BTreeSet<u64>,
}

impl Publications {
    fn is_open(&self, seq: u64) -> bool {
        !self.refused.contains(&seq) && self.sent.iter().any(|sent| sent.contains(&seq))
    }

    fn refuse(&mut self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            if self.unanswered.contains(&seq) {
                self.refused.insert(seq);
            }
        }
    }

    fn run(&mut self, ledger: &mut Confirms, event: Event) {
        match event {
            Event::Publish(count, queues) => self.publish(ledger, count, queues),
            Event::Stored(queue, upto) => {
                let sent: Vec<u64> = self.sent[queue as usize].iter().copied().collect();
                let upto = if sent.is_empty() {
                    self.last
                } else {
                    sent[upto.index(sent.len())]
                };
                self.sent[queue as usize].retain(|&seq| seq > upto);
                ledger.stored(queue, upto);
            }
            Event::Refused(queue, picks) => {
                let sent: Vec<u64> = self.sent[queue as usize].iter().copied().collect();
                let picked = picks
                    .iter()
                    .filter(|_| !sent.is_empty())
                    .map(|pick| sent[pick.index(sent.len())]);
                let picked: Vec<u64> = picked.collect();
                ledger.refused(queue, &picked);
                self.sent[queue as usize].retain(|seq| !picked.contains(seq));
                self.refuse(picked);
            }
            Event::Gone(queue, verdict) => {
                ledger.gone(queue, verdict);
                let open = std::mem::take(&mut self.sent[queue as usize]);
                if verdict == Verdict::Nack {
                    self.refuse(open);
                }
            }
            Event::Take => self.take(ledger),
        }
        let open = self.unanswered.iter().filter(|&&seq| self.is_open(seq)).count();
        assert_eq!(ledger.open(), open);
    }

    fn publish(&mut self, ledger: &mut Confirms, count: usize, queues: u32) {
        for _ in 0..count {
            self.last += 1;
            let seq = ledger.publish();
            assert_eq!(seq, self.last);
            self.unanswered.insert(seq);
            for queue in (0..QUEUES).filter(|queue| queues & 1 << queue != 0) {
                ledger.sent(seq, &[queue]);
                self.sent[queue as usize].insert(seq);
            }
        }
        // The last of those without a queue counts as open until the next call.
        if queues == 0 {
            self.take(ledger);
        }
    }

    fn take(&mut self, ledger: &mut Confirms) {
        let mut answers = Vec::new();
        ledger.take(|answer| answers.push(answer));
        assert!(answers.is_sorted_by_key(|answer| answer.nack), "acks come first");
        for Answer { nack, tag, multiple } in answers {
            let from = if multiple { 0 } else { tag };
            let covered: Vec<u64> = self.unanswered.range(from..=tag).copied().collect();
            for seq in &covered {
                self.unanswered.remove(seq);
            }
            assert_eq!(covered.last(), Some(&tag), "answered once");
            assert_eq!(multiple, covered.len() > 1);
            for seq in covered {
                assert!(!self.is_open(seq), "{seq} is answered too early");
                assert_eq!(self.refused.contains(&seq), nack);
            }
        }
        assert!(
            self.unanswered.iter().all(|&seq| self.is_open(seq)),
            "all that is complete is answered"
        );
    }

    fn finish(mut self, ledger: &mut Confirms) {
        for queue in 0..QUEUES {
            self.run(ledger, Event::Gone(queue, Verdict::Ack));
        }
        self.run(ledger, Event::Take);
        assert!(self.unanswered.is_empty());
        assert_eq!(ledger.open(), 0);
    }
}

proptest! {
    #[test]
    fn publications_are_answered_once_and_never_too_early(events in vec(event(), 1..60)) {
        let mut ledger = Confirms::new();
        let mut model = Publications::default();
        events.into_iter().for_each(|event| model.run(&mut ledger, event));
        model.finish(&mut ledger);
    }
}
