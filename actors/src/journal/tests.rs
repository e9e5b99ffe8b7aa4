//! The promises of the log as a whole: random histories with crashes against a model, faults, and damage.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leveret_protocol::Body;
use proptest::prelude::*;

use super::files::Files;
use super::files::faulty::Faulty;
use super::log::{Durability, Log, LogSettings, Op};
use super::record::Positions;
use super::recovery::{DefectKind, repair, scan};
use super::restore::restore;
use crate::id::StoreId;
use crate::publication::{Page, PageBuilder};

const SMALL: LogSettings = LogSettings {
    segment_bytes: 2048,
    durability: Durability::Fsync,
};

fn open(files: &Faulty, settings: LogSettings) -> Log {
    let recovered = scan(files).unwrap();
    repair(files, &recovered).unwrap();
    Log::new(Arc::new(files.clone()), settings, recovered)
}

/// A page with one message, whose body says what it is.
fn page(body: &[u8]) -> (Arc<Page>, u32) {
    let mut builder = PageBuilder::new();
    let offset = builder.push("orders", "new", &[0x10, 0, 2], true, Body::Slice(body));
    (builder.finish(), offset)
}

fn append(log: &mut Log, store: u64, position: u64, body: &[u8]) {
    let (page, offset) = page(body);
    log.take(Op::Append {
        store: StoreId(store),
        page,
        messages: vec![(position, offset)],
        ticket: position,
    });
}

fn settle(log: &mut Log, store: u64, first: u64, last: u64) {
    log.take(Op::Settled {
        store: StoreId(store),
        positions: vec![Positions { first, last }],
    });
}

fn held(files: &Faulty, log: &Log, store: u64) -> BTreeMap<u64, Vec<u8>> {
    let lost = |position, _| panic!("{position} can't be read");
    let restored = restore(files, log.index(), StoreId(store), lost).unwrap();
    let messages = restored.iter().flat_map(|some| {
        let body = |offset| some.page.get(offset).body.as_slice().to_vec();
        some.messages
            .iter()
            .map(move |&(position, offset)| (position, body(offset)))
    });
    messages.collect()
}

fn total(files: &Faulty) -> usize {
    files.disk().files.values().map(|file| file.bytes.len()).sum()
}

#[derive(Debug, Clone)]
enum Step {
    Publish { queues: u8, size: u16 },
    Settle { queue: u64, from: u16, count: u8 },
    Delete { queue: u64 },
    Commit,
    Flush,
    Clean,
    FailSyncs(usize),
    FailWrites(usize),
    Full(u16),
    Heal,
    PowerCut { kept: usize },
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1u8..8, 0u16..300).prop_map(|(queues, size)| Step::Publish { queues, size }),
        10 => (0u64..3, any::<u16>(), 1u8..12).prop_map(|(queue, from, count)| Step::Settle { queue, from, count }),
        1 => (0u64..3).prop_map(|queue| Step::Delete { queue }),
        8 => Just(Step::Commit),
        2 => Just(Step::Flush),
        6 => Just(Step::Clean),
        1 => (1usize..4).prop_map(Step::FailSyncs),
        1 => (0usize..4).prop_map(Step::FailWrites),
        1 => (0u16..2000).prop_map(Step::Full),
        3 => Just(Step::Heal),
        2 => (0usize..=1000).prop_map(|kept| Step::PowerCut { kept }),
        1 => Just(Step::Stop),
    ]
}

/// What a queue of the model knows of its messages.
#[derive(Debug, Default)]
struct Model {
    /// Its store changes when it is deleted.
    store: u64,
    next: u64,
    /// Unsettled, and confirmed as safe.
    safe: BTreeMap<u64, Vec<u8>>,
    /// Unsettled, and not confirmed.
    unsafe_: BTreeMap<u64, Vec<u8>>,
    /// Settled, which may be forgotten.
    settled: BTreeMap<u64, Vec<u8>>,
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
        match step {
            Step::Publish { queues, size } => self.publish(queues, size),
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
            Step::Stop => {
                self.heal();
                self.log.take(Op::Stopped);
                self.log.flush().unwrap();
                assert!(scan(&self.files).unwrap().stopped_in_order);
                self.restart(0);
            }
        }
        self.hear();
    }

    fn heal(&mut self) {
        let mut disk = self.files.disk();
        disk.failing_syncs = 0;
        disk.writes_left = None;
        disk.space = None;
    }

    fn publish(&mut self, queues: u8, size: u16) {
        self.bodies += 1;
        let mut body = self.bodies.to_le_bytes().to_vec();
        body.resize(8 + usize::from(size), self.bodies as u8);
        let (page, offset) = page(&body);
        for queue in self
            .queues
            .iter_mut()
            .filter(|queue| queues >> (queue.store % 3) & 1 == 1)
        {
            self.log.take(Op::Append {
                store: StoreId(queue.store),
                page: Arc::clone(&page),
                messages: vec![(queue.next, offset)],
                ticket: queue.next,
            });
            queue.unsafe_.insert(queue.next, body.clone());
            queue.next += 1;
        }
    }

    fn settle(&mut self, queue: u64, from: u16, count: u8) {
        let queue = &mut self.queues[queue as usize];
        if queue.next == 0 {
            return;
        }
        let first = u64::from(from) % queue.next;
        let last = (first + u64::from(count)).min(queue.next - 1);
        settle(&mut self.log, queue.store, first, last);
        for position in first..=last {
            for unsettled in [&mut queue.safe, &mut queue.unsafe_] {
                let body = unsettled.remove(&position);
                queue.settled.extend(body.map(|body| (position, body)));
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
            }
        }
    }

    fn restart(&mut self, kept: usize) {
        self.hear();
        self.files = self.files.after_power_cut(kept);
        self.log = open(&self.files, self.settings);
        for queue in &mut self.queues {
            let held = held(&self.files, &self.log, queue.store);
            for (position, body) in &queue.safe {
                assert_eq!(held.get(position), Some(body), "{position} was safe");
            }
            for (position, body) in &held {
                let known = [&queue.safe, &queue.unsafe_, &queue.settled];
                let known = known.iter().find_map(|known| known.get(position));
                assert_eq!(known, Some(body), "{position}");
                assert!(!queue.gone.contains(position), "{position} was settled");
            }
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
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_safe_is_lost_and_nothing_settled_returns(steps in prop::collection::vec(step(), 1..150)) {
        check(SMALL, steps);
    }
}

#[test]
fn a_message_to_many_queues_is_written_once() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    let body = vec![7; 10_000];
    let (page, offset) = page(&body);
    for store in 0..100 {
        log.take(Op::Append {
            store: StoreId(store),
            page: Arc::clone(&page),
            messages: vec![(0, offset)],
            ticket: 0,
        });
        if store % 10 == 0 {
            log.commit().unwrap();
        }
    }
    log.commit().unwrap();
    assert!(total(&files) < 16_000, "{}", total(&files));
    let log = open(&files, LogSettings::default());
    for store in 0..100 {
        assert_eq!(held(&files, &log, store), BTreeMap::from([(0, body.clone())]));
    }
}

#[test]
fn one_sync_covers_all_queues_and_settling_needs_none() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    append(&mut log, 1, 0, b"first");
    log.commit().unwrap();
    let before = files.disk().syncs;
    for store in 1..50 {
        append(&mut log, store, 1, b"body");
    }
    log.commit().unwrap();
    assert_eq!(files.disk().syncs, before + 1);
    settle(&mut log, 1, 0, 1);
    log.commit().unwrap();
    assert_eq!(files.disk().syncs, before + 1);
}

#[test]
fn a_stuck_message_holds_little_of_a_days_traffic() {
    let files = Faulty::default();
    let settings = LogSettings {
        segment_bytes: 64 * 1024,
        ..LogSettings::default()
    };
    let mut log = open(&files, settings);
    append(&mut log, 1, 0, b"stuck");
    for position in 0..20_000 {
        append(&mut log, 2, position, &[1; 1000]);
        settle(
            &mut log,
            2,
            position.saturating_sub(10),
            position.saturating_sub(5),
        );
        log.commit().unwrap();
        log.clean(64 * 1024).unwrap();
    }
    assert!(total(&files) < 8 * 64 * 1024, "{}", total(&files));
    assert_eq!(
        held(&files, &open(&files, settings), 1),
        BTreeMap::from([(0, b"stuck".to_vec())])
    );
}

#[test]
fn a_backlog_is_copied_no_more_often_than_the_traffic_writes_as_much() {
    let files = Faulty::default();
    let settings = LogSettings {
        segment_bytes: 64 * 1024,
        ..LogSettings::default()
    };
    let mut log = open(&files, settings);
    for position in 0..1000 {
        append(&mut log, 1, position, &[1; 1000]);
    }
    log.commit().unwrap();
    for position in 0..5000 {
        append(&mut log, 2, position, &[1; 1000]);
        settle(&mut log, 2, position, position);
        log.commit().unwrap();
        log.clean(64 * 1024).unwrap();
    }
    let written = files.disk().written;
    assert!(written < 15_000_000, "{written}");
    assert!(total(&files) < 3_000_000, "{}", total(&files));
}

#[test]
fn a_failed_sync_is_never_trusted() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    append(&mut log, 1, 0, b"before");
    log.commit().unwrap();
    files.disk().failing_syncs = 1;
    append(&mut log, 1, 1, b"after");
    log.commit().unwrap();
    assert_eq!(log.take_safe().count(), 2);
    assert_eq!(files.list().unwrap().len(), 2, "it went on in another segment");
    let files = files.after_power_cut(0);
    let expected = BTreeMap::from([(0, b"before".to_vec()), (1, b"after".to_vec())]);
    assert_eq!(held(&files, &open(&files, LogSettings::default()), 1), expected);
}

#[test]
fn a_full_disk_makes_nothing_safe_until_settling_makes_room() {
    let files = Faulty::default();
    let mut log = open(&files, SMALL);
    for position in 0..10 {
        append(&mut log, 1, position, &[1; 1000]);
        log.commit().unwrap();
    }
    log.take_safe();
    let used = total(&files);
    files.disk().space = Some(used);
    append(&mut log, 1, 10, &[2; 1000]);
    for _ in 0..5 {
        assert!(log.commit().is_err());
        assert_eq!(log.take_safe().count(), 0);
    }
    assert_eq!(total(&files), used, "attempts leave nothing behind");
    settle(&mut log, 1, 0, 8);
    // The first attempt finds no room and makes some.
    let _ = log.commit();
    log.commit().unwrap();
    assert_eq!(log.take_safe().collect::<Vec<_>>(), [(StoreId(1), 10)]);
    let left: Vec<u64> = held(&files, &open(&files, SMALL), 1).into_keys().collect();
    assert_eq!(left, [9, 10]);
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_what_it_cut() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    let mut ends = Vec::new();
    for position in 0..5 {
        append(&mut log, 1, position, b"body");
        log.commit().unwrap();
        ends.push(total(&files));
    }
    for cut in ends[1]..=ends[4] {
        let files = files.after_power_cut(1000);
        let name = files.last();
        files.truncate(&name, cut as u64).unwrap();
        let whole = ends.iter().filter(|&&end| end <= cut).count() as u64;
        let log = open(&files, LogSettings::default());
        assert!(held(&files, &log, 1).into_keys().eq(0..whole), "cut at {cut}");
        let again = scan(&files).unwrap();
        assert_eq!(again.defects, [], "a torn tail is reported once");
        assert_eq!(again.queues[&StoreId(1)].next_position, whole);
    }
}

#[test]
fn a_flipped_bit_costs_one_message_and_is_reported() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    for position in 0..5 {
        append(&mut log, 1, position, b"body");
    }
    log.commit().unwrap();
    let name = files.last();
    let len = total(&files);
    for bit in 0..len * 8 {
        let files = files.after_power_cut(1000);
        files.disk().files.get_mut(&name).unwrap().bytes[bit / 8] ^= 1 << (bit % 8);
        let recovered = scan(&files).unwrap();
        let unused = 28..32;
        if unused.contains(&(bit / 8)) {
            continue;
        }
        assert_eq!(recovered.defects.len(), 1, "bit {bit}");
        let defect = &recovered.defects[0];
        assert_eq!(defect.file, name);
        assert!(defect.bytes.contains(&(bit / 8)));
        if matches!(defect.kind, DefectKind::Unreadable(_)) {
            assert!(bit / 8 < 32);
            continue;
        }
        let log = Log::new(Arc::new(files.clone()), LogSettings::default(), recovered);
        let held = held(&files, &log, 1);
        assert_eq!(held.len(), 4, "bit {bit}");
        assert!(held.values().all(|body| body == b"body"));
    }
}

#[test]
fn a_body_that_looks_like_a_record_is_not_taken_for_one() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    append(&mut log, 1, 0, b"body");
    log.commit().unwrap();
    // A client that could read the disk publishes what it has seen there.
    let name = files.last();
    let forged = files.disk().files[&name].bytes.clone();
    append(&mut log, 1, 1, &forged);
    append(&mut log, 1, 2, b"last");
    log.commit().unwrap();
    let at = forged.len() + 20;
    files.disk().files.get_mut(&name).unwrap().bytes[at] ^= 1;
    let log = open(&files, LogSettings::default());
    let expected = BTreeMap::from([(0, b"body".to_vec()), (2, b"last".to_vec())]);
    assert_eq!(held(&files, &log, 1), expected);
}

#[test]
fn what_was_handed_out_is_known_after_an_orderly_stop_only() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    append(&mut log, 1, 0, b"body");
    let store = StoreId(1);
    log.take(Op::HandedOut { store, upto: 0 });
    log.take(Op::Stopped);
    log.commit().unwrap();
    let recovered = scan(&files).unwrap();
    assert!(recovered.stopped_in_order);
    assert_eq!(recovered.queues[&store].handed_out_below, 1);
    let mut log = Log::new(Arc::new(files.clone()), LogSettings::default(), recovered);
    append(&mut log, 1, 1, b"body");
    log.commit().unwrap();
    assert!(!scan(&files).unwrap().stopped_in_order);
}
