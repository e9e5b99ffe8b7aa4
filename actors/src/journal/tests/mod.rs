//! The promises of the log as a whole: random histories with crashes against a model, faults, and damage.

mod borrowing;
mod checkpoints;
mod copying;
mod loads;
mod model;
mod notes;
mod several;
mod steps;
mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::{Body, OwnedProperties};
use tokio::sync::mpsc::UnboundedSender;

use super::files::Files;
use super::files::faulty::Faulty;
use super::loading;
use super::log::{Durability, Log, LogSettings, Op};
use super::record::Positions;
use super::recovery::{DefectKind, read_checkpoint, repair, scan};
use super::{Notice, Told};
use crate::id::StoreId;
use crate::publication::{Page, PageBuilder, Sources};

/// Segments that a day's traffic has many of.
fn middling() -> LogSettings {
    LogSettings {
        segment_bytes: 64 * 1024,
        ..LogSettings::default()
    }
}

const SMALL: LogSettings = LogSettings {
    segment_bytes: 2048,
    durability: Durability::Fsync,
    passing: false,
};

/// Passes on what a queue would hear.
struct Ear(UnboundedSender<Told>);

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<Notice> for Ear {
    type Result = ();

    fn handle(&mut self, Notice { told, .. }: Notice, _: &mut Context<Self>) {
        let Ear(reply) = self;
        let _ = reply.send(told);
    }
}

/// What a start makes of the files.
fn open(files: &Faulty, settings: LogSettings) -> Log {
    let recovered = match read_checkpoint(files).unwrap() {
        Some(Ok(recovered)) => recovered,
        _ => scan(files).unwrap(),
    };
    repair(files, &recovered).unwrap();
    Log::new(Arc::new(files.clone()), settings, recovered)
}

/// A page with one message, whose body says what it is.
fn page(body: &[u8]) -> (Arc<Page>, u32) {
    page_with(None, body)
}

fn page_with(priority: Option<u8>, body: &[u8]) -> (Arc<Page>, u32) {
    let mut builder = PageBuilder::new();
    let offset = push(&mut builder, "orders", priority, body);
    (builder.finish(), offset)
}

/// Adds a persistent message to a page.
fn push(builder: &mut PageBuilder, exchange: &str, priority: Option<u8>, body: &[u8]) -> u32 {
    let properties = OwnedProperties {
        delivery_mode: Some(2),
        priority,
        ..OwnedProperties::default()
    };
    builder.push(exchange, "new", &properties.encode(), true, Body::Slice(body))
}

/// A page with one message, which was another with the same body.
fn page_from(store: u64, position: u64, priority: Option<u8>, body: &[u8]) -> (Arc<Page>, u32) {
    let mut builder = PageBuilder::new();
    let offset = push(&mut builder, "dead", priority, body);
    let sources = Sources::new(StoreId(store), vec![(offset, position)]);
    (builder.finish_from(Some(sources)), offset)
}

/// A message of a queue, and a further queue that has the body of it.
fn forward(log: &mut Log, (from, of): (u64, u64), store: u64, position: u64, body: &[u8]) {
    take(log, store, position, page_from(from, of, None, body));
}

fn append(log: &mut Log, store: u64, position: u64, body: &[u8]) {
    take(log, store, position, page(body));
}

fn take(log: &mut Log, store: u64, position: u64, (page, offset): (Arc<Page>, u32)) {
    log.take(Op::Append {
        store: StoreId(store),
        page,
        messages: vec![(position, offset)],
        deadlines: Vec::new(),
        ticket: position,
    });
}

fn settle(log: &mut Log, store: u64, first: u64, last: u64) {
    log.take(Op::Settled {
        store: StoreId(store),
        positions: vec![Positions { first, last }],
    });
}

/// The messages of a queue, read back.
fn held(files: &Faulty, log: &Log, store: u64) -> BTreeMap<u64, Vec<u8>> {
    let held = held_until(files, log, store).into_iter();
    held.map(|(position, (body, _))| (position, body)).collect()
}

/// The messages of a queue and their deadlines, read back.
fn held_until(files: &Faulty, log: &Log, store: u64) -> BTreeMap<u64, (Vec<u8>, u64)> {
    let (mut sources, store) = (loading::Sources::new(Arc::new(files.clone())), StoreId(store));
    let positions = log.index().messages(store).map(|(position, _)| position);
    positions
        .map(|position| (position, read(&mut sources, log, store, position)))
        .collect()
}

/// The body and the deadline of a message.
fn read(sources: &mut loading::Sources, log: &Log, store: StoreId, position: u64) -> (Vec<u8>, u64) {
    let place = log.index().get(store, position).expect("it is in the index");
    let body = log.index().lending.body_of(place).map(|body| (position, body));
    let read = sources.read(&[(position, place)], body.as_slice());
    let (publication, told) = read.expect("it can be read");
    let only = Positions::one(position);
    let noted = log.index().notes.deadlines(store, only).next();
    let deadline = noted.map_or(told, |(_, deadline)| deadline);
    (publication.body.as_slice().to_vec(), deadline)
}

fn total(files: &Faulty) -> usize {
    files.disk().files.values().map(|file| file.bytes.len()).sum()
}

#[test]
fn a_message_to_many_queues_is_written_once() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    let body = vec![7; 10_000];
    let (page, offset) = page(&body);
    for store in 0..100 {
        take(&mut log, store, 0, (Arc::clone(&page), offset));
        if store % 10 == 0 {
            log.commit().unwrap();
        }
    }
    log.commit().unwrap();
    let written = files.disk().written;
    assert!(written < 16_000, "{written}");
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
    let mut log = open(&files, middling());
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
        held(&files, &open(&files, middling()), 1),
        BTreeMap::from([(0, b"stuck".to_vec())])
    );
}

#[test]
fn a_backlog_is_copied_no_more_often_than_the_traffic_writes_as_much() {
    let files = Faulty::default();
    let mut log = open(&files, middling());
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
        ends.push(log.index().bytes(1));
    }
    // After the tail comes nothing, zeros that were laid ahead, or what the file held as an older segment.
    let name = files.last();
    let old = files.disk().files[&name].bytes[..ends[4] as usize].to_vec();
    let tails = [
        vec![],
        vec![0; 500],
        old[5..].to_vec(),
        [&[0; 9], &old[..]].concat(),
    ];
    for (cut, tail) in (ends[1]..=ends[4]).flat_map(|cut| tails.iter().map(move |tail| (cut, tail))) {
        let files = files.after_power_cut(1000);
        files.truncate(&name, cut).unwrap();
        files.disk().files.get_mut(&name).unwrap().bytes.extend(tail);
        let whole = ends.iter().filter(|&&end| end <= cut).count() as u64;
        let is_torn = scan(&files).unwrap().defects.len();
        let zeros = tail.iter().all(|byte| *byte == 0);
        assert_eq!(
            is_torn,
            usize::from(!ends.contains(&cut) || !zeros),
            "cut at {cut}"
        );
        let log = open(&files, LogSettings::default());
        assert!(held(&files, &log, 1).into_keys().eq(0..whole), "cut at {cut}");
        let again = scan(&files).unwrap();
        assert_eq!(again.defects, [], "a torn tail is reported once");
        assert_eq!(again.queues[&StoreId(1)].next_position, whole);
        assert_eq!(again.index.bytes(1), files.len(&name).unwrap());
    }
}

#[test]
fn a_flipped_bit_costs_one_message_and_is_reported() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    for position in 0..5 {
        append(&mut log, 1, position, b"body");
    }
    log.flush().unwrap();
    log.close().unwrap();
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
