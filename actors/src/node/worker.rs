//! A thread that runs actors.
//!
//! It does what an actix arbiter does, on a runtime that takes tasks which stay on their thread as they are. An arbiter has
//! a list of its own for these between the runtime and the tasks, which costs a look at all sockets every 61 turns, and takes
//! tasks that another thread woke one at a time: each then runs to its end, down to a write of its own, before the next.
//! Here all that other threads woke go first, so that what many consumers of a connection have is written together.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::dev::channel::{AddressReceiver, channel};
use actix::prelude::*;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, oneshot};

use super::life::{self, Context};
use super::near::Near;
use super::{bell, spin};

/// Something to be done on the thread.
type Work = Box<dyn FnOnce() + Send>;

/// Shorter than anything that is waited for when connections open and close.
const TICK: Duration = Duration::from_millis(900);

/// One thread.
#[derive(Debug, Clone)]
pub struct Worker {
    work: mpsc::UnboundedSender<Work>,
}

impl Worker {
    /// Starts a thread. It ends with the actix system it is started in.
    ///
    /// # Errors
    ///
    /// When the system has no thread or no descriptor left.
    ///
    /// # Panics
    ///
    /// Outside an actix system.
    pub fn start(number: usize) -> io::Result<Self> {
        let (work, brought) = mpsc::unbounded_channel();
        let (running, end) = oneshot::channel::<()>();
        let (report, started) = std::sync::mpsc::channel();
        std::thread::Builder::new()
            .name(format!("worker {number}"))
            .spawn(move || match runtime() {
                Ok(runtime) => {
                    let _ = report.send(Ok(()));
                    runtime.spawn_local(spin::look_again());
                    runtime.spawn_local(bell::answer());
                    runtime.spawn_local(tick());
                    runtime.block_on(run(brought, end));
                }
                Err(error) => drop(report.send(Err(error))),
            })?;
        started
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("a worker panicked")))?;
        // The system drops its tasks when it ends, and this one with them.
        actix_rt::spawn(async move {
            let _running = running;
            std::future::pending::<()>().await;
        });
        Ok(Worker { work })
    }

    /// Runs something on the thread. Nothing happens if it has ended.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        let _ = self.work.send(Box::new(work));
    }

    /// Starts an actor on the thread.
    pub fn place<A>(&self, make: impl FnOnce() -> A + Send + 'static) -> Addr<A>
    where
        A: Actor<Context = Context<A>>,
    {
        let (addr, mailbox) = mailbox();
        self.place_at(mailbox, |_| make());
        addr
    }

    /// Starts an actor on the thread that has a mailbox already.
    pub(crate) fn place_at<A>(
        &self,
        mailbox: AddressReceiver<A>,
        make: impl FnOnce(&Near<A>) -> A + Send + 'static,
    ) where
        A: Actor<Context = Context<A>>,
    {
        self.run(move || drop(life::run(make, mailbox)));
    }
}

/// A mailbox for an actor that does not live yet, and its address. It has no bound: in a bounded one a question that finds it
/// full steps aside, and what is sent later goes past it.
pub(crate) fn mailbox<A: Actor>() -> (Addr<A>, AddressReceiver<A>) {
    let (road, mailbox) = channel(0);
    (Addr::new(road), mailbox)
}

/// Wakes the thread now and then: a timer that is set for later than it would wake anyway costs no system call, and every
/// connection sets some that hardly ever fire.
async fn tick() {
    loop {
        tokio::time::sleep(TICK).await;
    }
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .global_queue_interval(1)
        .on_thread_park(spin::before_sleep)
        .build_local(LocalOptions::default())
}

async fn run(mut brought: mpsc::UnboundedReceiver<Work>, mut end: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            work = brought.recv() => match work {
                // What panics is told by its leases; the thread has others to carry.
                Some(work) => drop(catch_unwind(AssertUnwindSafe(work))),
                None => return,
            },
            _ = &mut end => return,
        }
    }
}
