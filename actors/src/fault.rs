//! Faults that tests inject: exactly one actor panics while it handles its mail, as a bug would make it.
//!
//! A fault travels down the tree of actors to the one it names. With a [`Gate`] that actor first waits, so that a
//! test can line up mail behind the fault, which the crash then takes along.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;

use crate::broker::Broker;
use crate::broker::actor::Broker as Root;
use crate::channel::actor::Channel;
use crate::connection::actor::Connection;
use crate::consumer::actor::Consumer;
use crate::exchange::actor::Exchange;
use crate::id::ChannelId;
use crate::listener::actor::Listener;
use crate::listener::reception::Reception;
use crate::node::Context;
use crate::publication::Publication;
use crate::queue::Convoy;
use crate::queue::actor::Queue;
use crate::queue::forwarding::Forward;
use crate::vhost::actor::VirtualHost;
use crate::writer::actor::Writer;

/// How long a test and a held actor wait for each other.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of a message that makes any forwarder panic which carries it.
pub const POISON: &str = "injected: no forwarder carries this";

/// The name of a durable exchange that is a while in coming back after a restart, longer than queues are.
pub const LATE: &str = "injected: this exchange is late";

/// How late it is.
const LATENESS: Duration = Duration::from_millis(500);

/// Which actor panics. Connections are known by the address of their client.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The root.
    Broker,
    /// Every listener.
    Listener,
    /// The reception of every worker.
    Reception,
    /// A virtual host.
    VirtualHost(&'static str),
    /// An exchange of a virtual host.
    Exchange(&'static str, &'static str),
    /// A queue of a virtual host.
    Queue(&'static str, &'static str),
    /// The forwarder of a queue of a virtual host, if it has one.
    Forwarder(&'static str, &'static str),
    /// A connection.
    Connection(SocketAddr),
    /// A connection's writer.
    Writer(SocketAddr),
    /// A channel of a connection.
    Channel(SocketAddr, u16),
    /// A consumer of a channel, by its tag.
    Consumer(SocketAddr, u16, String),
}

/// Holds an actor back just before it panics; dropped, it lets it.
#[derive(Debug)]
pub struct Gate {
    reached: Receiver<()>,
    _open: SyncSender<()>,
}

impl Gate {
    /// Waits until the actor has the fault in hand. False when it does not get there in time.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.reached.recv_timeout(PATIENCE).is_ok()
    }
}

impl Broker {
    /// Makes an actor of this broker panic.
    pub fn inject(&self, fault: Fault) {
        self.addr.do_send(Inject { fault, gate: None });
    }

    /// Makes an actor of this broker panic as soon as the gate is dropped. Until then its whole thread stands still.
    pub fn inject_behind_gate(&self, fault: Fault) -> Gate {
        let (reach, reached) = sync_channel(1);
        let (open, opened) = sync_channel(1);
        let hold = Hold {
            reach,
            opened: Mutex::new(opened),
        };
        self.addr.do_send(Inject {
            fault,
            gate: Some(Arc::new(hold)),
        });
        Gate { reached, _open: open }
    }
}

/// A fault on its way.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
struct Inject {
    fault: Fault,
    gate: Option<Arc<Hold>>,
}

/// The actor's side of a gate.
#[derive(Debug)]
struct Hold {
    reach: SyncSender<()>,
    opened: Mutex<Receiver<()>>,
}

impl Inject {
    #[expect(clippy::panic, reason = "that is what it is for")]
    fn strike(self) -> ! {
        if let Some(Hold { reach, opened }) = self.gate.as_deref()
            && let Ok(opened) = opened.lock()
        {
            let _ = reach.send(());
            let _ = opened.recv_timeout(PATIENCE);
        }
        panic!("injected: {:?}", self.fault)
    }
}

impl Handler<Inject> for Root {
    type Result = ();

    fn handle(&mut self, inject: Inject, _: &mut actix::Context<Self>) {
        match &inject.fault {
            Fault::Broker => inject.strike(),
            Fault::Listener => {
                for (listener, _) in self.listeners.values() {
                    listener.do_send(inject.clone());
                }
            }
            Fault::VirtualHost(vhost)
            | Fault::Exchange(vhost, _)
            | Fault::Queue(vhost, _)
            | Fault::Forwarder(vhost, _) => {
                if let Some(vhost) = self.node.vhost(vhost) {
                    vhost.addr.do_send(inject);
                }
            }
            Fault::Reception
            | Fault::Connection(_)
            | Fault::Writer(_)
            | Fault::Channel(..)
            | Fault::Consumer(..) => {
                for reception in self.receptions.all() {
                    reception.do_send(inject.clone());
                }
            }
        }
    }
}

impl Handler<Inject> for Reception {
    type Result = ();

    fn handle(&mut self, inject: Inject, _: &mut Context<Self>) {
        if matches!(inject.fault, Fault::Reception) {
            inject.strike();
        }
        for connection in self.connections.values() {
            connection.do_send(inject.clone());
        }
    }
}

impl Handler<Inject> for VirtualHost {
    type Result = ();

    fn handle(&mut self, inject: Inject, _: &mut actix::Context<Self>) {
        match &inject.fault {
            Fault::Exchange(_, name) => {
                if let Some(exchange) = self.directory.exchange(name) {
                    exchange.addr.do_send(inject);
                }
            }
            Fault::Queue(_, name) | Fault::Forwarder(_, name) => {
                let queue = self.directory.queue(name).map(|queue| queue.addr().clone());
                if let Some(queue) = queue.or_else(|| self.departing_of(name)) {
                    queue.do_send(inject);
                }
            }
            _ => inject.strike(),
        }
    }
}

impl Handler<Inject> for Connection {
    type Result = ();

    fn handle(&mut self, inject: Inject, _: &mut Context<Self>) {
        match &inject.fault {
            Fault::Connection(peer) if *peer == self.peer => inject.strike(),
            Fault::Writer(peer) if *peer == self.peer => {
                if let Some(writer) = &self.writer {
                    writer.do_send(inject);
                }
            }
            Fault::Channel(peer, number) | Fault::Consumer(peer, number, _) if *peer == self.peer => {
                if let Some(channel) = self.channels.open(*number) {
                    channel.do_send(inject);
                }
            }
            _ => {}
        }
    }
}

impl Handler<Inject> for Channel {
    type Result = ();

    fn handle(&mut self, inject: Inject, _: &mut Context<Self>) {
        let Fault::Consumer(_, _, tag) = &inject.fault else {
            inject.strike()
        };
        if let Some(consumer) = self.subscriptions.by_tag(tag) {
            consumer.do_send(inject);
        }
    }
}

/// The holder of the forwarder that panics with its next mail. Its queue knows it by that mail alone.
static DOOMED: AtomicU64 = AtomicU64::new(0);

impl Handler<Inject> for Queue {
    type Result = ();

    fn handle(&mut self, inject: Inject, _: &mut Context<Self>) {
        match (&inject.fault, &self.forwarder) {
            (Fault::Forwarder(..), Some((holder, forwarder))) => {
                DOOMED.store(holder.0, Ordering::Relaxed);
                forwarder.do_send(Forward {
                    convoy: Convoy::default(),
                    effective: Arc::clone(&self.effective),
                });
            }
            (Fault::Forwarder(..), None) => {}
            _ => inject.strike(),
        }
    }
}

/// Strikes a forwarder that is to panic.
#[expect(clippy::panic, reason = "that is what it is for")]
pub(crate) fn strike_if_doomed(holder: ChannelId) {
    let doomed = DOOMED.compare_exchange(holder.0, 0, Ordering::Relaxed, Ordering::Relaxed);
    if doomed.is_ok() {
        panic!("injected: a forwarder");
    }
}

/// Strikes a forwarder that carries a message of which it dies.
#[expect(clippy::panic, reason = "that is what it is for")]
pub(crate) fn strike_if_poisoned(publication: &Publication<'_>) {
    if publication.body.as_slice() == POISON.as_bytes() {
        panic!("injected: a message that can't be carried");
    }
}

/// Holds a virtual host up that is to bring these exchanges back, if one of them is [late](LATE).
pub(crate) fn dawdle_over<'a>(mut exchanges: impl Iterator<Item = &'a str>) {
    if exchanges.any(|name| name == LATE) {
        std::thread::sleep(LATENESS);
    }
}

/// Actors that have nobody below them.
macro_rules! struck {
    ($($actor:ident),+) => {$(
        impl Handler<Inject> for $actor {
            type Result = ();

            fn handle(&mut self, inject: Inject, _: &mut Context<Self>) {
                inject.strike()
            }
        }
    )+};
}

struck!(Listener, Exchange, Writer, Consumer);
