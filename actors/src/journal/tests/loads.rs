//! Messages asked for again: what comes, in which parts, and what a bad disk costs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::journal::scratch::Scratch;
use crate::journal::writer::Writer;
use crate::journal::{Batch, Journal, Keeper, Told};

/// A writer, its reader, and what a queue hears from them.
struct Bench {
    files: Faulty,
    writer: Writer,
    heard: UnboundedReceiver<Told>,
    defects: Arc<AtomicU64>,
    tickets: u64,
    safe: u64,
}

const STORE: StoreId = StoreId(1);
const LENDER: StoreId = StoreId(2);

impl Bench {
    fn new(settings: LogSettings) -> Self {
        let files = Faulty::default();
        let log = open(&files, settings);
        let defects = Arc::<AtomicU64>::default();
        let keeper = if settings.passing {
            Keeper::Scratch
        } else {
            Keeper::Journal
        };
        let (writer, _) = Writer::start(keeper, log, Arc::clone(&defects), |_| {}).unwrap();
        let (tell, heard) = unbounded_channel();
        writer.open(STORE, Ear(tell).start().recipient());
        Bench {
            files,
            writer,
            heard,
            defects,
            tickets: 0,
            safe: 0,
        }
    }

    /// Appends in several commits.
    async fn append(&mut self, positions: impl Iterator<Item = u64>, size: usize) {
        for position in positions {
            let (page, offset) = page(&body(position, size));
            self.tickets += 1;
            self.append_to(STORE, position, page, offset, self.tickets);
            if position % 10 == 9 {
                self.synced().await;
            }
        }
        self.synced().await;
    }

    /// Appends messages whose bodies are those of another queue's, which are settled then.
    async fn borrow(&mut self, positions: impl Iterator<Item = u64>, size: usize) {
        for position in positions {
            let (page, offset) = page(&body(position, size));
            self.append_to(LENDER, position, page, offset, 0);
            let (page, offset) = page_from(LENDER.0, position, None, &body(position, size));
            self.tickets += 1;
            self.append_to(STORE, position, page, offset, self.tickets);
            if position % 10 == 9 {
                self.synced().await;
            }
        }
        self.synced().await;
        let positions = vec![Positions::ALL];
        self.writer.write(
            Op::Settled {
                store: LENDER,
                positions,
            },
            None,
        );
    }

    fn append_to(&self, store: StoreId, position: u64, page: Arc<Page>, offset: u32, ticket: u64) {
        let op = Op::Append {
            store,
            page,
            messages: vec![(position, offset)],
            deadlines: Vec::new(),
            ticket,
        };
        self.writer.write(op, None);
    }

    /// Flips a bit in the middle of these bytes, where they are first in the last segment.
    fn damage(&self, body: &[u8]) {
        let (name, mut disk) = (self.files.last(), self.files.disk());
        let bytes = &mut disk.files.get_mut(&name).unwrap().bytes;
        let at = bytes
            .windows(body.len())
            .position(|window| window == body)
            .unwrap();
        bytes[at + body.len() / 2] ^= 4;
    }

    async fn synced(&mut self) {
        while self.safe < self.tickets {
            if let Told::Synced { upto } = self.hear().await {
                self.safe = upto;
            }
        }
    }

    async fn hear(&mut self) -> Told {
        let told = tokio::time::timeout(Duration::from_secs(10), self.heard.recv());
        told.await.expect("in time").unwrap()
    }

    /// Asks, and returns the positions that came and how far the answer goes.
    async fn load(&mut self, positions: &[(u64, u64)], most_bytes: u64) -> (Vec<u64>, u64) {
        let positions = positions.iter().map(|&(first, last)| Positions { first, last });
        self.writer.load(STORE, positions.collect(), most_bytes);
        let (messages, upto) = loop {
            if let Told::Loaded { messages, upto } = self.hear().await {
                break (messages, upto);
            }
        };
        let mut came = Vec::new();
        for some in &messages {
            for &(position, offset) in &some.messages {
                let publication = some.page.get(offset);
                let bytes = publication.body.as_slice();
                assert_eq!(bytes, body(position, bytes.len()));
                assert_eq!(publication.routing_key, b"new");
                came.push(position);
            }
        }
        (came, upto)
    }

    fn settle(&self, first: u64, last: u64) {
        let positions = vec![Positions { first, last }];
        self.writer.write(
            Op::Settled {
                store: STORE,
                positions,
            },
            None,
        );
    }
}

fn body(position: u64, size: usize) -> Vec<u8> {
    let mut body = position.to_le_bytes().to_vec();
    body.resize(size.max(8), position as u8);
    body
}

#[actix::test]
async fn what_was_asked_for_comes_in_order_without_what_is_gone() {
    let mut bench = Bench::new(SMALL);
    bench.append(0..200, 30).await;
    bench.settle(50, 59);
    let (came, upto) = bench.load(&[(10, 69), (100, 101), (199, 300)], 1 << 20).await;
    let expected: Vec<u64> = (10..50).chain(60..70).chain(100..102).chain(199..200).collect();
    assert_eq!((came, upto), (expected, 300));
    assert_eq!(bench.load(&[(50, 59)], 1 << 20).await, (vec![], 59));
    assert_eq!(bench.load(&[], 1 << 20).await, (vec![], 0));
}

#[actix::test]
async fn an_answer_is_about_as_long_as_asked_and_says_how_far_it_goes() {
    let mut bench = Bench::new(LogSettings::default());
    bench.append(0..100, 1000).await;
    let (came, upto) = bench.load(&[(0, 99)], 10_000).await;
    assert!((9..=10).contains(&came.len()), "{came:?}");
    assert_eq!(came.last(), Some(&upto));
    // One that is larger comes alone, and ends an answer before it.
    bench.append(100..102, 300_000).await;
    assert_eq!(bench.load(&[(100, 101)], 10_000).await, (vec![100], 100));
    assert_eq!(bench.load(&[(98, 101)], 10_000).await, (vec![98, 99], 99));
}

#[actix::test]
async fn small_messages_among_large_ones_are_looked_up_in_several_goes() {
    let mut bench = Bench::new(LogSettings::default());
    bench.append(0..20, 50_000).await;
    bench.append(20..2000, 8).await;
    let (came, upto) = bench.load(&[(20, 1999)], 1 << 20).await;
    assert_eq!((came.len(), upto), (1980, 1999));
}

#[actix::test]
async fn a_disk_that_reads_in_bits_is_read_to_the_end() {
    let mut bench = Bench::new(SMALL);
    bench.append(0..50, 100).await;
    bench.files.disk().read_limit = Some(7);
    assert_eq!(bench.load(&[(0, 49)], 1 << 20).await.0.len(), 50);
}

#[actix::test]
async fn a_read_that_fails_is_tried_again() {
    let mut bench = Bench::new(LogSettings::default());
    bench.append(0..50, 100).await;
    bench.files.disk().failing_reads = 3;
    assert_eq!(bench.load(&[(0, 49)], 1 << 20).await.0.len(), 50);
    assert_eq!(bench.defects.load(Ordering::Relaxed), 0);
}

#[actix::test]
async fn a_disk_that_can_not_read_costs_the_messages_and_no_more() {
    let mut bench = Bench::new(LogSettings::default());
    bench.append(0..5, 100).await;
    bench.files.disk().failing_reads = usize::MAX;
    assert_eq!(bench.load(&[(0, 4)], 1 << 20).await, (vec![], 4));
    assert_eq!(bench.defects.load(Ordering::Relaxed), 5);
    bench.files.disk().failing_reads = 0;
    assert_eq!(bench.load(&[(0, 4)], 1 << 20).await.0.len(), 5);
}

#[actix::test]
async fn a_damaged_message_is_left_out_and_counted() {
    let mut bench = Bench::new(LogSettings::default());
    bench.append(0..50, 100).await;
    bench.damage(&body(7, 100));
    let (came, upto) = bench.load(&[(0, 49)], 1 << 20).await;
    assert!(came.into_iter().eq((0..50).filter(|position| *position != 7)));
    assert_eq!(upto, 49);
    assert_eq!(bench.defects.load(Ordering::Relaxed), 1);
}

#[actix::test]
async fn a_segment_that_is_not_there_costs_its_messages_and_no_more() {
    let mut bench = Bench::new(SMALL);
    bench.append(0..100, 100).await;
    let second = bench.files.disk().files.keys().nth(1).unwrap().clone();
    bench.files.delete(&second).unwrap();
    let (came, upto) = bench.load(&[(0, 99)], 1 << 20).await;
    assert_eq!(upto, 99);
    let lost = 100 - came.len() as u64;
    assert!(lost > 0 && lost < 30, "{lost}");
    assert_eq!(bench.defects.load(Ordering::Relaxed), lost);
}

#[actix::test]
async fn what_is_moved_while_it_is_read_is_found_again() {
    let mut bench = Bench::new(SMALL);
    bench.append(0..5, 30).await;
    // The first messages stay while much passes them: they are copied forward all the time.
    for round in 1..60 {
        let first = round * 100;
        bench.append(first..first + 20, 100).await;
        bench.settle(first, first + 19);
        assert_eq!(bench.load(&[(0, 4)], 1 << 20).await, (vec![0, 1, 2, 3, 4], 4));
    }
    assert!(!bench.files.disk().files.contains_key("0000000001.journal"));
    assert_eq!(bench.defects.load(Ordering::Relaxed), 0);
}

#[actix::test]
async fn bodies_that_are_elsewhere_come_with_their_messages() {
    let mut bench = Bench::new(SMALL);
    bench.borrow(0..100, 30).await;
    bench.append(100..110, 500).await;
    bench.settle(50, 59);
    let (came, upto) = bench.load(&[(10, 69), (95, 120)], 1 << 20).await;
    let expected: Vec<u64> = (10..50).chain(60..70).chain(95..110).collect();
    assert_eq!((came, upto), (expected, 120));
    let (came, upto) = bench.load(&[(0, 109)], 1000).await;
    assert_eq!(came.last(), Some(&upto));
    assert!((10..40).contains(&came.len()), "{came:?}");
}

#[actix::test]
async fn a_damaged_body_is_left_out_and_counted() {
    let mut bench = Bench::new(LogSettings::default());
    bench.borrow(0..50, 100).await;
    bench.damage(&body(7, 100));
    let (came, _) = bench.load(&[(0, 49)], 1 << 20).await;
    assert!(came.into_iter().eq((0..50).filter(|position| *position != 7)));
    assert_eq!(bench.defects.load(Ordering::Relaxed), 1);
}

#[actix::test]
async fn a_body_that_moves_while_it_is_read_is_found_again() {
    let mut bench = Bench::new(SMALL);
    bench.borrow(0..5, 30).await;
    for round in 1..60 {
        let first = round * 100;
        bench.append(first..first + 20, 100).await;
        bench.settle(first, first + 19);
        assert_eq!(bench.load(&[(0, 4)], 1 << 20).await, (vec![0, 1, 2, 3, 4], 4));
    }
    assert!(!bench.files.disk().files.contains_key("0000000001.journal"));
    assert_eq!(bench.defects.load(Ordering::Relaxed), 0);
}

#[actix::test]
async fn a_passing_log_syncs_nothing_and_gives_room_back_at_once() {
    let settings = LogSettings {
        segment_bytes: 2048,
        ..LogSettings::passing()
    };
    let mut bench = Bench::new(settings);
    bench.append(0..400, 100).await;
    let before = bench.files.disk().files.len();
    // Not the oldest go first here.
    bench.settle(20, 379);
    let (came, _) = bench.load(&[(0, 399)], 1 << 20).await;
    assert!(came.into_iter().eq((0..20).chain(380..400)));
    bench.append(400..401, 100).await;
    let after = bench.files.disk().files.len();
    assert!(after * 2 < before, "{after} of {before} segments are left");
    assert_eq!(bench.files.disk().syncs, 0);
}

#[actix::test]
async fn transient_messages_come_back_transient_and_go_with_their_queue() {
    let settings = LogSettings {
        segment_bytes: 2048,
        ..LogSettings::passing()
    };
    let mut bench = Bench::new(settings);
    let (tell, heard) = unbounded_channel();
    bench.heard = heard;
    let mut scratch = Scratch::new(STORE, bench.writer.clone());
    assert!(scratch.open(Ear(tell).start().recipient()).is_none());
    let mut builder = PageBuilder::new();
    let transient = builder.push("x", "k", &[0, 0], false, Body::Slice(&[1; 3000]));
    let persistent = builder.push("x", "k", &[0, 0], true, Body::Slice(b"short"));
    let messages = vec![(5, transient), (9, persistent)];
    scratch.append(Batch {
        page: &builder.finish(),
        messages,
        deadlines: Vec::new(),
        permit: None,
    });
    assert!(matches!(bench.hear().await, Told::Synced { upto: 1 }));
    scratch.load(vec![Positions { first: 0, last: 9 }], 1 << 20);
    let Told::Loaded { messages, .. } = bench.hear().await else {
        panic!("not loaded");
    };
    let flags = messages.iter().flat_map(|some| {
        let persistent = |&(position, offset): &(u64, u32)| (position, some.page.is_persistent(offset));
        some.messages.iter().map(persistent)
    });
    assert_eq!(flags.collect::<Vec<_>>(), [(5, false), (9, true)]);
    drop(scratch);
    bench.writer.stop().await.unwrap().unwrap();
    assert_eq!(total(&bench.files), 0);
}
