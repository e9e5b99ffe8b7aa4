//! What it costs to write 100 messages down, before any disk and after it.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use leveret_actors::id::StoreId;
use leveret_actors::journal::files::Directory;
use leveret_actors::journal::log::{Durability, Log, LogSettings, Op};
use leveret_actors::journal::record::Positions;
use leveret_actors::journal::recovery::scan;
use leveret_actors::publication::{Page, PageBuilder};
use leveret_protocol::Body;

const MESSAGES: u64 = 100;

fn main() {
    divan::main();
}

fn page(size: usize) -> (Arc<Page>, Vec<u32>) {
    let (mut page, body) = (PageBuilder::new(), vec![b'x'; size]);
    let push = |_| page.push("", "a-queue", &[0x10, 0, 2], true, Body::Slice(&body));
    let offsets = (0..MESSAGES).map(push).collect();
    (page.finish(), offsets)
}

/// Appends a batch and settles it, so that segments die and are deleted.
fn bench(bencher: Bencher<'_, '_>, size: usize, durability: Durability) {
    let directory = tempfile::tempdir().unwrap();
    let files = Directory::open(directory.path()).unwrap();
    let recovered = scan(&files).unwrap();
    let settings = LogSettings {
        durability,
        ..LogSettings::default()
    };
    let mut log = Log::new(Arc::new(files), settings, recovered);
    let (page, offsets) = page(size);
    let (store, mut position) = (StoreId(1), 0);
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        let first = position;
        position += MESSAGES;
        log.take(Op::Append {
            store,
            page: Arc::clone(&page),
            messages: (first..position).zip(offsets.iter().copied()).collect(),
            deadlines: Vec::new(),
            ticket: position,
        });
        log.take(Op::Settled {
            store,
            positions: vec![Positions {
                first,
                last: position - 1,
            }],
        });
        log.commit().unwrap();
        log.take_safe().count()
    });
}

#[divan::bench(args = [16, 1024], max_time = 2)]
fn append_without_a_sync(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, size, Durability::Os);
}

#[divan::bench(args = [16, 1024], max_time = 2)]
fn append_and_sync(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, size, Durability::Fsync);
}
