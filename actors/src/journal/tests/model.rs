//! Random histories of a log, with power cuts and failures, against a plain model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::steps::{Step, step};
use super::*;
use crate::journal::inspect::inspect_files;
use crate::journal::{Alike, Kept, Return};

/// The body and the deadline of a message.
type Held = (Vec<u8>, u64);

/// What a message says: runs of them the same, others not.
fn priority_of(body: &[u8]) -> Option<u8> {
    let number = u64::from_le_bytes(body[..8].try_into().unwrap());
    match number / 8 % 3 {
        0 => None,
        1 => Some(0),
        _ => Some((number % 3) as u8),
    }
}

/// What a queue of the model knows of its messages.
#[derive(Debug, Default)]
struct Model {
    /// Its store changes when it is deleted.
    store: u64,
    next: u64,
    /// Unsettled, and confirmed as safe.
    safe: BTreeMap<u64, Held>,
    /// Unsettled, and not confirmed.
    unsafe_: BTreeMap<u64, Held>,
    /// Settled, which may be forgotten.
    settled: BTreeMap<u64, Held>,
    /// Of the messages that came back, the returns that may be known after a crash: the last, or an earlier one.
    returns: BTreeMap<u64, Vec<Option<Return>>>,
    /// Settled for good.
    gone: BTreeSet<u64>,
}

struct World {
    files: Faulty,
    settings: LogSettings,
    log: Log,
    queues: Vec<Model>,
    stores: u64,
    bodies: u64,
}

impl Model {
    /// What is told of its messages besides what they are.
    fn restart(&mut self, kept: &Kept, held: &BTreeMap<u64, Held>) {
        let returned = kept.returned.iter().map(|back| (back.position, *back));
        let returned: BTreeMap<u64, Return> = returned.collect();
        for position in held.keys() {
            let back = returned.get(position).copied();
            let known = self.returns.get(position).map_or(&[None][..], Vec::as_slice);
            assert!(
                known.contains(&back),
                "{position} came back as {back:?}, not {known:?}"
            );
        }
        assert!(returned.keys().all(|position| held.contains_key(position)));
        let is_timed = !returned.is_empty() || held.values().any(|(_, deadline)| *deadline != 0);
        assert!(kept.timed || !is_timed);
        if let Alike::All(priority) = kept.alike {
            let all_have_it = held.values().all(|(body, _)| priority_of(body) == priority);
            assert!(all_have_it, "not all have {priority:?}");
        }
        let returns = returned
            .into_iter()
            .map(|(position, back)| (position, vec![Some(back)]));
        self.returns = returns.collect();
    }
}

impl World {
    fn new(settings: LogSettings) -> Self {
        let files = Faulty::default();
        files.disk().write_limit = Some(100);
        let queues = (0..3).map(|store| Model {
            store,
            ..Model::default()
        });
        World {
            log: open(&files, settings),
            files,
            settings,
            queues: queues.collect(),
            stores: 3,
            bodies: 0,
        }
    }

    fn step(&mut self, step: Step) {
        let writes = matches!(step, Step::Commit | Step::Flush | Step::Clean);
        match step {
            Step::Publish {
                queues,
                size,
                deadlines,
            } => self.publish(queues, size, deadlines),
            Step::Forward {
                queue,
                from,
                queues,
                times,
                settle,
            } => self.forward(queue, from, queues, times, settle),
            Step::Return {
                queue,
                from,
                count,
                due,
            } => self.give_back(queue, from, count, due),
            Step::Settle { queue, from, count } => self.settle(queue, from, count),
            Step::Delete { queue } => self.delete(queue),
            Step::Commit => drop(self.log.commit()),
            Step::Flush => drop(self.log.flush()),
            Step::Clean => drop(self.log.clean(500).unwrap()),
            Step::FailSyncs(count) => self.files.disk().failing_syncs = count,
            Step::FailWrites(count) => self.files.disk().writes_left = Some(count),
            Step::Full(left) => {
                let used = total(&self.files);
                self.files.disk().space = Some(used + usize::from(left));
            }
            Step::Heal => self.heal(),
            Step::PowerCut { kept } => self.restart(kept),
            Step::Stop { checkpoint } => {
                self.heal();
                self.log.take(Op::Stopped);
                self.log.flush().unwrap();
                self.log.close().unwrap();
                assert!(scan(&self.files).unwrap().stopped_in_order);
                if checkpoint {
                    self.log.leave_checkpoint().unwrap();
                    assert!(read_checkpoint(&self.files).unwrap().unwrap().is_ok());
                }
                self.restart(0);
            }
        }
        self.hear();
        if !self.log.is_dirty() {
            self.log.index().assert_sound();
        }
        if writes {
            self.load_all();
        }
    }

    /// What is safe can be read at any time, whatever failed since.
    fn load_all(&self) {
        for queue in &self.queues {
            let mut sources = loading::Sources::new(Arc::new(self.files.clone()));
            for (&position, message) in &queue.safe {
                let read = read(&mut sources, &self.log, StoreId(queue.store), position);
                assert_eq!(read, *message);
            }
        }
    }

    fn heal(&mut self) {
        let mut disk = self.files.disk();
        disk.failing_syncs = 0;
        disk.writes_left = None;
        disk.space = None;
    }

    /// Two bits of `deadlines` say for each queue whether the message expires in it, and when.
    fn publish(&mut self, queues: u8, size: u16, deadlines: u8) {
        self.bodies += 1;
        let mut body = self.bodies.to_le_bytes().to_vec();
        body.resize(8 + usize::from(size), self.bodies as u8);
        let (page, offset) = page_with(priority_of(&body), &body);
        self.append(&page, offset, &body, queues, deadlines);
    }

    /// One of the messages that wait.
    fn forward(&mut self, queue: u64, from: u16, queues: u8, times: u8, settle: bool) {
        let Model {
            store, safe, unsafe_, ..
        } = &self.queues[queue as usize];
        let waiting: Vec<_> = safe.iter().chain(unsafe_).collect();
        if waiting.is_empty() {
            return;
        }
        let (&position, (body, _)) = waiting[usize::from(from) % waiting.len()];
        let (store, body) = (*store, body.clone());
        for _ in 0..times {
            let (page, offset) = page_from(store, position, priority_of(&body), &body);
            self.append(&page, offset, &body, queues, 0);
        }
        if settle {
            self.settle_at(queue, position, position);
        }
    }

    fn append(&mut self, page: &Arc<Page>, offset: u32, body: &[u8], queues: u8, deadlines: u8) {
        for queue in self
            .queues
            .iter_mut()
            .filter(|queue| queues >> (queue.store % 3) & 1 == 1)
        {
            let deadline = u64::from(deadlines >> (2 * (queue.store % 3)) & 3);
            self.log.take(Op::Append {
                store: StoreId(queue.store),
                page: Arc::clone(page),
                messages: vec![(queue.next, offset)],
                deadlines: if deadline == 0 { Vec::new() } else { vec![deadline] },
                ticket: queue.next,
            });
            queue.unsafe_.insert(queue.next, (body.to_vec(), deadline));
            queue.next += 1;
        }
    }

    fn give_back(&mut self, queue: u64, from: u16, count: u8, due: u64) {
        let queue = &mut self.queues[queue as usize];
        if queue.next == 0 {
            return;
        }
        let first = u64::from(from) % queue.next;
        let mut returns = Vec::new();
        for position in first..=first + u64::from(count) {
            if !queue.safe.contains_key(&position) && !queue.unsafe_.contains_key(&position) {
                continue;
            }
            let known = queue.returns.entry(position).or_insert_with(|| vec![None]);
            let attempts = known
                .last()
                .copied()
                .flatten()
                .map_or(1, |last| last.attempts + 1);
            let back = Return {
                position,
                attempts,
                due,
            };
            known.push(Some(back));
            returns.push(back);
        }
        let store = StoreId(queue.store);
        self.log.take(Op::Returned { store, returns });
    }

    fn settle(&mut self, queue: u64, from: u16, count: u8) {
        let next = self.queues[queue as usize].next;
        if next == 0 {
            return;
        }
        let first = u64::from(from) % next;
        let last = (first + u64::from(count)).min(next - 1);
        self.settle_at(queue, first, last);
    }

    fn settle_at(&mut self, queue: u64, first: u64, last: u64) {
        let queue = &mut self.queues[queue as usize];
        settle(&mut self.log, queue.store, first, last);
        for position in first..=last {
            for unsettled in [&mut queue.safe, &mut queue.unsafe_] {
                let message = unsettled.remove(&position);
                queue.settled.extend(message.map(|message| (position, message)));
            }
        }
    }

    fn delete(&mut self, queue: u64) {
        let queue = &mut self.queues[queue as usize];
        let store = StoreId(queue.store);
        self.log.take(Op::QueueDeleted { store });
        self.stores += 3;
        *queue = Model {
            store: self.stores + store.0 % 3,
            ..Model::default()
        };
    }

    /// Takes in what the log says is safe.
    fn hear(&mut self) {
        for (store, ticket) in self.log.take_safe() {
            let Some(queue) = self.queues.iter_mut().find(|queue| queue.store == store.0) else {
                continue;
            };
            let later = queue.unsafe_.split_off(&(ticket + 1));
            queue.safe.extend(std::mem::replace(&mut queue.unsafe_, later));
        }
        if !self.log.is_dirty() {
            for queue in &mut self.queues {
                queue.gone.extend(std::mem::take(&mut queue.settled).into_keys());
                queue.returns.retain(|position, _| !queue.gone.contains(position));
                for known in queue.returns.values_mut() {
                    known.drain(..known.len() - 1);
                }
            }
        }
    }

    fn restart(&mut self, kept: usize) {
        self.hear();
        self.files = self.files.after_power_cut(kept);
        let inspected = inspect_files(&self.files).unwrap();
        self.log = open(&self.files, self.settings);
        self.log.begin().unwrap();
        for queue in &mut self.queues {
            let waiting = self.log.index().messages(StoreId(queue.store)).count() as u64;
            let told = inspected.queues.get(&StoreId(queue.store)).copied();
            assert_eq!(told.unwrap_or_default(), waiting, "as many as a look tells");
            let held = held_until(&self.files, &self.log, queue.store);
            for (position, message) in &queue.safe {
                assert_eq!(held.get(position), Some(message), "{position} was safe");
            }
            for (position, message) in &held {
                let known = [&queue.safe, &queue.unsafe_, &queue.settled];
                let known = known.iter().find_map(|known| known.get(position));
                assert_eq!(known, Some(message), "{position}");
                assert!(!queue.gone.contains(position), "{position} was settled");
            }
            queue.restart(&self.log.sink.kept(StoreId(queue.store)), &held);
            // What is not there any more was never confirmed; its position may be given again.
            let next = held.keys().next_back().map_or(0, |last| last + 1);
            queue.next = next.max(queue.next);
            queue.unsafe_.clear();
            queue.settled.clear();
            queue.safe = held;
        }
    }
}

fn check(settings: LogSettings, steps: Vec<Step>) {
    let mut world = World::new(settings);
    for step in steps {
        world.step(step);
    }
    world.heal();
    world.log.flush().unwrap();
    world.hear();
    world.restart(0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_safe_is_lost_and_nothing_settled_returns(steps in prop::collection::vec(step(), 1..150)) {
        check(SMALL, steps);
    }
}
