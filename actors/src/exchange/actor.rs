//! The exchange actor: the single writer of its bindings, which lends its routing table to channels.

use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::Exception;
use tracing::debug;

use super::bindings::{Binding, Bindings};
use super::messages::*;
use crate::lease::Lease;
use crate::name::Name;
use crate::vhost::directory::Directory;

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

impl Handler<Bind> for Exchange {
    type Result = Result<bool, Exception>;

    fn handle(&mut self, Bind { binding }: Bind, _: &mut Context<Self>) -> Self::Result {
        if self.deleted {
            return Err(crate::vhost::names::no_exchange(
                &self.name,
                &self.directory.vhost,
            ));
        }
        let new = self.bindings.bind(binding)?;
        if new {
            self.publish();
        }
        Ok(new)
    }
}

impl Handler<Unbind> for Exchange {
    type Result = Removed;

    fn handle(&mut self, Unbind { binding }: Unbind, _: &mut Context<Self>) -> Removed {
        if self.deleted || !self.bindings.unbind(&binding) {
            return Removed::default();
        }
        self.removed_bindings()
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
