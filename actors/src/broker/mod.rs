//! The root of the tree: what a broker is made of, and the order in which it stops.
//!
//! - starts the workers and the virtual hosts
//! - opens a [reception](crate::listener::reception) on each worker, which knows the connections there
//! - raises and clears alarms: [`resources`] looks at memory and free space, [`disk`] hears the journal, and the receptions tell the connections
//! - starts a listener that crashed anew, and gives up when a virtual host did: it was the single writer of its tables
//! - stops: listeners first, then connections (320, with a deadline), then everything else with the process's threads

pub(crate) mod actor;
mod browsing;
mod disk;
mod freed;
mod gauges;
mod policies;
mod resources;
mod vhosts;
mod watermark;

use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join_all;
use tokio::sync::watch;
use tracing::error;

pub use crate::queue::options::QueueKind;
pub use crate::queue::{Browsed, Reason, Waiting};
pub use crate::vhost::limits::{UnknownLimit, VhostLimits};
pub use actor::{Failure, Stopped};
pub use browsing::{BrowseError, Redrive};
pub use freed::give_freed_memory_back_by;
pub use policies::PolicyError;
pub use vhosts::VhostError;

use crate::definitions::DefinitionStore;
use crate::journal::store::JournalStore;
use crate::listener::messages::{AlarmsChanged, Listen};
use crate::node::{Alarm, Node, Observer, Settings, Workers};
use crate::queue::messages::Conclude;
use crate::vhost::messages::{Leavers, Settled};
use actor::Stop;
use disk::DiskHealth;
use resources::Watch;

/// What a broker keeps on the disk.
pub struct Stores<'a> {
    /// Durable exchanges, queues and bindings.
    pub definitions: &'a DefinitionStore,
    /// Persistent messages.
    pub journal: JournalStore,
}

/// A running broker, as its embedder sees it.
#[derive(Clone)]
pub struct Broker {
    pub(crate) addr: Addr<actor::Broker>,
    node: Arc<Node>,
    failed: watch::Receiver<Option<Failure>>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").finish_non_exhaustive()
    }
}

impl Broker {
    /// Starts a broker in the actix system of this thread. It accepts nobody until it is told to listen.
    ///
    /// It begins with what `store` holds and keeps there what is declared durable; without a store everything ends with it.
    ///
    /// # Errors
    ///
    /// When the system has no thread or descriptor left for the workers, the journal, or the watch over memory and disk.
    pub fn launch(settings: Settings, stores: Option<Stores<'_>>) -> io::Result<Broker> {
        let workers = Workers::start(settings.workers, settings.connections_together)?;
        let (store, journal) = stores.map(|stores| (stores.definitions, stores.journal)).unzip();
        let known = store.map(DefinitionStore::queues).unwrap_or_default();
        let disk = DiskHealth::default();
        let journals = journal
            .map(|journal| journal.start(&known, disk.clone().teller()))
            .transpose()?;
        let node = Arc::new(Node::new(settings, workers, journals));
        let (fail, failed) = watch::channel(None);
        let shared = Arc::clone(&node);
        let (watched, broker_ended) = mpsc::channel();
        let addr = actor::Broker::create(move |ctx| actor::Broker::new(shared, store, fail, watched, ctx));
        let broker = Broker { addr, node, failed };
        disk.watched_by(&broker);
        Watch::start(broker.clone(), broker_ended)?;
        Ok(broker)
    }

    /// Accepts connections on a bound socket, once the virtual hosts have recovered.
    ///
    /// # Errors
    ///
    /// When the socket can't be used by the broker's runtime.
    pub async fn listen(&self, socket: std::net::TcpListener) -> io::Result<()> {
        for vhost in self.node.vhosts() {
            let _ = vhost.addr.send(Settled).await;
        }
        self.addr
            .send(Listen { socket })
            .await
            .map_err(|_| io::Error::other("the broker has stopped"))?
    }

    /// Raises or clears an alarm of this program's own: while any is raised, publishers are held back.
    ///
    /// What is raised, also by the broker itself, is in [`Node::alarms`].
    pub fn set_alarm(&self, alarm: Alarm, raised: bool) {
        self.observed(Observer::Program, alarm, raised);
    }

    /// Raises or clears an alarm for an observer; the connections hear of it if that changes anything.
    fn observed(&self, observer: Observer, alarm: Alarm, raised: bool) {
        let (before, after) = self.node.alarms.set(observer, alarm, raised);
        if before != after {
            self.addr.do_send(AlarmsChanged);
        }
    }

    /// Completes if the broker can't go on. What still runs should then be [stopped](Self::stop), and with it the
    /// actix system.
    pub async fn failed(&self) -> Failure {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(failure) => failure.clone().unwrap_or(Failure::Broker),
            Err(_) => Failure::Broker,
        }
    }

    /// What the actors share: settings, virtual hosts, alarms.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Stops: nobody new is accepted, every client is told `reason` with connection.close 320 and has until the
    /// deadline to answer.
    pub async fn stop(&self, reason: &str, deadline: Duration) -> Stopped {
        let stopped = self
            .addr
            .send(Stop {
                reason: reason.to_owned(),
                deadline,
            })
            .await
            .unwrap_or_default();
        self.conclude(deadline).await;
        stopped
    }

    /// Queues first, then the journal.
    async fn conclude(&self, deadline: Duration) {
        let Some(journals) = &self.node.journals else {
            return;
        };
        let concluded = async {
            for vhost in self.node.vhosts() {
                let queues = vhost
                    .directory
                    .queues()
                    .filter(|queue| queue.dwelling.is_inhabited());
                join_all(queues.map(|queue| queue.addr().send(Conclude))).await;
                let leavers = vhost.addr.send(Leavers).await.unwrap_or_default();
                join_all(leavers.iter().map(|leaver| leaver.send(Conclude))).await;
            }
            if self.failed.borrow().is_none() {
                return journals.stop().await;
            }
            // What a queue has handed out is not known.
            journals.end();
            Ok(())
        };
        match tokio::time::timeout(deadline, concluded).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => error!(error = %failure, "the journal was not closed in order"),
            Err(_) => error!("the journal was not closed in time"),
        }
    }
}
