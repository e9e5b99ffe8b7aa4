//! Deadlines and returns: each message keeps its own, through copying, crashes and stops.

use actix::prelude::*;

use super::*;
use crate::journal::writer::Writer;
use crate::journal::{Alike, Return};
use crate::journal::{Keeper, Told};

/// A message to queues 1, 2, …, with its deadline in each.
fn publish(log: &mut Log, position: u64, deadlines: &[u64]) {
    let (page, offset) = page(&position.to_le_bytes());
    for (store, &deadline) in (1..).zip(deadlines) {
        log.take(Op::Append {
            store: StoreId(store),
            page: Arc::clone(&page),
            messages: vec![(position, offset)],
            deadlines: vec![deadline],
            ticket: position,
        });
    }
}

fn deadlines(files: &Faulty, log: &Log, store: u64) -> Vec<u64> {
    let held = held_until(files, log, store);
    held.into_values().map(|(_, deadline)| deadline).collect()
}

fn give_back(log: &mut Log, store: u64, position: u64, attempts: u32, due: u64) -> Return {
    let back = Return {
        position,
        attempts,
        due,
    };
    let (store, returns) = (StoreId(store), vec![back]);
    log.take(Op::Returned { store, returns });
    back
}

/// What a start finds after a crash, and after a clean stop of `log`.
fn starts(files: &Faulty, mut log: Log) -> [(Faulty, Log); 2] {
    log.flush().unwrap();
    let crashed = files.after_power_cut(0);
    log.take(Op::Stopped);
    log.flush().unwrap();
    log.leave_checkpoint().unwrap();
    let stopped = files.after_power_cut(0);
    [crashed, stopped].map(|files| {
        let log = open(&files, SMALL);
        (files, log)
    })
}

#[test]
fn a_message_expires_in_each_queue_when_that_says() {
    let files = Faulty::default();
    let mut log = open(&files, SMALL);
    publish(&mut log, 0, &[5, 5, 7, 0]);
    publish(&mut log, 1, &[0, 9, 0, 0]);
    log.commit().unwrap();
    for (files, log) in starts(&files, log) {
        let found = [1, 2, 3, 4].map(|store| deadlines(&files, &log, store));
        assert_eq!(found, [[5, 0], [5, 9], [7, 0], [0, 0]]);
        let timed = [1, 2, 3, 4].map(|store| log.sink.kept(StoreId(store)).timed);
        assert_eq!(timed, [true, true, true, false]);
    }
}

#[test]
fn a_queue_is_timed_no_longer_than_it_may_have_a_message_that_is() {
    let files = Faulty::default();
    let mut log = open(&files, SMALL);
    publish(&mut log, 0, &[5]);
    publish(&mut log, 1, &[6]);
    publish(&mut log, 2, &[0]);
    settle(&mut log, 1, 0, 0);
    log.commit().unwrap();
    assert!(log.sink.kept(StoreId(1)).timed);
    settle(&mut log, 1, 1, 1);
    log.commit().unwrap();
    assert!(!log.sink.kept(StoreId(1)).timed);
    for (_, log) in starts(&files, log) {
        let kept = log.sink.kept(StoreId(1));
        assert!(!kept.timed && kept.waiting.is_some());
    }
}

#[test]
fn a_queue_tells_whether_all_that_waits_is_of_one_priority() {
    let mut files = Faulty::default();
    let mut log = open(&files, SMALL);
    for (position, priority) in (0..).zip([None, Some(9), Some(9), None, None]) {
        let (page, offset) = page_with(priority, b"body");
        log.take(Op::Append {
            store: StoreId(1),
            page,
            messages: vec![(position, offset)],
            deadlines: Vec::new(),
            ticket: position,
        });
    }
    let told = |log: &Log| log.sink.kept(StoreId(1)).alike;
    for (settled, expected) in [
        (None, Alike::Unknown),
        (Some(0), Alike::Unknown),
        (Some(2), Alike::All(None)),
    ] {
        if let Some(last) = settled {
            settle(&mut log, 1, 0, last);
        }
        log.commit().unwrap();
        assert_eq!(told(&log), expected);
        let [crashed, (_, stopped)] = starts(&files, log);
        (files, log) = crashed;
        assert_eq!((told(&log), told(&stopped)), (expected, expected));
    }
}

#[test]
fn the_last_return_of_a_message_counts_until_it_is_settled() {
    let files = Faulty::default();
    let mut log = open(&files, SMALL);
    for position in 0..4 {
        publish(&mut log, position, &[0]);
    }
    give_back(&mut log, 1, 1, 1, 0);
    let second = give_back(&mut log, 1, 1, 2, 77);
    let third = give_back(&mut log, 1, 3, 1, 0);
    give_back(&mut log, 1, 2, 1, 5);
    give_back(&mut log, 1, 9, 1, 5);
    settle(&mut log, 1, 2, 2);
    log.commit().unwrap();
    for (_, log) in starts(&files, log) {
        let kept = log.sink.kept(StoreId(1));
        assert!(kept.timed);
        assert_eq!(kept.returned, [second, third]);
    }
}

#[test]
fn copies_keep_deadlines_and_returns() {
    let files = Faulty::default();
    let mut log = open(&files, SMALL);
    publish(&mut log, 0, &[5, 7]);
    publish(&mut log, 1, &[8, 0]);
    let returns = [give_back(&mut log, 1, 0, 3, 99), give_back(&mut log, 1, 1, 1, 0)];
    // The first queue of the second message has it no longer when it is copied.
    for position in 0..200 {
        append(&mut log, 3, position, &[3; 200]);
        settle(&mut log, 3, position, position);
        if position == 3 {
            settle(&mut log, 1, 1, 1);
        }
        log.commit().unwrap();
        log.clean(1000).unwrap();
    }
    assert!(!files.disk().files.contains_key("0000000001.journal"));
    for (files, log) in starts(&files, log) {
        let found = [1, 2].map(|store| deadlines(&files, &log, store));
        assert_eq!(found, [vec![5], vec![7, 0]]);
        assert_eq!(log.sink.kept(StoreId(1)).returned, returns[..1]);
    }
}

#[actix::test]
async fn messages_are_loaded_with_their_deadlines_and_plain_ones_with_none() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    for position in 0..100 {
        let deadline = if position % 7 == 3 { 1000 + position } else { 0 };
        publish(&mut log, position, &[deadline, deadline + position % 2, 0]);
    }
    log.commit().unwrap();
    let (writer, _) = Writer::start(Keeper::Journal, log, Arc::default(), |_| {}).unwrap();
    for store in 1..=3 {
        let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel();
        writer.open(StoreId(store), Ear(tell).start().recipient());
        writer.load(StoreId(store), vec![Positions { first: 0, last: 99 }], 1 << 20);
        let mut expected = Vec::new();
        for position in 0..100 {
            let deadline = if position % 7 == 3 { 1000 + position } else { 0 };
            expected.push([deadline, deadline + position % 2, 0][store as usize - 1]);
        }
        let told = loop {
            match heard.recv().await.unwrap() {
                Told::Loaded { messages, .. } => break messages,
                Told::Synced { .. } => {}
            }
        };
        let [restored] = told.as_slice() else {
            panic!("one page");
        };
        assert_eq!(restored.messages.len(), 100);
        let plain: &[u64] = if store == 3 { &[] } else { &expected };
        assert_eq!(restored.deadlines, plain);
    }
}
