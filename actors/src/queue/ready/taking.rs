//! What is taken out from among those that wait, wherever it stands.

use std::ops::RangeInclusive;

use super::{Ready, TakenOut};
use crate::journal::Positions;

impl Ready {
    /// Takes out those of these messages that still wait here, in order, until so many of them were in memory: `most`, and one at
    /// least. Returns the position up to which all are taken.
    pub(in super::super) fn take_out(
        &mut self,
        range: &RangeInclusive<u64>,
        most: usize,
        taken: &mut TakenOut,
    ) -> u64 {
        let upto = self.take_upto(range, taken.entries.len() + most.max(1), taken);
        match self.first_unreturned() {
            Some(first) if self.behind => self.gone.forget_below(first),
            _ => self.gone.clear(),
        }
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
        let before = absent.len();
        self.absent
            .take_out(range.clone(), &self.gone, |stretch| absent.push(stretch));
        // It is not here any more if it is asked for again, though it stands among others that are.
        for stretch in absent.iter().skip(before) {
            self.gone.add(stretch.run.positions);
        }
        let (left, gone) = (limit - entries.len(), &mut self.gone);
        self.leaving.take_out(range.clone(), left, |position, entry| {
            gone.add(Positions::one(position));
            entries.push((position, entry));
        });
        let left = limit - entries.len();
        self.back.take_out(range.clone(), left, |position, entry| {
            entries.push((position, entry))
        });
        self.look_behind();
    }
}
