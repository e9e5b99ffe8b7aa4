//! The root of the tree: what a broker is made of, and the order in which it stops.
//!
//! - starts the workers and the virtual hosts
//! - gives each accepted connection a worker and keeps a list of them
//! - raises and clears alarms
//! - starts a listener that crashed anew, and gives up when a virtual host did: it was the single writer of its tables
//! - stops: listeners first, then connections (320, with a deadline), then everything else with the process's threads

pub(crate) mod actor;
mod alarms;
mod authority;
mod node;
mod settings;
mod workers;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::watch;

pub use actor::{Failure, Stopped};
pub use alarms::{Alarm, Alarms, Raised};
pub use authority::{Access, Authority, Login, LoginRefused, Resource, User, Users};
pub use node::Node;
pub use settings::Settings;
pub use workers::{WorkerId, Workers};

use crate::definitions::DefinitionStore;
use crate::vhost::messages::Settled;
use actor::{AlarmsChanged, Listen, Stop};

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
    pub fn launch(settings: Settings, store: Option<&DefinitionStore>) -> Broker {
        let workers = Workers::start(settings.workers);
        let node = Arc::new(Node::new(settings, workers));
        let (fail, failed) = watch::channel(None);
        let shared = Arc::clone(&node);
        let addr = actor::Broker::create(move |ctx| actor::Broker::new(shared, store, fail, ctx));
        Broker { addr, node, failed }
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

    /// Raises or clears an alarm: while one is raised, publishers are held back.
    pub fn set_alarm(&self, alarm: Alarm, raised: bool) {
        self.node.alarms.set(alarm, raised);
        self.addr.do_send(AlarmsChanged);
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
        self.addr
            .send(Stop {
                reason: reason.to_owned(),
                deadline,
            })
            .await
            .unwrap_or_default()
    }
}
