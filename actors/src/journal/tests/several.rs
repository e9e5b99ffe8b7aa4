//! Several logs, in real folders: queues stay with their messages, and empty logs go.

use std::path::Path;
use std::time::Duration;

use actix::prelude::*;
use rustc_hash::FxHashSet;

use super::*;
use crate::journal::inspect::inspect;
use crate::journal::store::{JournalStore, Journals};
use crate::journal::{Batch, Journal, Notice};

/// Hears nothing.
struct Deaf;

impl Actor for Deaf {
    type Context = Context<Self>;
}

impl Handler<Notice> for Deaf {
    type Result = ();

    fn handle(&mut self, _: Notice, _: &mut Context<Self>) {}
}

fn start(directory: &Path, count: usize) -> Journals {
    let store = JournalStore::open_several(directory, LogSettings::default(), count).unwrap();
    let known: FxHashSet<StoreId> = (0..8).map(StoreId).collect();
    store.start(&known, |_| {}).unwrap()
}

/// A queue and how many messages it starts with.
async fn opened(journals: &Journals, store: u64) -> (Box<dyn Journal>, u64) {
    let mut journal = journals.queue(StoreId(store));
    let kept = journal.open(Deaf.start().recipient()).unwrap();
    let kept = tokio::time::timeout(Duration::from_secs(10), kept).await.unwrap();
    (journal, kept.waiting.map_or(0, |run| run.messages))
}

fn publish(journal: &mut dyn Journal, position: u64) {
    let (page, offset) = page(b"body");
    journal.append(Batch {
        page: &page,
        messages: vec![(position, offset)],
        deadlines: Vec::new(),
        permit: None,
    });
}

fn folders(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[actix::test]
async fn queues_keep_their_messages_whatever_the_number_of_logs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for (round, count) in [3, 1, 2, 4, 1].into_iter().enumerate() {
        let journals = start(path, count);
        for store in 0..8 {
            let (mut journal, waiting) = opened(&journals, store).await;
            assert_eq!(waiting, round as u64, "queue {store} with {count} logs");
            publish(&mut *journal, round as u64);
        }
        journals.stop().await.unwrap();
    }
    assert!(folders(path).contains(&"journal-3".to_owned()));
}

#[actix::test]
async fn a_body_in_another_log_is_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let journals = start(path, 2);
    let mut queues = Vec::new();
    for store in 0..4 {
        queues.push(opened(&journals, store).await.0);
    }
    publish(&mut *queues[0], 0);
    for journal in &mut queues[1..] {
        let (page, offset) = page_from(0, 0, None, b"body");
        journal.append(Batch {
            page: &page,
            messages: vec![(0, offset)],
            deadlines: Vec::new(),
            permit: None,
        });
    }
    journals.stop().await.unwrap();
    let borrowers = ["journal", "journal-2"].map(|folder| {
        let segments = inspect(&path.join(folder)).unwrap().segments;
        segments
            .iter()
            .map(|segment| segment.records.borrowers)
            .sum::<u64>()
    });
    assert_eq!(
        borrowers,
        [1, 0],
        "those of queues 0 and 2, and those of queues 1 and 3"
    );
    let journals = start(path, 2);
    for store in 0..4 {
        assert_eq!(opened(&journals, store).await.1, 1);
    }
    journals.end();
}

#[actix::test]
async fn a_log_left_over_goes_when_it_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let journals = start(path, 2);
    let (mut journal, _) = opened(&journals, 1).await;
    publish(&mut *journal, 0);
    journals.stop().await.unwrap();
    let journals = start(path, 1);
    assert_eq!(folders(path), ["journal", "journal-2", "scratch"]);
    let (mut journal, waiting) = opened(&journals, 1).await;
    assert_eq!(waiting, 1);
    journal.settled(vec![Positions::ALL]);
    journals.stop().await.unwrap();
    let journals = start(path, 1);
    assert_eq!(folders(path), ["journal", "scratch"]);
    assert_eq!(opened(&journals, 1).await.1, 0);
    journals.end();
}

#[actix::test]
async fn all_that_was_told_is_written_before_the_threads_have_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = JournalStore::open(path, LogSettings::default()).unwrap();
    let threads = store.threads();
    let known: FxHashSet<StoreId> = [StoreId(1)].into_iter().collect();
    let journals = store.start(&known, |_| {}).unwrap();
    let (mut journal, _) = opened(&journals, 1).await;
    for position in 0..5000 {
        publish(&mut *journal, position);
    }
    threads.end();
    // Without an orderly stop, as after a failure.
    let journals = start(path, 1);
    assert_eq!(opened(&journals, 1).await.1, 5000);
    journals.end();
}
