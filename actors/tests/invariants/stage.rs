//! A thread for single actors, and probes in the place of their peers.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use actix::prelude::*;
use leveret_actors::id::{ChannelId, ConsumerId, QueueId};
use leveret_actors::journal::{Journal, Volatile};
use leveret_actors::lease::{Gone, Lease};
use leveret_actors::node::Context;
use leveret_actors::node::Worker;
use leveret_actors::publication::{Page, PageBuilder, Part};
use leveret_actors::queue::actor::{Queue, QueueEnded, QueueSeed};
use leveret_actors::queue::effective::Effective;
use leveret_actors::queue::forwarding::StartForwarder;
use leveret_actors::queue::messages::{Attach, Credit, Enqueue, QueueNotice, Subscribe, Supply};
use leveret_actors::queue::options::QueueOptions;
use leveret_actors::queue::{Grant, MemoryBudget, Subscription};
use leveret_actors::return_address::ReturnAddress;
use leveret_protocol::Body;
use leveret_protocol::method::queue::Declare;
use tokio::sync::oneshot;

use super::support::PATIENCE;

/// A system with one worker, which ends when dropped.
pub(crate) struct Stage {
    pub(crate) worker: Worker,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        super::ring::keep_injected_panics_quiet();
        let (report, running) = mpsc::channel();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let system = System::new();
            system.block_on(async move {
                report.send(Worker::start(0).unwrap()).unwrap();
                let _ = ended.await;
            });
            System::current().stop();
            system.run().unwrap();
        });
        Stage {
            worker: running.recv_timeout(PATIENCE).unwrap(),
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// Lets the worker stand still until the answer is dropped.
    #[track_caller]
    pub(crate) fn hold(&self) -> Hold {
        hold(&self.worker)
    }

    /// A queue of its own that keeps its messages in this journal.
    pub(crate) fn queue(&self, journal: impl Journal) -> Subject {
        self.spilling(journal, Volatile, MemoryBudget::UNBOUNDED)
    }

    /// A queue with so much memory, and a scratch log for more.
    pub(crate) fn spilling(
        &self,
        journal: impl Journal,
        scratch: impl Journal,
        memory: MemoryBudget,
    ) -> Subject {
        let unneeded = Box::new(|_| unreachable!("nothing dies"));
        self.dying(journal, scratch, memory, unneeded)
    }

    /// Likewise, with what carries its dead messages away.
    pub(crate) fn dying(
        &self,
        journal: impl Journal,
        scratch: impl Journal,
        memory: MemoryBudget,
        start_forwarder: StartForwarder,
    ) -> Subject {
        let id = QueueId::next();
        let (ended, gone) = (Probe::new(&self.worker), Probe::new(&self.worker));
        let options = Arc::new(QueueOptions::parse(&Declare::default(), "/").unwrap());
        let seed = QueueSeed {
            id,
            name: "q".into(),
            effective: Arc::new(Effective::of(&options, None, None)),
            options,
            store_id: None,
            journal: Box::new(journal),
            scratch: Box::new(scratch),
            memory,
            start_forwarder,
            ended: ended.recipient(),
            lease: Lease::new(gone.recipient(), id),
        };
        Subject {
            id,
            addr: self.worker.place(move || Queue::new(seed)),
            _ended: ended,
            gone,
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A queue under test.
pub(crate) struct Subject {
    pub(crate) id: QueueId,
    pub(crate) addr: Addr<Queue>,
    _ended: Probe<QueueEnded>,
    pub(crate) gone: Probe<Gone<QueueId>>,
}

impl Subject {
    /// A consumer of a channel joins. It has no credit yet.
    pub(crate) fn subscribe(
        &self,
        channel: &Peer,
        consumer: ConsumerId,
        supply: Recipient<Supply>,
        no_ack: bool,
    ) {
        self.addr.do_send(Subscribe {
            channel: channel.id,
            consumer,
            supply: ReturnAddress::new(supply, Supply::QueueGone { crashed: true }),
            hall: None,
            subscription: Subscription {
                no_ack,
                ..Subscription::default()
            },
        });
    }

    /// A consumer can take so much more.
    pub(crate) fn grant(&self, consumer: ConsumerId, messages: u32, bytes: u32) {
        let grant = Grant { messages, bytes };
        self.addr.do_send(Credit { consumer, grant });
    }
}

/// Stands for a channel: what it would hear is kept for the test to see.
pub(crate) struct Peer {
    pub(crate) id: ChannelId,
    queue: Addr<Queue>,
    pub(crate) notices: Probe<QueueNotice>,
}

impl Peer {
    /// A channel that has attached to a queue.
    pub(crate) fn of(queue: &Addr<Queue>, id: QueueId, worker: &Worker) -> Peer {
        let notices = Probe::new(worker);
        let peer = Peer {
            id: ChannelId::next(),
            queue: queue.clone(),
            notices,
        };
        let crashed = QueueNotice::Gone {
            queue: id,
            crashed: true,
        };
        queue.do_send(Attach {
            channel: peer.id,
            peer: ReturnAddress::new(peer.notices.recipient(), crashed),
        });
        peer
    }

    /// Publishes one batch; `confirm` numbers its last message.
    pub(crate) fn publish(&self, bodies: &[&str], persistent: bool, confirm: Option<u64>) {
        let (page, offsets) = page(bodies, persistent);
        let part = Part::whole(page, offsets, None);
        self.queue.do_send(Enqueue::of(self.id, part, confirm));
    }

    /// Up to which number its publications are stored now.
    #[track_caller]
    pub(crate) fn stored(&self) -> u64 {
        match self.notices.next() {
            QueueNotice::Stored { upto, .. } => upto,
            other => panic!("{other:?} instead of stored"),
        }
    }
}

/// While it exists, a worker stands still, but not for ever.
pub(crate) struct Hold(#[expect(dead_code, reason = "its end is what counts")] mpsc::Sender<()>);

/// Lets a worker stand still, with whatever it is sent lined up behind that.
#[track_caller]
pub(crate) fn hold(worker: &Worker) -> Hold {
    let (reach, reached) = mpsc::channel();
    let (hold, held) = mpsc::channel::<()>();
    worker.run(move || {
        let _ = reach.send(());
        let _ = held.recv_timeout(PATIENCE);
    });
    reached.recv_timeout(PATIENCE).expect("the worker stands still");
    Hold(hold)
}

/// A page of messages, and where they are.
pub(crate) fn page(bodies: &[&str], persistent: bool) -> (Arc<Page>, Vec<u32>) {
    let mut page = PageBuilder::new();
    let push = |body: &&str| page.push("", "q", &[0, 0], persistent, Body::Slice(body.as_bytes()));
    let offsets = bodies.iter().map(push).collect();
    (page.finish(), offsets)
}

/// A mailbox that the test reads.
pub(crate) struct Probe<M: Send + Unpin + 'static> {
    addr: Addr<Sink<M>>,
    mail: mpsc::Receiver<M>,
}

struct Sink<M>(mpsc::Sender<M>);

impl<M: Message<Result = ()> + Send + Unpin + 'static> Probe<M> {
    pub(crate) fn new(worker: &Worker) -> Probe<M> {
        let (sink, mail) = mpsc::channel();
        let addr = worker.place(move || Sink(sink));
        Probe { addr, mail }
    }

    pub(crate) fn recipient(&self) -> Recipient<M> {
        self.addr.clone().recipient()
    }

    /// The next mail.
    #[track_caller]
    pub(crate) fn next(&self) -> M {
        self.mail.recv_timeout(PATIENCE).expect("mail in time")
    }

    /// The next mail, if there is some already.
    pub(crate) fn here(&self) -> Option<M> {
        self.mail.try_recv().ok()
    }
}

impl<M: Send + Unpin + 'static> Actor for Sink<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Send + Unpin + 'static> Handler<M> for Sink<M> {
    type Result = ();

    fn handle(&mut self, mail: M, _: &mut Context<Self>) {
        let _ = self.0.send(mail);
    }
}

/// Waits for an event, from outside any runtime.
#[track_caller]
pub(crate) fn wait<T>(event: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, event).await })
        .expect("it happens in time")
}
