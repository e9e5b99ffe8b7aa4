//! Publications of a channel in confirm mode that were not answered yet.
//!
//! A publication is acked when every queue it went to has stored it, and nacked as soon as one refuses it. Queues
//! answer "all up to this one"; the client is answered with as few methods as that allows.

use std::collections::{BTreeMap, VecDeque};

pub use super::answers::{Answer, Verdict};
use super::answers::{answer, answer_below};

/// In the ring: it was refused, other queues don't matter any more.
const REFUSED: u32 = u32::MAX;
/// Answered places the ring may hold behind one that is open.
const SPARE: usize = 1_024;

/// The ledger of unanswered publications, numbered from 1.
#[derive(Debug, Default)]
pub struct Confirms {
    /// On how many queues each publication after `base` waits; the first one is always open.
    ring: VecDeque<u32>,
    /// The number of publications before the ring.
    base: u64,
    /// Open publications that fell so far behind that they were taken out of the ring.
    late: BTreeMap<u64, u32>,
    /// What is open at each queue, by the channel's number of the queue: runs of numbers, first and last.
    queues: Vec<VecDeque<(u64, u64)>>,
    /// The last publication went to no queue so far.
    unsent: bool,
    /// Open publications.
    open: usize,
    /// Complete and not answered: runs of numbers, first and last.
    stored: Vec<(u64, u64)>,
    /// Refused and not answered.
    refused: Vec<u64>,
}

impl Confirms {
    /// A ledger in which the next publication is number 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// Numbers a publication. It is complete at once unless [`sent`](Self::sent) follows.
    #[inline]
    pub fn publish(&mut self) -> u64 {
        self.complete_unsent();
        self.unsent = true;
        self.open += 1;
        self.ring.push_back(0);
        self.last()
    }

    /// The last publication went to these queues, known by the channel's small numbers for them. Once for each queue.
    #[inline]
    pub fn sent(&mut self, seq: u64, queues: &[u32]) {
        debug_assert_eq!(seq, self.last(), "the last publication is sent");
        let Some(waits) = self.ring.back_mut() else { return };
        *waits += queues.len() as u32;
        self.unsent &= queues.is_empty();
        for &queue in queues {
            let queue = queue as usize;
            if queue >= self.queues.len() {
                self.queues.resize_with(queue + 1, VecDeque::new);
            }
            let Some(runs) = self.queues.get_mut(queue) else {
                return;
            };
            match runs.back_mut() {
                Some((_, last)) if *last + 1 == seq => *last = seq,
                _ => runs.push_back((seq, seq)),
            }
        }
    }

    /// A queue has stored all it was sent up to this publication.
    pub fn stored(&mut self, queue: u32, upto: u64) {
        while let Some((first, last)) = self.take_run(queue, upto) {
            (first..=last).for_each(|seq| self.stored_one(seq));
        }
    }

    /// A queue refused these publications.
    pub fn refused(&mut self, queue: u32, seqs: &[u64]) {
        for &seq in seqs {
            if self.take_one(queue, seq) {
                self.refused_one(seq);
            }
        }
    }

    /// A queue refused some of a batch: those at these places of it. `upto` is its last publication, and it was so many.
    pub fn refused_of_batch(&mut self, queue: u32, upto: u64, of: u32, places: &[u32]) {
        let Some(runs) = self.queues.get(queue as usize) else {
            return;
        };
        let latest_first = runs
            .iter()
            .rev()
            .flat_map(|&(first, last)| (first..=last.min(upto)).rev());
        let batch: Vec<u64> = latest_first.take(of as usize).collect();
        let from_last = |place: u32| of.checked_sub(place)?.checked_sub(1);
        let at = |&place: &u32| batch.get(from_last(place)? as usize).copied();
        let seqs: Vec<u64> = places.iter().filter_map(at).collect();
        self.refused(queue, &seqs);
    }

    /// A queue is gone, and this is what becomes of all that it did not answer for. Its number may be used again.
    pub fn gone(&mut self, queue: u32, verdict: Verdict) {
        while let Some((first, last)) = self.take_run(queue, u64::MAX) {
            match verdict {
                Verdict::Ack => (first..=last).for_each(|seq| self.stored_one(seq)),
                Verdict::Nack => (first..=last).for_each(|seq| self.refused_one(seq)),
            }
        }
    }

    /// What to answer now, acks before nacks. Each publication is answered once.
    pub fn take(&mut self, mut sink: impl FnMut(Answer)) {
        self.complete_unsent();
        self.advance();
        if self.stored.is_empty() && self.refused.is_empty() {
            return;
        }
        let open_from = self.first_open();
        let refused_from = self.refused.iter().copied().min().unwrap_or(u64::MAX);
        answer(false, &mut self.stored, open_from.min(refused_from), &mut sink);
        let mut refused: Vec<(u64, u64)> = self.refused.drain(..).map(|seq| (seq, seq)).collect();
        answer(true, &mut refused, open_from, &mut sink);
    }

    /// Likewise, but what is stored while one before it is open stays, since it takes an answer of its own. Whether any does.
    pub fn take_in_order(&mut self, mut sink: impl FnMut(Answer)) -> bool {
        if !self.refused.is_empty() {
            self.take(sink);
            return false;
        }
        self.complete_unsent();
        self.advance();
        let open_from = self.first_open();
        answer_below(false, &mut self.stored, open_from, &mut sink);
        !self.stored.is_empty()
    }

    /// Publications that are not complete.
    pub fn open(&self) -> usize {
        self.open
    }

    /// The number of the last publication.
    fn last(&self) -> u64 {
        self.base + self.ring.len() as u64
    }

    fn first_open(&self) -> u64 {
        self.late.first_key_value().map_or(self.base + 1, |(&seq, _)| seq)
    }

    fn complete_unsent(&mut self) {
        if std::mem::take(&mut self.unsent) {
            self.complete(self.last());
        }
    }

    #[inline]
    fn complete(&mut self, seq: u64) {
        self.open -= 1;
        match self.stored.last_mut() {
            Some((_, last)) if *last + 1 == seq => *last = seq,
            _ => self.stored.push((seq, seq)),
        }
    }

    #[inline]
    fn stored_one(&mut self, seq: u64) {
        let Some(waits) = self.waits(seq) else { return };
        if *waits == REFUSED || *waits == 0 {
            return;
        }
        *waits -= 1;
        if *waits == 0 {
            self.late.remove(&seq);
            self.complete(seq);
        }
    }

    fn refused_one(&mut self, seq: u64) {
        let Some(waits) = self.waits(seq) else { return };
        if *waits == REFUSED || *waits == 0 {
            return;
        }
        *waits = REFUSED;
        self.late.remove(&seq);
        self.open -= 1;
        self.refused.push(seq);
    }

    /// On how many queues a publication waits; `None` when it is answered.
    #[inline]
    fn waits(&mut self, seq: u64) -> Option<&mut u32> {
        match seq.checked_sub(self.base + 1) {
            Some(at) => self.ring.get_mut(usize::try_from(at).ok()?),
            None => self.late.get_mut(&seq),
        }
    }

    /// Removes what is complete from the front of the ring, and stragglers that keep a long ring from getting shorter.
    fn advance(&mut self) {
        loop {
            match self.ring.front() {
                Some(&(0 | REFUSED)) => {}
                Some(&waits) if self.ring.len() > 2 * self.open + SPARE => {
                    self.late.insert(self.base + 1, waits);
                }
                _ => break,
            }
            self.ring.pop_front();
            self.base += 1;
        }
    }

    /// Takes the first run of what a queue has open, cut at `upto`.
    fn take_run(&mut self, queue: u32, upto: u64) -> Option<(u64, u64)> {
        let runs = self.queues.get_mut(queue as usize)?;
        let (first, last) = runs.front_mut()?;
        let run = (*first, (*last).min(upto));
        if *first > upto {
            return None;
        }
        if *last > upto {
            *first = upto + 1;
        } else {
            runs.pop_front();
        }
        Some(run)
    }

    /// Takes one publication out of what a queue has open; `false` when it is not.
    fn take_one(&mut self, queue: u32, seq: u64) -> bool {
        let Some(runs) = self.queues.get_mut(queue as usize) else {
            return false;
        };
        let at = runs.partition_point(|&(_, last)| last < seq);
        let Some(&(first, last)) = runs.get(at).filter(|(first, _)| *first <= seq) else {
            return false;
        };
        runs.remove(at);
        if last > seq {
            runs.insert(at, (seq + 1, last));
        }
        if first < seq {
            runs.insert(at, (first, seq - 1));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger with a publication to each of these queues.
    fn sent(queues: &[&[u32]]) -> Confirms {
        let mut ledger = Confirms::new();
        for queues in queues {
            let seq = ledger.publish();
            ledger.sent(seq, queues);
        }
        ledger
    }

    fn answers(ledger: &mut Confirms) -> Vec<Answer> {
        let mut answers = Vec::new();
        ledger.take(|answer| answers.push(answer));
        answers
    }

    fn ack(tag: u64) -> Answer {
        Answer {
            nack: false,
            tag,
            multiple: false,
        }
    }

    fn ack_all(tag: u64) -> Answer {
        Answer {
            nack: false,
            tag,
            multiple: true,
        }
    }

    fn nack(tag: u64) -> Answer {
        Answer {
            nack: true,
            tag,
            multiple: false,
        }
    }

    #[test]
    fn what_goes_nowhere_is_acked_at_once() {
        let mut ledger = sent(&[&[], &[]]);
        assert_eq!(answers(&mut ledger), [ack_all(2)]);
        assert_eq!(answers(&mut ledger), []);
        assert_eq!(ledger.publish(), 3);
        assert_eq!(answers(&mut ledger), [ack(3)]);
    }

    #[test]
    fn every_queue_must_have_stored_it() {
        let mut ledger = sent(&[&[0, 1]]);
        ledger.stored(0, 1);
        assert_eq!(answers(&mut ledger), []);
        ledger.stored(1, 1);
        assert_eq!(answers(&mut ledger), [ack(1)]);
    }

    #[test]
    fn multiple_stops_before_what_is_open() {
        let mut ledger = sent(&[&[0], &[0], &[1], &[0], &[0]]);
        ledger.stored(0, 5);
        assert_eq!(answers(&mut ledger), [ack_all(2), ack(4), ack(5)]);
        ledger.stored(1, 3);
        assert_eq!(answers(&mut ledger), [ack(3)]);
    }

    #[test]
    fn what_is_stored_out_of_order_can_wait_for_what_is_before_it() {
        let mut ledger = sent(&[&[0], &[1], &[0]]);
        let mut acks = Vec::new();
        ledger.stored(0, 3);
        assert!(ledger.take_in_order(|answer| acks.push(answer)));
        ledger.stored(1, 2);
        assert!(!ledger.take_in_order(|answer| acks.push(answer)));
        assert_eq!(acks, [ack(1), ack_all(3)]);
    }

    #[test]
    fn multiple_stops_before_what_is_refused() {
        let mut ledger = sent(&[&[0], &[0], &[0], &[0]]);
        ledger.refused(0, &[2]);
        ledger.stored(0, 4);
        assert_eq!(answers(&mut ledger), [ack(1), ack(3), ack(4), nack(2)]);
    }

    #[test]
    fn a_batch_is_what_the_queue_was_sent_last() {
        let mut ledger = sent(&[&[0], &[1], &[0], &[1], &[0], &[0], &[0]]);
        ledger.refused_of_batch(0, 6, 3, &[0, 2, 3]);
        assert_eq!(answers(&mut ledger), [nack(3), nack(6)]);
        ledger.stored(0, 6);
        ledger.stored(1, 4);
        assert_eq!(answers(&mut ledger), [ack_all(5)]);
        ledger.refused_of_batch(0, 7, 2, &[0, 1]);
        assert_eq!(answers(&mut ledger), [nack(7)], "the first had no number");
    }

    #[test]
    fn one_refusal_is_enough_and_is_told_once() {
        let mut ledger = sent(&[&[0, 1, 2]]);
        ledger.stored(0, 1);
        ledger.refused(1, &[1]);
        assert_eq!(answers(&mut ledger), [nack(1)]);
        ledger.refused(2, &[1]);
        ledger.stored(2, 1);
        assert_eq!(answers(&mut ledger), []);
        assert_eq!(ledger.open(), 0);
    }

    #[test]
    fn a_deleted_queue_counts_as_stored_and_a_crashed_one_as_refused() {
        let mut ledger = sent(&[&[0], &[1], &[0], &[1]]);
        ledger.gone(0, Verdict::Ack);
        ledger.gone(1, Verdict::Nack);
        let all_refused = Answer {
            nack: true,
            tag: 4,
            multiple: true,
        };
        assert_eq!(answers(&mut ledger), [ack(1), ack(3), all_refused]);
    }

    #[test]
    fn one_stuck_publication_among_millions_answered_takes_no_room() {
        let mut ledger = sent(&[&[1]]);
        let mut acks = 0;
        for _ in 0..1_000_000 {
            let seq = ledger.publish();
            ledger.sent(seq, &[0]);
            ledger.stored(0, seq);
            ledger.take(|answer| acks += usize::from(!answer.multiple));
        }
        assert_eq!(acks, 1_000_000, "none may cover the one that is open");
        assert_eq!((ledger.open(), ledger.late.len()), (1, 1));
        assert!(ledger.ring.capacity() < 4 * SPARE && ledger.stored.capacity() < 64);
        ledger.stored(1, 1);
        assert_eq!(answers(&mut ledger), [ack(1)]);
    }
}
