//! The journals of the queue, kept in memory.

use std::collections::BTreeMap;

use leveret_actors::{
    journal::{Alike, Keeper, Positions, Restored, Return, Run},
    publication::{Page, PageBuilder},
    queue::{Load, QueueState, Spill},
};
use leveret_protocol::Body;
use proptest::sample::Index;

use crate::step::{priority, properties};

/// What the journals have, by position. A message's position is its number.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) journal: BTreeMap<u64, Vec<u8>>,
    scratch: BTreeMap<u64, (bool, Vec<u8>)>,
    /// The returns that the journal was told.
    pub(crate) returned: BTreeMap<u64, Return>,
    tickets: u64,
    asked: Option<Load>,
    /// When messages expire, by position.
    pub(crate) deadlines: BTreeMap<u64, u64>,
}

impl Disk {
    pub(crate) fn evict(&mut self, queue: &mut QueueState, keep: u64, scratch: bool) {
        let spills = queue.evict(keep, scratch);
        assert!(scratch || spills.is_empty());
        if self.write(spills) {
            queue.await_scratch(self.tickets);
        }
    }

    pub(crate) fn evict_held(&mut self, queue: &mut QueueState, scratch: bool) {
        let spills = queue.evict_held(scratch);
        assert!(scratch || spills.is_empty());
        if self.write(spills) {
            queue.await_held(self.tickets);
        }
    }

    pub(crate) fn scratched(&mut self, queue: &mut QueueState) {
        queue.scratched(self.tickets);
    }

    /// One question at a time. What is gone is told first.
    pub(crate) fn load(&mut self, queue: &mut QueueState) {
        self.settle(queue);
        if let Some(load) = queue.load(4 << 20) {
            assert_eq!(self.asked.replace(load), None);
        }
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Up to `most` of the messages that a look asks for, and up to which position that is.
    pub(crate) fn look(&self, load: &Load, most: usize) -> (Vec<Restored>, u64) {
        assert!(load.positions.is_sorted_by(|one, next| one.last < next.first));
        let asked = load.positions.iter();
        let mut found: Vec<u64> = asked.flat_map(|range| self.among(load.keeper, range)).collect();
        let end = load.positions.last().map_or(0, |range| range.last);
        let upto = found.get(most).map_or(end, |_| found[most - 1]);
        found.truncate(most);
        (vec![self.read(load.keeper, &found)], upto)
    }

    /// Answers with up to `most` messages, at least one, and returns the number of one that it could not read. Only one that waits is lost for the
    /// queue: others it may have in memory.
    pub(crate) fn answer(
        &mut self,
        queue: &mut QueueState,
        most: usize,
        unreadable: Option<Index>,
        does_wait: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let Load { keeper, positions } = self.asked.take()?;
        assert!(positions.is_sorted_by(|one, next| one.last < next.first));
        let end = positions.last().map_or(0, |range| range.last);
        let mut found: Vec<u64> = positions
            .iter()
            .flat_map(|range| self.among(keeper, range))
            .collect();
        let partial = most.max(1) < found.len();
        found.truncate(most.max(1));
        let upto = found.last().copied().filter(|_| partial).unwrap_or(end);
        let lost = unreadable
            .filter(|_| !found.is_empty())
            .map(|pick| pick.index(found.len()))
            .filter(|&at| does_wait(found[at]))
            .map(|at| found.remove(at));
        let messages = found.chunks(7).map(|some| self.read(keeper, some)).collect();
        queue.loaded(keeper, messages, upto);
        if let Some(lost) = lost {
            self.journal.remove(&lost);
            self.returned.remove(&lost);
            self.scratch.remove(&lost);
        }
        lost
    }

    /// Only what the journal has is left.
    pub(crate) fn restart(&mut self) -> Option<Run> {
        self.scratch.clear();
        self.asked = None;
        let (&first, _) = self.journal.first_key_value()?;
        let (&last, _) = self.journal.last_key_value()?;
        Some(Run {
            positions: Positions { first, last },
            messages: self.journal.len() as u64,
        })
    }

    /// What is known of the priorities of what the journal has.
    pub(crate) fn alike(&self) -> Alike {
        let mut priorities = self.journal.keys().map(|&number| priority(number));
        match priorities.next() {
            Some(first) if priorities.all(|other| other == first) => Alike::All(first),
            _ => Alike::Unknown,
        }
    }

    /// Forgets what the queue says is gone.
    pub(crate) fn settle(&mut self, queue: &mut QueueState) {
        for back in queue.take_returned() {
            assert!(self.journal.contains_key(&back.position), "{back:?} is not kept");
            self.returned.insert(back.position, back);
        }
        for Positions { first, last } in queue.take_settled(Keeper::Journal) {
            let gone = first..=last;
            self.journal.retain(|position, _| !gone.contains(position));
            self.returned.retain(|position, _| !gone.contains(position));
        }
        for Positions { first, last } in queue.take_settled(Keeper::Scratch) {
            self.scratch
                .retain(|position, _| !(first..=last).contains(position));
        }
    }

    /// The queue is empty, and so are its journals.
    pub(crate) fn finish(&self) {
        assert!(self.journal.is_empty(), "{:?}", self.journal.keys());
        assert!(self.scratch.is_empty(), "{:?}", self.scratch.keys());
    }

    fn write(&mut self, spills: Vec<Spill>) -> bool {
        let any = !spills.is_empty();
        self.tickets += u64::from(any);
        for Spill { page, messages } in spills {
            for (position, offset) in messages {
                let publication = page.get(offset);
                let body = publication.body.as_slice().to_vec();
                let old = self.scratch.insert(position, (publication.persistent, body));
                assert!(old.is_none(), "{position} was written twice");
            }
        }
        any
    }

    fn among(&self, keeper: Keeper, range: &Positions) -> Vec<u64> {
        let range = range.first..=range.last;
        match keeper {
            Keeper::Journal => self.journal.range(range).map(|(&position, _)| position).collect(),
            Keeper::Scratch => self.scratch.range(range).map(|(&position, _)| position).collect(),
        }
    }

    fn read(&self, keeper: Keeper, positions: &[u64]) -> Restored {
        let mut builder = PageBuilder::new();
        let mut push = |&position: &u64| {
            let (persistent, body) = match keeper {
                Keeper::Journal => (true, &self.journal[&position]),
                Keeper::Scratch => (self.scratch[&position].0, &self.scratch[&position].1),
            };
            let offset = builder.push("x", "key", &properties(position), persistent, Body::Slice(body));
            (position, offset)
        };
        let messages = positions.iter().map(&mut push).collect();
        let deadline = |position| self.deadlines.get(position).copied().unwrap_or_default();
        let deadlines = positions.iter().map(deadline).collect();
        let page: std::sync::Arc<Page> = builder.finish();
        Restored {
            page,
            messages,
            deadlines,
        }
    }
}
