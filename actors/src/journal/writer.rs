//! The thread of the log: takes whatever has gathered, commits it, and tells the queues.
//!
//! What arrives while the disk is busy forms the next commit: the busier the disk, the larger the groups.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::prelude::*;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::log::{Log, Op};
use super::patience::Patience;
use super::reader::{Load, Question, Reader};
use super::record::Positions;
use super::{Keeper, Kept, Notice, Told};
use crate::id::StoreId;
use crate::window::Permit;

/// Mail taken for one commit.
const MOST_GATHERED: usize = 1024;
/// Bytes of an old segment looked through between two commits.
const CLEANED: usize = 1024 * 1024;
/// How long what no one waits for may stay unsynced.
const IDLE: Duration = Duration::from_millis(200);
/// How long until the next try when the disk takes nothing.
const RETRY: Duration = Duration::from_millis(250);
/// How long until the next try when it took no copies: that costs more.
const CLEAN_AGAIN: Duration = Duration::from_secs(5);

/// Whether the disk takes what is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Good,
    /// It does not; why. The log keeps trying, and confirms nothing meanwhile.
    Failing(String),
}

/// What the thread is asked.
enum Mail {
    Open {
        store: StoreId,
        queue: Recipient<Notice>,
    },
    Write {
        op: Op,
        /// Covers what is written until it is safe.
        permit: Option<Permit>,
    },
    Load {
        load: Load,
        /// To look up more, or again.
        again: Writer,
    },
    Kept {
        store: StoreId,
        reply: oneshot::Sender<Kept>,
    },
    Stop {
        reply: oneshot::Sender<io::Result<()>>,
    },
    End,
}

/// Sends to the thread. What is sent is done in order; nothing is done once the thread has stopped.
#[derive(Clone)]
pub struct Writer {
    mail: Sender<Mail>,
}

impl Writer {
    /// Starts the thread, and that of the reader, which ends with it. `health` is told when the disk begins to fail and
    /// when it is good again; messages that can't be read are added to `defects`.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        keeper: Keeper,
        log: Log,
        defects: Arc<AtomicU64>,
        health: impl Fn(Health) + Send + 'static,
    ) -> io::Result<(Writer, JoinHandle<()>)> {
        let (mail, inbox) = mpsc::channel();
        let (ask, questions) = mpsc::channel();
        let reader = Reader::new(keeper, Arc::clone(&log.files), defects);
        let reader = spawn(keeper.reader(), move || reader.run(&questions))?;
        let thread = WriterThread {
            keeper,
            log,
            inbox,
            reader: ask,
            queues: FxHashMap::default(),
            permits: Vec::new(),
            loads: Vec::new(),
            waiting: Vec::new(),
            stop: None,
            ended: false,
            failing: false,
            clean_after: None,
            patience: Patience::new(),
            health: Box::new(health),
        };
        let handle = spawn(keeper.writer(), move || {
            thread.run();
            // It ends when no one can ask it any more.
            let _ = reader.join();
        })?;
        Ok((Writer { mail }, handle))
    }

    /// From now on `queue` hears when a store's appends are safe.
    pub fn open(&self, store: StoreId, queue: Recipient<Notice>) {
        self.send(Mail::Open { store, queue });
    }

    /// Writes. A permit is held until that is safe.
    pub fn write(&self, op: Op, permit: Option<Permit>) {
        self.send(Mail::Write { op, permit });
    }

    /// Reads messages of a store that are safe; the queue that has [opened](Self::open) it hears [`Told::Loaded`].
    pub fn load(&self, store: StoreId, positions: Vec<Positions>, most_bytes: u64) {
        self.look_up(Load::new(store, positions, most_bytes));
    }

    /// As [`load`](Self::load), for somebody else.
    pub fn look(&self, store: StoreId, positions: Vec<Positions>, most_bytes: u64, to: Recipient<Notice>) {
        let mut load = Load::new(store, positions, most_bytes);
        load.to = Some(to);
        self.look_up(load);
    }

    fn look_up(&self, load: Load) {
        let again = self.clone();
        self.send(Mail::Load { load, again });
    }

    /// What the log knows of a store and its unsettled messages, once all that was sent before is safe.
    pub fn kept(&self, store: StoreId) -> oneshot::Receiver<Kept> {
        let (reply, answer) = oneshot::channel();
        self.send(Mail::Kept { store, reply });
        answer
    }

    /// Makes all durable, notes an orderly stop and ends the thread.
    pub fn stop(&self) -> oneshot::Receiver<io::Result<()>> {
        let (reply, answer) = oneshot::channel();
        self.send(Mail::Stop { reply });
        answer
    }

    /// Ends the thread after one more commit, in whatever state the queues are.
    pub fn end(&self) {
        self.send(Mail::End);
    }

    fn send(&self, mail: Mail) {
        // Without the thread nothing becomes safe, and nothing is told to be.
        let _ = self.mail.send(mail);
    }
}

impl Keeper {
    fn writer(self) -> &'static str {
        match self {
            Keeper::Journal => "journal",
            Keeper::Scratch => "scratch",
        }
    }

    fn reader(self) -> &'static str {
        match self {
            Keeper::Journal => "journal-reader",
            Keeper::Scratch => "scratch-reader",
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(run)
}

struct WriterThread {
    keeper: Keeper,
    log: Log,
    inbox: Receiver<Mail>,
    reader: Sender<Question>,
    queues: FxHashMap<StoreId, Recipient<Notice>>,
    permits: Vec<Permit>,
    loads: Vec<(Load, Writer)>,
    waiting: Vec<(StoreId, oneshot::Sender<Kept>)>,
    stop: Option<oneshot::Sender<io::Result<()>>>,
    ended: bool,
    failing: bool,
    /// No copies are made before.
    clean_after: Option<Instant>,
    patience: Patience,
    health: Box<dyn Fn(Health) + Send>,
}

impl WriterThread {
    fn run(mut self) {
        let mut busy = false;
        while self.gather(busy) {
            self.answer_loads();
            let committed = self.log.commit();
            self.told(&committed);
            if let Some(reply) = self.stop.take() {
                let _ = reply.send(self.end(committed));
                return;
            }
            if self.ended {
                break;
            }
            self.answer_waiting();
            busy = committed.is_ok() && self.clean();
        }
        if let Err(failure) = self.log.flush() {
            error!(error = %failure, "the journal could not be flushed");
        } else {
            // Otherwise the next start does it.
            let _ = self.log.close();
        }
    }

    /// Takes what has gathered, and waits for something unless there is other work. False when no one can send any more.
    fn gather(&mut self, busy: bool) -> bool {
        let first = if busy {
            self.inbox.try_recv().ok()
        } else {
            let soon = self.patience.look_again(&self.inbox);
            match soon.map_or_else(|| self.wait(), Ok) {
                Ok(mail) => Some(mail),
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.log.flush();
                    None
                }
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        };
        let Some(first) = first else { return true };
        self.take(first);
        for _ in 1..MOST_GATHERED {
            let Ok(mail) = self.inbox.try_recv() else {
                break;
            };
            self.take(mail);
        }
        true
    }

    fn wait(&self) -> Result<Mail, RecvTimeoutError> {
        if self.log.is_dirty() {
            let patience = if self.failing { RETRY } else { IDLE };
            return self.inbox.recv_timeout(patience);
        }
        if let Some(after) = self.clean_after {
            return self
                .inbox
                .recv_timeout(after.saturating_duration_since(Instant::now()));
        }
        self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }

    fn take(&mut self, mail: Mail) {
        match mail {
            Mail::Open { store, queue } => {
                self.queues.insert(store, queue);
            }
            Mail::Write { op, permit } => {
                if let Op::QueueDeleted { store } = op {
                    self.queues.remove(&store);
                }
                self.log.take(op);
                self.permits.extend(permit);
            }
            Mail::Load { load, again } => self.loads.push((load, again)),
            Mail::Kept { store, reply } => self.waiting.push((store, reply)),
            Mail::Stop { reply } => self.stop = Some(reply),
            Mail::End => self.ended = true,
        }
    }

    /// What is asked for is safe already, so that it need not wait for the next sync. What was settled before must not
    /// come back.
    fn answer_loads(&mut self) {
        if self.loads.is_empty() {
            return;
        }
        // A failure is told when it is tried again.
        let _ = self.log.write_down();
        for (load, again) in std::mem::take(&mut self.loads) {
            let asks = load.to.as_ref().or_else(|| self.queues.get(&load.store));
            let Some(queue) = asks.cloned() else {
                continue;
            };
            let found = load.look_up(self.log.index());
            let again = Box::new(move |load| again.look_up(load));
            let _ = self.reader.send(Question { found, queue, again });
        }
    }

    /// Tells the queues what is safe, and the broker when that has become impossible or possible again.
    fn told(&mut self, committed: &io::Result<()>) {
        let mut safe: FxHashMap<StoreId, u64> = FxHashMap::default();
        for (store, ticket) in self.log.take_safe() {
            safe.insert(store, ticket);
        }
        if !safe.is_empty() {
            self.patience.told(self.log.sink.gather.len());
        }
        for (store, upto) in safe {
            if let Some(queue) = self.queues.get(&store) {
                queue.do_send(Notice {
                    keeper: self.keeper,
                    told: Told::Synced { upto },
                });
            }
        }
        match committed {
            Ok(()) => {
                self.permits.clear();
                if std::mem::take(&mut self.failing) {
                    info!("the {} log can be written again", self.keeper.writer());
                    (self.health)(Health::Good);
                }
            }
            Err(failure) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let log = self.keeper.writer();
                    error!(error = %failure, "the {log} log can't be written; nothing in it is confirmed");
                    (self.health)(Health::Failing(failure.to_string()));
                }
            }
        }
    }

    /// What a queue that crashed had on its way must be written first; the others need not wait for a disk that fails.
    fn answer_waiting(&mut self) {
        for (store, reply) in std::mem::take(&mut self.waiting) {
            if self.log.concerns(store) {
                self.waiting.push((store, reply));
                continue;
            }
            let _ = reply.send(self.log.sink.kept(store));
        }
    }

    fn clean(&mut self) -> bool {
        let now = Instant::now();
        if self.log.take_failed_copies() {
            warn!("no room to copy what lives in an old segment forward; it is tried again");
            self.clean_after = Some(now + CLEAN_AGAIN);
        }
        if self.clean_after.is_some_and(|after| now < after) {
            return false;
        }
        self.clean_after = None;
        self.log.clean(CLEANED).unwrap_or_else(|failure| {
            warn!(error = %failure, "an old segment can't be read");
            false
        })
    }

    fn end(&mut self, committed: io::Result<()>) -> io::Result<()> {
        if self.keeper == Keeper::Scratch {
            return self.log.delete_all();
        }
        committed?;
        self.log.take(Op::Stopped);
        self.log.flush()?;
        if let Err(failure) = self.log.leave_checkpoint() {
            warn!(error = %failure, "no checkpoint is left; the next start reads the whole journal");
        }
        Ok(())
    }
}
