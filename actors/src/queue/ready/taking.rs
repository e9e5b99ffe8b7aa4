//! What is taken out from among those that wait, wherever it stands.

use std::ops::RangeInclusive;

use super::{Ready, TakenOut};
use crate::queue::absent::positions;

impl Ready {
    /// Takes out those of these messages that still wait here, in order, until so many of them were in memory: `most`, and one at
    /// least. Returns the position up to which all are taken.
    pub(in super::super) fn take_out(
        &mut self,
        range: &RangeInclusive<u64>,
        most: usize,
        taken: &mut TakenOut,
    ) -> u64 {
        let before = (taken.entries.len(), taken.absent.len());
        let upto = self.take_upto(range, before.0 + most.max(1), taken);
        self.note_gone(before, taken);
        upto
    }

    /// Takes out messages until so many entries are taken. What came back stands between the others.
    fn take_upto(&mut self, range: &RangeInclusive<u64>, limit: usize, taken: &mut TakenOut) -> u64 {
        let end = *range.end();
        let mut from = *range.start();
        while from <= end {
            let returned = self.returned.range(from..=end).next();
            let returned = returned.map(|(&position, _)| position);
            if returned != Some(from) {
                let before = returned.map_or(end, |position| position - 1);
                self.take_unreturned(&(from..=before), limit, taken);
            }
            if taken.entries.len() < limit {
                let Some(position) = returned else { break };
                taken.entries.extend(self.returned.remove_entry(&position));
                from = position + 1;
            }
            if taken.entries.len() >= limit {
                return taken.entries.last().map_or(end, |&(last, _)| last);
            }
        }
        end
    }

    /// The same among those that did not come back.
    fn take_unreturned(&mut self, range: &RangeInclusive<u64>, limit: usize, taken: &mut TakenOut) {
        let TakenOut { entries, absent } = taken;
        let left = limit - entries.len();
        self.front.take_out(range.clone(), left, |position, entry| {
            entries.push((position, entry))
        });
        if !self.behind || entries.len() == limit {
            return;
        }
        let gone = &self.gone;
        self.absent
            .take_out(range.clone(), gone, |stretch| absent.push(stretch));
        let left = limit - entries.len();
        self.leaving.take_out(range.clone(), left, |position, entry| {
            entries.push((position, entry))
        });
        let left = limit - entries.len();
        self.back.take_out(range.clone(), left, |position, entry| {
            entries.push((position, entry))
        });
        self.look_behind();
    }

    /// What is taken now, and stood among others that are still here, is not among them any more if it is asked for again.
    fn note_gone(&mut self, (entries, absent): (usize, usize), taken: &TakenOut) {
        let Some(first) = self.first_unreturned() else {
            return self.gone.clear();
        };
        self.gone.forget_below(first);
        let entries = taken.entries.iter().skip(entries);
        let entries = entries.map(|&(position, _)| positions(position, position));
        let absent = taken.absent.iter().skip(absent);
        let absent = absent.map(|stretch| stretch.run.positions);
        for part in entries.chain(absent).filter(|part| part.last >= first) {
            self.gone.add(part);
        }
    }
}
