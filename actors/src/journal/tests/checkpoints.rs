//! The checkpoint of a clean stop: the same as the segments tell, or not used.

use proptest::prelude::*;

use super::*;
use crate::journal::Return;
use crate::journal::checkpoint::{FILE, Invalid, UNFINISHED};
use crate::journal::recovery::{Recovered, read_checkpoint};

/// Stops in order, and leaves a checkpoint.
fn stop(log: &mut Log) {
    log.take(Op::Stopped);
    log.flush().unwrap();
    log.leave_checkpoint().unwrap();
}

fn read(files: &Faulty) -> Option<Result<Recovered, Invalid>> {
    read_checkpoint(files).unwrap()
}

/// Messages of three queues in many segments, some settled, some shared, some moved.
fn filled() -> (Faulty, Log) {
    let files = Faulty::default();
    let mut log = open(&files, SMALL);
    for position in 0..100 {
        let (page, offset) = page(&[position as u8; 50]);
        for store in 1..4 {
            log.take(Op::Append {
                store: StoreId(store),
                page: Arc::clone(&page),
                messages: vec![(position * store, offset)],
                deadlines: vec![position % 3 * store],
                ticket: position,
            });
        }
        let returns = vec![Return {
            position: position / 2,
            attempts: position as u32,
            due: position % 2,
        }];
        let store = StoreId(position % 4);
        log.take(Op::Returned { store, returns });
        let body = [position as u8; 50];
        forward(
            &mut log,
            (1 + position % 2, position * (1 + position % 2)),
            5,
            position,
            &body,
        );
        if position > 10 {
            let before = [position as u8 - 10; 50];
            forward(&mut log, (5, position - 10), 6, position, &before);
        }
        if position % 7 == 0 {
            settle(&mut log, position % 4, position / 2, position + 9);
        }
        log.commit().unwrap();
        log.clean(700).unwrap();
    }
    let store = StoreId(2);
    log.take(Op::HandedOut { store, upto: 60 });
    (files, log)
}

fn messages(recovered: &Recovered) -> Vec<(u64, u64, super::super::index::Location)> {
    let mut stores: Vec<StoreId> = recovered.index.stores().collect();
    stores.sort_unstable_by_key(|store| store.0);
    let of = |store: StoreId| {
        let messages = recovered.index.messages(store);
        messages.map(move |(position, location)| (store.0, position, location))
    };
    stores.into_iter().flat_map(of).collect()
}

/// What the checkpoint says must be what the segments say.
fn assert_same(files: &Faulty) {
    let quick = read(files).unwrap().unwrap();
    let slow = scan(files).unwrap();
    assert!(quick.stopped_in_order && slow.stopped_in_order);
    assert_eq!(messages(&quick), messages(&slow));
    assert_eq!(quick.next_segment, slow.next_segment);
    let live = |recovered: &Recovered| {
        let segments = recovered.index.segments();
        segments
            .map(|(number, segment)| (number, segment.live, segment.lent, segment.borrowers))
            .collect::<Vec<_>>()
    };
    assert_eq!(live(&quick), live(&slow));
    let bodies = |recovered: &Recovered| {
        let lending = &recovered.index.lending;
        let borrowed = lending.borrowed().map(|(at, _)| (at, lending.body_of(at)));
        borrowed.collect::<BTreeMap<_, _>>()
    };
    assert!(!bodies(&slow).is_empty());
    assert_eq!(bodies(&quick), bodies(&slow));
    for (store, queue) in &slow.queues {
        let known = quick.queues[store];
        assert_eq!(known.handed_out_below, queue.handed_out_below);
        assert!(known.timed_below >= queue.timed_below);
        let returns = |recovered: &Recovered| recovered.index.notes.returns(*store);
        assert_eq!(returns(&quick), returns(&slow));
        assert!(known.next_position >= queue.next_position);
    }
}

#[test]
fn a_checkpoint_says_what_the_segments_say() {
    let (files, mut log) = filled();
    stop(&mut log);
    assert_same(&files);
    assert!(!files.disk().files.contains_key(UNFINISHED));
}

#[test]
fn a_log_goes_on_after_a_checkpoint_as_after_a_scan() {
    let (files, mut log) = filled();
    stop(&mut log);
    let recovered = read(&files).unwrap().unwrap();
    let mut log = Log::new(Arc::new(files.clone()), SMALL, recovered);
    log.begin().unwrap();
    assert!(read(&files).is_none(), "it is gone once it holds no longer");
    for store in 1..4 {
        settle(&mut log, store, 0, 250);
        append(&mut log, store, 1000, b"new");
    }
    log.flush().unwrap();
    let slow = scan(&files).unwrap();
    assert!(!slow.stopped_in_order);
    stop(&mut log);
    assert_same(&files);
}

#[test]
fn a_start_after_a_clean_stop_is_none_itself() {
    let files = Faulty::default();
    let mut log = open(&files, SMALL);
    append(&mut log, 1, 0, b"body");
    stop(&mut log);
    let mut log = open(&files, SMALL);
    log.begin().unwrap();
    log.flush().unwrap();
    assert!(!scan(&files).unwrap().stopped_in_order);
}

#[test]
fn a_torn_checkpoint_is_not_used() {
    let (files, mut log) = filled();
    stop(&mut log);
    let whole = files.disk().files[FILE].bytes.len();
    for cut in (0..whole).step_by(7).chain([whole - 1]) {
        let files = files.after_power_cut(1000);
        files.truncate(FILE, cut as u64).unwrap();
        assert_eq!(
            read(&files).unwrap().unwrap_err(),
            Invalid::Damaged,
            "cut at {cut}"
        );
    }
}

#[test]
fn a_checkpoint_with_a_flipped_bit_is_not_used() {
    let (files, mut log) = filled();
    stop(&mut log);
    let bits = files.disk().files[FILE].bytes.len() * 8;
    for bit in (0..bits).step_by(97).chain(0..128) {
        let files = files.after_power_cut(1000);
        files.disk().files.get_mut(FILE).unwrap().bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&files).unwrap().is_err(), "bit {bit}");
    }
}

#[test]
fn a_checkpoint_holds_for_its_segments_only() {
    let (files, mut log) = filled();
    stop(&mut log);
    let last = files.last();
    let changed = |change: &dyn Fn(&Faulty)| {
        let files = files.after_power_cut(1000);
        change(&files);
        read(&files).unwrap().map(|_| ())
    };
    let later = changed(&|files| drop(files.create("0000009999.journal").unwrap()));
    assert_eq!(later, Err(Invalid::Segments));
    let longer = changed(&|files| files.disk().files.get_mut(&last).unwrap().bytes.push(0));
    assert_eq!(longer, Err(Invalid::Segments));
    assert_eq!(
        changed(&|files| files.delete(&last).unwrap()),
        Err(Invalid::Segments)
    );
    assert_eq!(changed(&|_| ()), Ok(()));
}

#[test]
fn a_disk_without_room_for_a_checkpoint_leaves_none_that_holds() {
    let (files, mut log) = filled();
    log.take(Op::Stopped);
    log.flush().unwrap();
    log.close().unwrap();
    let used = total(&files);
    files.disk().space = Some(used + 20);
    assert!(log.leave_checkpoint().is_err());
    assert!(read(&files).is_none());
    files.disk().space = None;
    log.leave_checkpoint().unwrap();
    assert_same(&files);
}

#[test]
fn what_is_damaged_is_reported_at_every_start() {
    let files = Faulty::default();
    let mut log = open(&files, SMALL);
    append(&mut log, 1, 0, b"first");
    append(&mut log, 1, 1, b"second");
    log.flush().unwrap();
    let name = files.last();
    files.disk().files.get_mut(&name).unwrap().bytes[60] ^= 1;
    let mut log = open(&files, SMALL);
    stop(&mut log);
    assert!(read(&files).is_none());
    assert_eq!(scan(&files).unwrap().defects.len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_are_taken_for_a_checkpoint(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let decoded = crate::journal::checkpoint::decode(&bytes, &Default::default());
        prop_assert!(decoded.is_err());
    }
}
