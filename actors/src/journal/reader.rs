//! The thread that reads messages back, so that nobody who reads waits for a sync.
//!
//! The writer says where the messages are, and the reader reads them there. What was moved meanwhile is looked up
//! again; what is provably not readable where it should be is reported, counted and left out.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use actix::prelude::*;
use tracing::error;

use super::files::Files;
use super::index::{Index, Location};
use super::loading::{Pages, Sources, Unread};
use super::record::Positions;
use super::segment::file_name;
use super::{Keeper, Notice, Told};
use crate::id::StoreId;

/// The least bytes of a message in a segment.
const LEAST: u64 = 40;
/// Places looked up at once.
const MOST_PLACES: u64 = 64 * 1024;
/// How often a read that fails is tried again, and how long that is put off, longer each time.
const RETRIES: (u32, Duration) = (4, Duration::from_millis(10));

/// A question for messages.
pub(super) struct Load {
    pub(super) store: StoreId,
    /// Asked for, in order.
    pub(super) positions: Vec<Positions>,
    pub(super) most_bytes: u64,
    /// Who asks, if it is not the queue.
    pub(super) to: Option<Recipient<Notice>>,
    /// All below is done.
    from: u64,
    /// What was read so far.
    read: u64,
    loaded: Vec<super::Restored>,
    /// What could not be read, and how often.
    doubt: Option<(Location, u32)>,
}

impl Load {
    pub(super) fn new(store: StoreId, positions: Vec<Positions>, most_bytes: u64) -> Self {
        Load {
            store,
            positions,
            most_bytes,
            to: None,
            from: 0,
            read: 0,
            loaded: Vec::new(),
            doubt: None,
        }
    }

    /// Where the messages are that come next, about as many as are asked for.
    pub(super) fn look_up(self, index: &Index) -> Found {
        let left = self.most_bytes.saturating_sub(self.read);
        let mut most = (left / LEAST).clamp(1, MOST_PLACES) as usize;
        let (mut places, mut bodies, mut deadlines) = (Vec::new(), Vec::new(), Vec::new());
        for &Positions { first, last } in &self.positions {
            let first = first.max(self.from);
            let noted = index.notes.deadlines(self.store, Positions { first, last });
            deadlines.extend(noted.take(most - places.len()));
            for (position, location) in index.among(self.store, Positions { first, last }) {
                if places.is_empty() {
                    most = most.min(index.messages_in(location.segment, left).saturating_add(1));
                }
                if places.len() >= most {
                    return Found {
                        load: self,
                        places,
                        bodies,
                        deadlines,
                        all: false,
                    };
                }
                places.push((position, location));
                let body = index.lending.body_of(location);
                bodies.extend(body.map(|body| (position, body)));
            }
        }
        Found {
            load: self,
            places,
            bodies,
            deadlines,
            all: true,
        }
    }

    fn last(&self) -> u64 {
        self.positions.last().map_or(0, |range| range.last)
    }
}

/// A question, and where the next messages are.
pub(super) struct Found {
    load: Load,
    places: Vec<(u64, Location)>,
    /// Where the bodies are that the records at the places don't have, by position.
    bodies: Vec<(u64, Location)>,
    /// The deadlines that are not as the records at the places tell, by position.
    deadlines: Vec<(u64, u64)>,
    /// There are no more than these.
    all: bool,
}

/// A question for the reader.
pub(super) struct Question {
    pub(super) found: Found,
    /// Who asks.
    pub(super) queue: Recipient<Notice>,
    /// Looks places up again.
    pub(super) again: Box<dyn FnOnce(Load) + Send>,
}

/// What the thread works with.
pub(super) struct Reader {
    keeper: Keeper,
    sources: Sources,
    pages: Pages,
    /// As in [`Found`], of the question that is being answered.
    deadlines: Vec<(u64, u64)>,
    /// Messages that could not be read.
    defects: Arc<AtomicU64>,
    /// Segments that the system can't read: no time is spent on them again.
    given_up: HashSet<u32>,
}

enum Outcome {
    /// All up to here is done.
    Upto(u64),
    /// Places must be looked up again.
    Again,
}

impl Reader {
    pub(super) fn new(keeper: Keeper, files: Arc<dyn Files>, defects: Arc<AtomicU64>) -> Self {
        Reader {
            keeper,
            sources: Sources::new(files),
            pages: Pages::default(),
            deadlines: Vec::new(),
            defects,
            given_up: HashSet::new(),
        }
    }

    /// Answers until no one can ask any more.
    pub(super) fn run(mut self, questions: &Receiver<Question>) {
        loop {
            let question = match questions.try_recv() {
                Ok(question) => question,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    self.sources.close();
                    let Ok(question) = questions.recv() else { return };
                    question
                }
            };
            self.answer(question);
        }
    }

    fn answer(&mut self, question: Question) {
        let Question { found, queue, again } = question;
        let Found {
            mut load,
            places,
            bodies,
            deadlines,
            all,
        } = found;
        self.deadlines = deadlines;
        let outcome = self.read(&mut load, &places, &bodies, all);
        load.loaded.extend(self.pages.finish());
        match outcome {
            Outcome::Again => again(load),
            Outcome::Upto(upto) => queue.do_send(Notice {
                keeper: self.keeper,
                told: Told::Loaded {
                    messages: load.loaded,
                    upto,
                },
            }),
        }
    }

    fn read(
        &mut self,
        load: &mut Load,
        places: &[(u64, Location)],
        bodies: &[(u64, Location)],
        all: bool,
    ) -> Outcome {
        let before = load.read;
        let mut done = None;
        for (at, &(position, _)) in places.iter().enumerate() {
            match self.sources.read(places.get(at..).unwrap_or_default(), bodies) {
                Ok((publication, told)) => {
                    let with_it = load.read.saturating_add(publication.body_len.into());
                    if load.read > 0 && with_it > load.most_bytes {
                        return Outcome::Upto(position - 1);
                    }
                    let noted = self.deadlines.binary_search_by_key(&position, |noted| noted.0);
                    let noted = noted.ok().and_then(|at| self.deadlines.get(at));
                    let deadline = noted.map_or(told, |(_, deadline)| *deadline);
                    self.pages.add(position, publication, deadline);
                    load.read = before + self.pages.bytes();
                }
                Err((unread, location)) => {
                    if self.is_doubtful(load, location, &unread) {
                        load.from = position;
                        return Outcome::Again;
                    }
                    self.report(load.store, position, location, &unread);
                }
            }
            load.doubt = None;
            done = Some(position);
            if load.read >= load.most_bytes {
                return Outcome::Upto(position);
            }
        }
        match done {
            Some(position) if !all && position < load.last() => {
                load.from = position + 1;
                Outcome::Again
            }
            _ => Outcome::Upto(load.last()),
        }
    }

    /// Whether it may still be readable, perhaps elsewhere.
    fn is_doubtful(&mut self, load: &mut Load, location: Location, unread: &Unread) -> bool {
        self.sources.close();
        let times = load
            .doubt
            .filter(|(doubted, _)| *doubted == location)
            .map_or(0, |(_, times)| times);
        load.doubt = Some((location, times + 1));
        let Unread::Io(failure) = unread else {
            return times == 0;
        };
        let (retries, pause) = RETRIES;
        let lasting = !is_shortage(failure);
        if lasting && (times >= retries || (times > 0 && self.given_up.contains(&location.segment))) {
            self.given_up.insert(location.segment);
            return false;
        }
        std::thread::sleep(pause * (times + 1).min(10));
        true
    }

    fn report(&self, store: StoreId, position: u64, location: Location, unread: &Unread) {
        self.defects.fetch_add(1, Ordering::Relaxed);
        let file = file_name(location.segment);
        error!(
            store = store.0,
            position,
            file,
            offset = location.offset,
            error = %unread,
            "a message can't be read; it is left out"
        );
    }
}

/// Whether it says nothing about the file.
fn is_shortage(failure: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    failure.kind() == io::ErrorKind::OutOfMemory || matches!(failure.raw_os_error(), Some(ENFILE | EMFILE))
}
