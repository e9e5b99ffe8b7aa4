//! The thread of the log: takes whatever has gathered, commits it, and tells the queues.
//!
//! What arrives while the disk is busy forms the next commit: the busier the disk, the larger the groups.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use actix::prelude::*;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::files::Files;
use super::log::{Log, Op};
use super::restore::{Restored, restore};
use super::{Keeper, Notice, Told};
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
    Restore {
        store: StoreId,
        reply: oneshot::Sender<io::Result<Vec<Restored>>>,
    },
    Stop {
        reply: oneshot::Sender<io::Result<()>>,
    },
}

/// Sends to the thread. What is sent is done in order; nothing is done once the thread has stopped.
#[derive(Clone)]
pub struct Writer {
    mail: Sender<Mail>,
}

impl Writer {
    /// Starts the thread. `health` is told when the disk begins to fail and when it is good again.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(log: Log, health: impl Fn(Health) + Send + 'static) -> io::Result<(Writer, JoinHandle<()>)> {
        let (mail, inbox) = mpsc::channel();
        let thread = WriterThread {
            files: Arc::clone(&log.files),
            log,
            inbox,
            queues: FxHashMap::default(),
            permits: Vec::new(),
            restores: Vec::new(),
            stop: None,
            failing: false,
            health: Box::new(health),
        };
        let handle = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || thread.run())?;
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

    /// The unsettled messages of a store, once all that was sent before is safe.
    pub fn restore(&self, store: StoreId) -> oneshot::Receiver<io::Result<Vec<Restored>>> {
        let (reply, answer) = oneshot::channel();
        self.send(Mail::Restore { store, reply });
        answer
    }

    /// Makes all durable, notes an orderly stop and ends the thread.
    pub fn stop(&self) -> oneshot::Receiver<io::Result<()>> {
        let (reply, answer) = oneshot::channel();
        self.send(Mail::Stop { reply });
        answer
    }

    fn send(&self, mail: Mail) {
        // Without the thread nothing becomes safe, and nothing is told to be.
        let _ = self.mail.send(mail);
    }
}

struct WriterThread {
    files: Arc<dyn Files>,
    log: Log,
    inbox: Receiver<Mail>,
    queues: FxHashMap<StoreId, Recipient<Notice>>,
    permits: Vec<Permit>,
    restores: Vec<(StoreId, oneshot::Sender<io::Result<Vec<Restored>>>)>,
    stop: Option<oneshot::Sender<io::Result<()>>>,
    failing: bool,
    health: Box<dyn Fn(Health) + Send>,
}

impl WriterThread {
    fn run(mut self) {
        let mut busy = false;
        while self.gather(busy) {
            let committed = self.log.commit();
            self.told(&committed);
            if let Some(reply) = self.stop.take() {
                let _ = reply.send(self.end(committed));
                return;
            }
            if committed.is_ok() {
                self.answer_restores();
            }
            busy = committed.is_ok() && self.clean();
        }
        if let Err(failure) = self.log.flush() {
            error!(error = %failure, "the journal could not be flushed");
        }
    }

    /// Takes what has gathered, and waits for something unless there is other work. False when no one can send any more.
    fn gather(&mut self, busy: bool) -> bool {
        let first = if busy {
            self.inbox.try_recv().ok()
        } else {
            match self.wait() {
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
            Mail::Restore { store, reply } => self.restores.push((store, reply)),
            Mail::Stop { reply } => self.stop = Some(reply),
        }
    }

    /// Tells the queues what is safe, and the broker when that has become impossible or possible again.
    fn told(&mut self, committed: &io::Result<()>) {
        let mut safe: FxHashMap<StoreId, u64> = FxHashMap::default();
        for (store, ticket) in self.log.take_safe() {
            safe.insert(store, ticket);
        }
        for (store, upto) in safe {
            if let Some(queue) = self.queues.get(&store) {
                queue.do_send(Notice {
                    keeper: Keeper::Journal,
                    told: Told::Synced { upto },
                });
            }
        }
        match committed {
            Ok(()) => {
                self.permits.clear();
                if std::mem::take(&mut self.failing) {
                    info!("the journal can be written again");
                    (self.health)(Health::Good);
                }
            }
            Err(failure) => {
                if !std::mem::replace(&mut self.failing, true) {
                    error!(error = %failure, "the journal can't be written; nothing persistent is confirmed");
                    (self.health)(Health::Failing(failure.to_string()));
                }
            }
        }
    }

    fn answer_restores(&mut self) {
        for (store, reply) in std::mem::take(&mut self.restores) {
            let restored = restore(&*self.files, self.log.index(), store, |position, location| {
                error!(
                    store = store.0,
                    position,
                    segment = location.segment,
                    offset = location.offset,
                    "a message can't be read any more; it is lost"
                );
            });
            let _ = reply.send(restored);
        }
    }

    fn clean(&mut self) -> bool {
        self.log.clean(CLEANED).unwrap_or_else(|failure| {
            warn!(error = %failure, "an old segment can't be read");
            false
        })
    }

    fn end(&mut self, committed: io::Result<()>) -> io::Result<()> {
        committed?;
        self.log.take(Op::Stopped);
        self.log.flush()
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::Body;

    use super::*;
    use crate::journal::files::faulty::Faulty;
    use crate::journal::log::LogSettings;
    use crate::journal::record::Positions;
    use crate::journal::recovery::scan;
    use crate::publication::PageBuilder;

    /// Passes on what a queue would hear.
    struct Ear(tokio::sync::mpsc::UnboundedSender<u64>);

    impl Actor for Ear {
        type Context = Context<Self>;
    }

    impl Handler<Notice> for Ear {
        type Result = ();

        fn handle(&mut self, Notice { told, .. }: Notice, _: &mut Context<Self>) {
            if let Told::Synced { upto } = told {
                let _ = self.0.send(upto);
            }
        }
    }

    fn append(position: u64) -> Op {
        let mut builder = PageBuilder::new();
        let offset = builder.push("x", "k", &[0, 0], true, Body::Slice(&position.to_le_bytes()));
        Op::Append {
            store: StoreId(1),
            page: builder.finish(),
            messages: vec![(position, offset)],
            ticket: position,
        }
    }

    async fn heard(synced: &mut tokio::sync::mpsc::UnboundedReceiver<u64>, upto: u64) {
        let told = async { while synced.recv().await.unwrap() < upto {} };
        let wait = tokio::time::timeout(Duration::from_secs(10), told);
        wait.await.expect("the queue hears in time");
    }

    #[actix::test]
    async fn a_queue_hears_when_its_messages_are_safe_and_gets_them_back() {
        let files = Faulty::default();
        let log = Log::new(
            Arc::new(files.clone()),
            LogSettings::default(),
            scan(&files).unwrap(),
        );
        let (writer, thread) = Writer::start(log, |_| {}).unwrap();
        let (tell, mut synced) = tokio::sync::mpsc::unbounded_channel();
        writer.open(StoreId(1), Ear(tell).start().recipient());
        for position in 1..=100 {
            writer.write(append(position), None);
        }
        heard(&mut synced, 100).await;
        let positions = vec![Positions { first: 2, last: 99 }];
        let store = StoreId(1);
        writer.write(Op::Settled { store, positions }, None);
        let restored = writer.restore(store).await.unwrap().unwrap();
        let left: Vec<u64> = restored
            .iter()
            .flat_map(|some| some.messages.iter().map(|(position, _)| *position))
            .collect();
        assert_eq!(left, [1, 100]);
        writer.stop().await.unwrap().unwrap();
        thread.join().unwrap();
        assert!(scan(&files).unwrap().stopped_in_order);
    }

    #[actix::test]
    async fn nothing_is_safe_while_the_disk_is_full_and_all_is_once_there_is_room() {
        let files = Faulty::default();
        let log = Log::new(
            Arc::new(files.clone()),
            LogSettings::default(),
            scan(&files).unwrap(),
        );
        let (tell_health, mut health) = tokio::sync::mpsc::unbounded_channel();
        let (writer, _thread) = Writer::start(log, move |told| tell_health.send(told).unwrap()).unwrap();
        let (tell, mut synced) = tokio::sync::mpsc::unbounded_channel();
        writer.open(StoreId(1), Ear(tell).start().recipient());
        writer.write(append(1), None);
        heard(&mut synced, 1).await;
        files.disk().space = Some(40);
        writer.write(append(2), None);
        assert!(matches!(health.recv().await.unwrap(), Health::Failing(_)));
        assert!(synced.try_recv().is_err());
        files.disk().space = None;
        heard(&mut synced, 2).await;
        assert_eq!(health.recv().await.unwrap(), Health::Good);
    }
}
