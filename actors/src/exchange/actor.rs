//! The exchange actor: the single writer of its bindings, which lends its routing table to channels.

use std::sync::Arc;

use actix::fut;
use actix::prelude::*;
use leveret_protocol::Exception;
use tracing::debug;

use super::bindings::{Binding, Bindings, Destination};
use super::messages::*;
use super::replay::replay;
use crate::id::StoreId;
use crate::lease::Lease;
use crate::name::Name;
use crate::node::Context;
use crate::vhost::definitions::{self, Change, Definitions};
use crate::vhost::directory::Directory;
use crate::vhost::names;

/// What an exchange tells its virtual host when it ends by itself.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ExchangeEnded {
    /// Its name.
    pub exchange: Name,
    /// Which incarnation of that name.
    pub incarnation: u64,
}

/// What an exchange is started with.
pub struct ExchangeSeed {
    /// Its name.
    pub name: Name,
    /// Which incarnation of that name.
    pub incarnation: u64,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// The bindings it starts with.
    pub bindings: Bindings,
    /// Where its bindings are recorded, and under which number it is itself; nowhere unless it is durable.
    pub record: Option<(StoreId, Arc<dyn Definitions>)>,
    /// Where its routing table is published.
    pub directory: Arc<Directory>,
    /// Told when it deletes itself.
    pub ended: Recipient<ExchangeEnded>,
    /// Tells its virtual host when it is gone.
    pub lease: Lease<u64>,
}

/// The owner of an exchange's bindings.
pub struct Exchange {
    name: Name,
    incarnation: u64,
    auto_delete: bool,
    bindings: Bindings,
    record: Option<(StoreId, Arc<dyn Definitions>)>,
    directory: Arc<Directory>,
    ended: Recipient<ExchangeEnded>,
    deleted: bool,
    _lease: Lease<u64>,
}

impl Exchange {
    /// An exchange as its seed says.
    pub fn new(seed: ExchangeSeed) -> Self {
        Exchange {
            name: seed.name,
            incarnation: seed.incarnation,
            auto_delete: seed.auto_delete,
            bindings: seed.bindings,
            record: seed.record,
            directory: seed.directory,
            ended: seed.ended,
            deleted: false,
            _lease: seed.lease,
        }
    }

    /// Makes the change visible to every channel before anyone is told that it was made.
    fn publish(&self) {
        if let Some(handle) = self.directory.exchange(&self.name) {
            handle.publish(&self.bindings);
            self.directory.changed();
        }
    }

    fn bind(&mut self, binding: Binding) -> Result<bool, Exception> {
        if self.deleted {
            return Err(names::no_exchange(&self.name, &self.directory.vhost));
        }
        let destination = binding.destination.clone();
        let new = self.bindings.bind(binding)?;
        if new {
            self.replay(&destination);
            self.publish();
        }
        Ok(new)
    }

    /// What the exchange keeps goes ahead of what is published next.
    fn replay(&self, destination: &Destination) {
        let handle = self.directory.exchange(&self.name);
        if let Some(history) = handle.and_then(|handle| handle.routing.load().history.clone()) {
            replay(&history, destination, &self.directory);
        }
    }

    fn would_be_new(&self, binding: &Binding) -> Result<bool, Exception> {
        if self.deleted {
            return Err(names::no_exchange(&self.name, &self.directory.vhost));
        }
        self.bindings.clone().bind(binding.clone())
    }

    /// While a binding was recorded its destination may have gone, and come again without it.
    fn check_destination(&self, destination: &Destination, id: StoreId) -> Result<(), Exception> {
        if self.directory.store_id(destination) == Some(id) {
            return Ok(());
        }
        let vhost = &self.directory.vhost;
        Err(match destination {
            Destination::Queue(name) => names::no_queue(name, vhost),
            Destination::Exchange(name) => names::no_exchange(name, vhost),
        })
    }

    fn removed_bindings(&mut self) -> Removed {
        self.publish();
        let ended = self.auto_delete && self.bindings.is_empty();
        if ended {
            debug!(exchange = %self.name, "auto-delete: the last binding is gone");
            self.end();
        }
        Removed { any: true, ended }
    }

    fn end(&mut self) {
        self.deleted = true;
        self.ended.do_send(ExchangeEnded {
            exchange: self.name.clone(),
            incarnation: self.incarnation,
        });
    }
}

impl Actor for Exchange {
    type Context = Context<Self>;
}

type Answer<T> = ResponseActFuture<Exchange, Result<T, Exception>>;

impl Handler<Bind> for Exchange {
    type Result = Answer<bool>;

    fn handle(&mut self, mail: Bind, _: &mut Context<Self>) -> Answer<bool> {
        let Bind {
            binding,
            destination_id,
        } = mail;
        let (Some((id, definitions)), Some(destination_id)) = (&self.record, destination_id) else {
            return Box::pin(fut::ready(self.bind(binding)));
        };
        match self.would_be_new(&binding) {
            Ok(true) => {}
            known_or_refused => return Box::pin(fut::ready(known_or_refused)),
        }
        let recorded = definitions.record(Change::Bound {
            source: self.name.clone(),
            source_id: *id,
            binding: binding.clone(),
            destination_id,
        });
        Box::pin(
            fut::wrap_future::<_, Self>(recorded).map(move |recorded, exchange, _| {
                recorded.map_err(|failed| failed.refuse("the binding"))?;
                exchange.check_destination(&binding.destination, destination_id)?;
                exchange.bind(binding)
            }),
        )
    }
}

impl Handler<Unbind> for Exchange {
    type Result = Answer<Removed>;

    fn handle(&mut self, Unbind { binding, durable }: Unbind, _: &mut Context<Self>) -> Answer<Removed> {
        if self.deleted || !self.bindings.unbind(&binding) {
            return Box::pin(fut::ready(Ok(Removed::default())));
        }
        let recorded = match &self.record {
            Some((_, definitions)) if durable => definitions.record(Change::Unbound {
                source: self.name.clone(),
                binding,
            }),
            _ => definitions::nothing(),
        };
        let removed = self.removed_bindings();
        Box::pin(
            fut::wrap_future(recorded)
                .map(|recorded, _, _| recorded.map_err(|failed| failed.refuse("the end of the binding")))
                .map_ok(move |(), _, _| removed),
        )
    }
}

impl Handler<Forget> for Exchange {
    type Result = Removed;

    fn handle(&mut self, Forget { destination }: Forget, _: &mut Context<Self>) -> Removed {
        if self.deleted || self.bindings.forget(&destination) == 0 {
            return Removed::default();
        }
        self.removed_bindings()
    }
}

impl Handler<Delete> for Exchange {
    type Result = bool;

    fn handle(&mut self, Delete { if_unused }: Delete, _: &mut Context<Self>) -> bool {
        if if_unused && !self.deleted && !self.bindings.is_empty() {
            return false;
        }
        if !self.deleted {
            self.end();
        }
        true
    }
}

impl Handler<ListBindings> for Exchange {
    type Result = Vec<Binding>;

    fn handle(&mut self, _: ListBindings, _: &mut Context<Self>) -> Vec<Binding> {
        self.bindings.iter().collect()
    }
}
