//! What must hold in an index at any time, found out by looking at all of it.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

impl Index {
    /// Panics when something is counted otherwise than it is.
    pub(in crate::journal) fn assert_sound(&self) {
        let mut held: BTreeMap<Location, u32> = BTreeMap::new();
        for store in self.stores() {
            for (_, at) in self.messages(store) {
                *held.entry(at).or_default() += 1;
            }
        }
        let mut counts: BTreeMap<u32, [u64; 3]> = self.segments.keys().map(|&n| (n, [0; 3])).collect();
        let mut lent = BTreeSet::new();
        for (&at, &holders) in &held {
            let known = self.shared.get(&at).copied();
            assert!(
                known == Some(holders) || known.is_none() && holders == 1,
                "{at:?} has {holders} holders, not {known:?}"
            );
            match self.lending.body_of(at) {
                Some(body) => {
                    counts.entry(at.segment).or_default()[2] += 1;
                    lent.insert(body);
                }
                None => counts.entry(at.segment).or_default()[0] += 1,
            }
        }
        assert!(self.shared.keys().all(|at| held.contains_key(at)));
        assert!(self.lending.borrowed().all(|(at, _)| held.contains_key(&at)));
        for body in &lent {
            assert!(self.segments.contains_key(&body.segment), "{body:?} is not there");
            counts.entry(body.segment).or_default()[1] += 1;
        }
        assert_eq!(self.lending.names().count(), lent.len());
        for (number, [live, bodies, borrowers]) in counts {
            let segment = self.segment(number);
            let counted = [segment.live, segment.lent, segment.borrowers.live];
            assert_eq!(counted, [live, bodies, borrowers], "segment {number}");
        }
    }
}
