//! A journal in memory that answers when the test says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use actix::prelude::*;
use leveret_actors::journal::{Batch, Journal, Keeper, Notice, Positions, Restored, Restoring, Safety, Told};
use leveret_actors::publication::PageBuilder;
use leveret_protocol::Body;

use super::support::PATIENCE;

/// Keeps what it is given, in a place that the test can reach.
#[derive(Clone)]
pub(crate) struct Shelf {
    keeper: Keeper,
    inner: Arc<Mutex<Inner>>,
}

/// By position: whether it is persistent, and its body.
type Messages = BTreeMap<u64, (bool, Vec<u8>)>;

#[derive(Default)]
struct Inner {
    queue: Option<Recipient<Notice>>,
    messages: Messages,
    /// What is asked for, and which of it was there then.
    open: Option<(Vec<Positions>, Messages)>,
    asked: usize,
    deleted: bool,
    broken: bool,
}

impl Shelf {
    pub(crate) fn scratch() -> Self {
        Shelf::of(Keeper::Scratch)
    }

    pub(crate) fn journal() -> Self {
        Shelf::of(Keeper::Journal)
    }

    fn of(keeper: Keeper) -> Self {
        Shelf {
            keeper,
            inner: Arc::default(),
        }
    }

    /// How many messages it has.
    pub(crate) fn len(&self) -> usize {
        self.lock().messages.len()
    }

    /// How many questions it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.lock().asked
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.lock().deleted
    }

    /// From now on it panics when it is given something.
    pub(crate) fn breaks(&self) {
        self.lock().broken = true;
    }

    /// These can't be read any more.
    pub(crate) fn lose(&self, positions: impl IntoIterator<Item = u64>) {
        let mut inner = self.lock();
        for position in positions {
            inner.messages.remove(&position);
            if let Some((_, there)) = &mut inner.open {
                there.remove(&position);
            }
        }
    }

    /// Answers the next question with up to `most` messages.
    #[track_caller]
    pub(crate) fn answer_next(&self, most: usize) {
        let answer = self.prepare(most);
        let queue = self.lock().queue.clone();
        queue.expect("the queue has come to life").do_send(answer);
    }

    /// The answer to the next question, not sent yet.
    #[track_caller]
    pub(crate) fn prepare(&self, most: usize) -> Notice {
        let begun = Instant::now();
        loop {
            let open = self.lock().open.take();
            if let Some((positions, there)) = open {
                return self.answer(&positions, &there, most);
            }
            assert!(begun.elapsed() < PATIENCE, "nothing is asked for");
            std::thread::yield_now();
        }
    }

    fn answer(&self, positions: &[Positions], there: &Messages, most: usize) -> Notice {
        let found: Vec<_> = there.iter().collect();
        let part = &found[..most.min(found.len())];
        let end = positions.last().map_or(0, |range| range.last);
        let last = part.last().map_or(end, |(position, _)| **position);
        let mut builder = PageBuilder::new();
        let messages = part.iter().map(|(position, (persistent, body))| {
            let offset = builder.push("", "q", &[0, 0], *persistent, Body::Slice(body));
            (**position, offset)
        });
        let messages = messages.collect();
        let page = builder.finish();
        let told = Told::Loaded {
            messages: vec![Restored {
                page,
                messages,
                deadlines: Vec::new(),
            }],
            upto: if part.len() < found.len() { last } else { end },
        };
        Notice {
            keeper: self.keeper,
            told,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Journal for Shelf {
    fn open(&mut self, queue: Recipient<Notice>) -> Option<Restoring> {
        self.lock().queue = Some(queue);
        None
    }

    fn keeps(&self) -> bool {
        true
    }

    fn append(&mut self, batch: Batch<'_>) -> Safety {
        let mut inner = self.lock();
        let broken = std::mem::take(&mut inner.broken);
        if broken {
            drop(inner);
            panic!("injected: {}", "a broken shelf");
        }
        for (position, offset) in batch.messages {
            let publication = batch.page.get(offset);
            let body = publication.body.as_slice().to_vec();
            inner.messages.insert(position, (publication.persistent, body));
        }
        Safety::Now
    }

    fn load(&mut self, positions: Vec<Positions>, _: u64) {
        let mut inner = self.lock();
        inner.asked += 1;
        let ranges = positions.iter().map(|range| range.first..=range.last);
        let there = ranges.flat_map(|range| inner.messages.range(range));
        let there = there.map(|(position, message)| (*position, message.clone()));
        let open = (positions.clone(), there.collect());
        assert!(inner.open.replace(open).is_none(), "one question at a time");
    }

    fn settled(&mut self, positions: Vec<Positions>) {
        let mut inner = self.lock();
        for Positions { first, last } in positions {
            inner
                .messages
                .retain(|position, _| !(first..=last).contains(position));
        }
    }

    fn deleted(&mut self) {
        self.lock().deleted = true;
    }
}
