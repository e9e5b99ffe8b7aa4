//! A whole ring of actors on threads of its own, to talk to over sockets and to break from inside.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use leveret_actors::broker::{Broker, Failure, Stopped, Stores};
use leveret_actors::definitions::DefinitionStore;
use leveret_actors::fault::{Fault, Gate};
use leveret_actors::journal::log::LogSettings;
use leveret_actors::journal::store::JournalStore;
use leveret_actors::node::{Seat, Settings, Worker, WorkerId};
use leveret_actors::vhost::directory::{Directory, QueueHandle};
use tokio::sync::oneshot;

use super::stage::{Hold, hold, wait};
use super::support::{Connection, PATIENCE, eventually};

/// A running broker, stopped when dropped.
pub(crate) struct Ring {
    broker: Broker,
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ring {
    /// A broker with so many workers, and connections spread over them.
    pub(crate) fn with_workers(workers: usize) -> Ring {
        Ring::with(Settings {
            workers,
            connections_together: 1,
            ..Settings::default()
        })
    }

    pub(crate) fn with(settings: Settings) -> Ring {
        Ring::launch(settings, None)
    }

    /// A broker that keeps what is durable in this directory.
    pub(crate) fn in_directory(directory: &Path) -> Ring {
        Ring::launch(Settings::default(), Some(directory.to_owned()))
    }

    /// A broker with these settings, and a directory for what is durable.
    pub(crate) fn launch(settings: Settings, directory: Option<PathBuf>) -> Ring {
        keep_injected_panics_quiet();
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let (report, running) = mpsc::channel();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let system = actix::System::new();
            system.block_on(async move {
                let definitions = directory.as_deref().map(DefinitionStore::open);
                let definitions = definitions.transpose().unwrap();
                let stores = definitions.as_ref().zip(directory.as_deref());
                let stores = stores.map(|(definitions, directory)| Stores {
                    definitions,
                    journal: JournalStore::open(directory, LogSettings::default()).unwrap(),
                });
                let broker = Broker::launch(settings, stores).unwrap();
                broker.listen(socket).await.unwrap();
                report.send(broker).unwrap();
                let _ = ended.await;
            });
            actix::System::current().stop();
            system.run().unwrap();
        });
        Ring {
            broker: running.recv_timeout(PATIENCE).unwrap(),
            address,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// An open connection.
    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        let connection = self.socket();
        connection.open("/");
        connection
    }

    /// A connection on which nothing has been sent yet.
    #[track_caller]
    pub(crate) fn socket(&self) -> Connection {
        Connection::over_tcp(self.address, "/")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes one actor panic.
    pub(crate) fn inject(&self, fault: Fault) {
        self.broker.inject(fault);
    }

    /// Makes one actor panic once the gate is dropped: what it is sent until then is lost with it.
    #[track_caller]
    pub(crate) fn inject_behind_gate(&self, fault: Fault) -> Gate {
        let gate = self.broker.inject_behind_gate(fault);
        assert!(gate.reached(), "the fault reaches its actor");
        gate
    }

    /// A queue, to be sent mail like a channel would.
    #[track_caller]
    pub(crate) fn queue(&self, name: &str) -> Arc<QueueHandle> {
        self.directory().queue(name).expect("the queue")
    }

    /// The names of the virtual host.
    #[track_caller]
    pub(crate) fn directory(&self) -> Arc<Directory> {
        let vhost = self.broker.node().vhost("/").expect("the virtual host");
        Arc::clone(&vhost.directory)
    }

    /// Its workers.
    pub(crate) fn workers(&self) -> impl Iterator<Item = WorkerId> + use<> {
        self.broker.node().workers.all()
    }

    /// The thread of a worker.
    pub(crate) fn worker(&self, worker: WorkerId) -> &Worker {
        self.broker.node().workers.worker(worker)
    }

    /// Lets a worker stand still until the answer is dropped.
    #[track_caller]
    pub(crate) fn hold(&self, worker: WorkerId) -> Hold {
        hold(self.worker(worker))
    }

    /// A queue that does not share its worker with the first connection, which can therefore go on while that worker
    /// stands still.
    #[track_caller]
    pub(crate) fn queue_on_another_worker(&self) -> &'static str {
        // Connections live where there are fewest, and a queue lives with who declares it, if nobody consumes it.
        let first = self.seat_of_the_first();
        self.connect().channel().declare("apart");
        self.queue("apart").worker();
        let seats = self.broker.node().workers.seats();
        eventually("its declarer is gone", || seats.taken() == 1);
        drop(first);
        "apart"
    }

    /// The name of an exchange that does not share its worker with the first connection.
    pub(crate) fn name_on_another_worker(&self) -> &'static str {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let first = self.seat_of_the_first();
        let workers = &self.broker.node().workers;
        names
            .into_iter()
            .find(|name| workers.by_name(name) != first.worker)
            .expect("one of eight names hashes to the second of two workers")
    }

    /// Where the first connection will live: where it is accepted.
    fn seat_of_the_first(&self) -> Seat {
        let workers = &self.broker.node().workers;
        let home = workers.all().next().expect("there is a worker");
        workers.seats().take_near(home)
    }

    /// Waits for the broker to say that it can't go on.
    #[track_caller]
    pub(crate) fn failed(&self) -> Failure {
        wait(self.broker.failed())
    }

    /// Stops the broker.
    #[track_caller]
    pub(crate) fn stop(&self, deadline: Duration) -> Stopped {
        wait(self.broker.stop("test", deadline))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                std::thread::panicking() || ended.is_ok(),
                "the broker's thread ends well"
            );
        }
    }
}

/// Panics that tests ask for are not worth a line on the terminal; all others are.
pub(crate) fn keep_injected_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let text = panic.payload().downcast_ref::<String>();
            let injected = text.is_some_and(|text| text.starts_with("injected"));
            if !injected {
                others(panic);
            }
        }));
    });
}
