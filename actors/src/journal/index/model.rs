//! Random histories of an index with bodies that are elsewhere, against plain maps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Messages that a segment may have before the next begins.
const FULL: u32 = 12;

#[derive(Debug, Clone)]
enum Step {
    /// A new publication, with its own body or that of a message, for so many queues.
    Publish {
        of: Option<u16>,
        queues: u8,
    },
    /// A further queue gets a publication of the last segment.
    Further(u16),
    Settle {
        store: u64,
        first: u64,
        more: u64,
    },
    Delete {
        store: u64,
    },
    /// What lives in the first segment is copied to the last.
    Clean {
        half: bool,
    },
    /// The same, and all of it is lost.
    CleanInVain,
    NextSegment,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u8..4).prop_map(|queues| Step::Publish { of: None, queues }),
        8 => (any::<u16>(), 1u8..4).prop_map(|(of, queues)| Step::Publish { of: Some(of), queues }),
        3 => any::<u16>().prop_map(Step::Further),
        6 => (0u64..3, 0u64..40, 0u64..6).prop_map(|(store, first, more)| Step::Settle { store, first, more }),
        1 => (0u64..3).prop_map(|store| Step::Delete { store }),
        3 => any::<bool>().prop_map(|half| Step::Clean { half }),
        3 => Just(Step::CleanInVain),
        2 => Just(Step::NextSegment),
    ]
}

/// Where a body is that has this name.
type Places = BTreeMap<Location, Location>;

/// What was copied, and from where: messages, with the names of their bodies, and bodies alone.
type Copied = (
    Vec<(MessageId, Location, Option<Location>)>,
    Vec<(Location, Location)>,
);

#[derive(Default)]
struct World {
    index: Index,
    /// Where each message is.
    messages: BTreeMap<(u64, u64), Location>,
    /// The name of the body of each publication that has none, dead ones too, and the first message of each.
    bodies: BTreeMap<Location, Location>,
    origins: BTreeMap<Location, MessageId>,
    moved: Places,
    next: [u64; 3],
    end: Location,
}

fn id(store: u64, position: u64) -> MessageId {
    let store = StoreId(store);
    MessageId { store, position }
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Publish { of, queues } => self.publish(of, queues),
            Step::Further(which) => self.further(which),
            Step::Settle { store, first, more } => {
                let last = first + more;
                self.index.settle(StoreId(store), Positions { first, last });
                self.messages
                    .retain(|&(of, at), _| of != store || at < first || at > last);
            }
            Step::Delete { store } => {
                self.index.remove(StoreId(store));
                self.messages.retain(|&(of, _), _| of != store);
            }
            Step::Clean { half } => drop(self.clean(half)),
            Step::CleanInVain => self.clean_in_vain(),
            Step::NextSegment => self.next_segment(),
        }
    }

    fn next_segment(&mut self) {
        self.end = Location {
            segment: self.end.segment + 1,
            offset: 0,
        };
    }

    fn place(&mut self) -> Location {
        if self.end.offset == FULL {
            self.next_segment();
        }
        self.end.offset += 1;
        self.index.grow(self.end.segment, 10);
        self.end
    }

    /// Writes a publication for a message.
    fn write(&mut self, message: MessageId, name: Option<Location>) -> Location {
        let at = self.place();
        match name {
            Some(name) => self.index.insert_borrower(message, at, 10, name),
            None => self.index.insert(message, at),
        }
        self.origins.insert(at, message);
        self.bodies.extend(name.map(|name| (at, name)));
        self.messages.insert((message.store.0, message.position), at);
        at
    }

    fn write_further(&mut self, message: MessageId, at: Location) {
        let name = self.bodies.get(&at).copied();
        self.index.insert_further(message, at, self.origins[&at], name);
        self.messages.insert((message.store.0, message.position), at);
    }

    fn message(&mut self, store: u64) -> MessageId {
        self.next[store as usize] += 1;
        id(store, self.next[store as usize])
    }

    fn publish(&mut self, of: Option<u16>, queues: u8) {
        let waiting: Vec<Location> = self.messages.values().copied().collect();
        let name = of.filter(|_| !waiting.is_empty()).map(|of| {
            let at = waiting[usize::from(of) % waiting.len()];
            self.bodies.get(&at).copied().unwrap_or(at)
        });
        let first = self.message(0);
        let at = self.write(first, name);
        for queue in 1..queues {
            let further = self.message(queue.into());
            self.write_further(further, at);
        }
    }

    /// Of a publication that has been settled, only if its body is its own or still there.
    fn further(&mut self, which: u16) {
        let (held, lent) = (self.held(), self.lent());
        let is_there = |at: &Location| {
            let name = self.bodies.get(at);
            name.is_none_or(|name| held.contains(at) || lent.contains_key(name) || held.contains(name))
        };
        let last = self.origins.keys().filter(|at| at.segment == self.end.segment);
        let last: Vec<Location> = last.copied().filter(is_there).collect();
        if !last.is_empty() {
            let message = self.message(u64::from(which % 3));
            self.write_further(message, last[usize::from(which) % last.len()]);
        }
    }

    /// Copies what lives in the first segment, or half of it.
    fn clean(&mut self, half: bool) -> Copied {
        let (mut messages, mut bodies) = (Vec::new(), Vec::new());
        let Some(first) = self.index.segments().next().map(|(number, _)| number) else {
            return (messages, bodies);
        };
        if first == self.end.segment {
            return (messages, bodies);
        }
        let lent = self.lent().into_iter().filter(|(_, at)| at.segment == first);
        let lent: Vec<_> = lent.collect();
        let living: Vec<_> = self
            .messages
            .iter()
            .map(|(&message, &at)| (message, at))
            .collect();
        let mut living: Vec<_> = living.into_iter().filter(|(_, at)| at.segment == first).collect();
        living.sort_by_key(|&(_, at)| at);
        let skipped = if half { living.len() / 2 } else { 0 };
        for (name, from) in lent.into_iter().skip(skipped) {
            let at = self.place();
            self.index.move_body(name, at);
            self.moved.insert(name, at);
            bodies.push((name, from));
        }
        let mut copied: BTreeMap<Location, Location> = BTreeMap::new();
        for ((store, position), from) in living.into_iter().skip(skipped) {
            let name = self.bodies.get(&from).copied();
            let message = id(store, position);
            match copied.get(&from) {
                Some(&at) if at.segment == self.end.segment => self.write_further(message, at),
                _ => {
                    let at = self.write(message, name);
                    copied.insert(from, at);
                }
            }
            messages.push((message, from, name));
        }
        if !half {
            assert!(self.index.segment(first).is_dead());
            self.index.forget(first);
            self.origins.retain(|at, _| at.segment != first);
        }
        (messages, bodies)
    }

    /// Cleans into a segment of its own, which is lost.
    fn clean_in_vain(&mut self) {
        self.next_segment();
        let lost = self.end;
        let (messages, bodies) = self.clean(true);
        if self.end.segment != lost.segment {
            return;
        }
        self.index.cut(lost.segment, Segment::default());
        self.index.move_bodies_back(lost, bodies.iter().copied());
        self.index.move_back(lost, messages.iter().copied());
        for (name, from) in bodies {
            self.moved.insert(name, from);
        }
        for (message, from, _) in messages {
            self.messages.insert((message.store.0, message.position), from);
        }
        self.origins.retain(|at, _| at.segment != lost.segment);
        self.index.forget(lost.segment);
        self.next_segment();
    }

    fn held(&self) -> BTreeSet<Location> {
        self.messages.values().copied().collect()
    }

    /// The names of the bodies that are needed, and where they are.
    fn lent(&self) -> Places {
        let names = self
            .held()
            .into_iter()
            .filter_map(|at| self.bodies.get(&at).copied());
        names
            .map(|name| (name, self.moved.get(&name).copied().unwrap_or(name)))
            .collect()
    }

    fn check(&self) {
        let (held, lent) = (self.held(), self.lent());
        for (&(store, position), &at) in &self.messages {
            assert_eq!(self.index.get(StoreId(store), position), Some(at));
            let body = self.bodies.get(&at).map(|name| lent[name]);
            assert_eq!(self.index.lending.body_of(at), body);
        }
        let known: usize = self
            .index
            .stores()
            .map(|store| self.index.messages(store).count())
            .sum();
        assert_eq!(known, self.messages.len());
        for (number, segment) in self.index.segments() {
            let here = |at: &&Location| at.segment == number;
            let (borrowers, live) = held
                .iter()
                .filter(here)
                .partition::<Vec<&Location>, _>(|at| self.bodies.contains_key(at));
            let bodies: BTreeSet<Location> = lent.values().filter(here).copied().collect();
            assert_eq!(segment.live, live.len() as u64, "segment {number}");
            assert_eq!(segment.lent, bodies.len() as u64, "segment {number}");
            assert_eq!(segment.borrowers.live, borrowers.len() as u64, "segment {number}");
            assert!(segment.live_bytes() <= segment.bytes);
        }
        self.index.assert_sound();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn bodies_that_are_elsewhere_are_kept_as_long_as_one_needs_them(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::default();
        for step in steps {
            world.step(step);
            world.check();
        }
        for store in 0..3 {
            world.index.remove(StoreId(store));
        }
        prop_assert!(world.index.segments().all(|(_, segment)| segment.is_dead()));
        prop_assert!(world.index.lending.is_empty() && world.index.lending.moved().len() == 0);
        prop_assert!(world.index.shared.is_empty());
    }
}
