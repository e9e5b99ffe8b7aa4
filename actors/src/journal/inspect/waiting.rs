//! Which messages wait, without where each of them is: neighbours in a queue and a segment take no memory of their
//! own. Pure.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::id::StoreId;
use crate::journal::record::Positions;

/// The unsettled messages of all queues.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    stores: FxHashMap<StoreId, Runs>,
    segments: BTreeMap<u32, u64>,
}

/// The runs of a queue by their first position.
type Runs = BTreeMap<u64, Run>;

/// Positions without a gap whose messages are in one segment.
#[derive(Debug, Clone, Copy)]
struct Run {
    last: u64,
    segment: u32,
}

impl Waiting {
    /// A queue has a message. One that was elsewhere has moved.
    pub(super) fn insert(&mut self, store: StoreId, position: u64, segment: u32) {
        let runs = self.stores.entry(store).or_default();
        if runs.last_key_value().is_some_and(|(_, run)| run.last >= position) {
            let positions = Positions::one(position);
            remove(runs, &mut self.segments, positions);
        }
        *self.segments.entry(segment).or_default() += 1;
        match runs.range_mut(..position).next_back() {
            Some((_, run)) if run.segment == segment && run.last + 1 == position => run.last = position,
            _ => {
                let last = position;
                runs.insert(position, Run { last, segment });
            }
        }
    }

    /// Messages of a queue are gone. Positions it does not have are skipped.
    pub(super) fn settle(&mut self, store: StoreId, positions: Positions) {
        if let Some(runs) = self.stores.get_mut(&store) {
            remove(runs, &mut self.segments, positions);
        }
    }

    /// A queue is gone.
    pub(super) fn delete(&mut self, store: StoreId) {
        let all = Positions {
            first: 0,
            last: u64::MAX,
        };
        self.settle(store, all);
        self.stores.remove(&store);
    }

    /// Whether a message waits.
    pub(super) fn has(&self, store: StoreId, position: u64) -> bool {
        let before = self
            .stores
            .get(&store)
            .and_then(|runs| runs.range(..=position).next_back());
        before.is_some_and(|(_, run)| run.last >= position)
    }

    /// How many wait whose publications are told by this segment.
    pub(super) fn in_segment(&self, number: u32) -> u64 {
        self.segments.get(&number).copied().unwrap_or_default()
    }

    /// How many wait in each queue that was told of.
    pub(super) fn by_queue(&self) -> impl Iterator<Item = (StoreId, u64)> {
        let count = |runs: &Runs| runs.iter().map(|(&first, run)| run.last - first + 1).sum();
        self.stores.iter().map(move |(&store, runs)| (store, count(runs)))
    }
}

fn remove(runs: &mut Runs, segments: &mut BTreeMap<u32, u64>, gone: Positions) {
    let Positions { first, last } = gone;
    if first > last {
        return;
    }
    let begins = runs
        .range(..=first)
        .next_back()
        .filter(|(_, run)| run.last >= first)
        .map_or(first, |(&begin, _)| begin);
    let touched: Vec<u64> = runs.range(begins..=last).map(|(&begin, _)| begin).collect();
    for begin in touched {
        let Some(run) = runs.remove(&begin) else { continue };
        if begin < first {
            let last = first - 1;
            runs.insert(begin, Run { last, ..run });
        }
        if run.last > last {
            runs.insert(last + 1, run);
        }
        if let Some(left) = segments.get_mut(&run.segment) {
            *left -= run.last.min(last) - begin.max(first) + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Told {
        Message(u64, u64, u32),
        Settled(u64, Positions),
        Deleted(u64),
    }

    fn told() -> impl Strategy<Value = Told> {
        let positions = (0..40_u64, 0..12_u64).prop_map(|(first, more)| Positions {
            first,
            last: first + more,
        });
        prop_oneof![
            8 => (0..2_u64, 0..40_u64, 1..4_u32).prop_map(|(store, at, segment)| Told::Message(store, at, segment)),
            4 => (0..2_u64, positions).prop_map(|(store, gone)| Told::Settled(store, gone)),
            1 => (0..2_u64).prop_map(Told::Deleted),
        ]
    }

    proptest! {
        #[test]
        fn runs_hold_what_a_plain_map_holds(all in vec(told(), 0..80)) {
            let (mut waiting, mut plain) = (Waiting::default(), BTreeMap::new());
            for told in all {
                match told {
                    Told::Message(store, at, segment) => {
                        waiting.insert(StoreId(store), at, segment);
                        plain.insert((store, at), segment);
                    }
                    Told::Settled(store, gone) => {
                        waiting.settle(StoreId(store), gone);
                        plain.retain(|(of, at), _| *of != store || *at < gone.first || *at > gone.last);
                    }
                    Told::Deleted(store) => {
                        waiting.delete(StoreId(store));
                        plain.retain(|(of, _), _| *of != store);
                    }
                }
                for segment in 1..4 {
                    let expected = plain.values().filter(|of| **of == segment).count() as u64;
                    prop_assert_eq!(waiting.in_segment(segment), expected);
                }
                for store in 0..2 {
                    let expected = plain.keys().filter(|(of, _)| *of == store).count() as u64;
                    let found = waiting.by_queue().find(|(of, _)| of.0 == store);
                    prop_assert_eq!(found.map_or(0, |(_, count)| count), expected);
                }
            }
        }
    }
}
