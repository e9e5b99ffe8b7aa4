//! The virtual host actor.

use std::sync::Arc;

use actix::fut;
use actix::prelude::*;
use arc_swap::ArcSwap;
use leveret_protocol::Exception;
use rustc_hash::{FxHashMap, FxHashSet};
use tracing::{debug, error, warn};

use super::definitions::{Change, Definitions};
use super::directory::{Directory, ExchangeHandle, QueueHandle};
use super::messages::*;
use super::names;
use crate::broker::{Node, WorkerId};
use crate::exchange::actor::{Exchange, ExchangeEnded, ExchangeSeed};
use crate::exchange::bindings::{Binding, Bindings, Destination};
use crate::exchange::messages as exchange;
use crate::exchange::options::ExchangeOptions;
use crate::exchange::walk::Routing;
use crate::id::{ConnectionId, QueueId};
use crate::journal::Volatile;
use crate::lease::{Gone, Lease};
use crate::name::Name;
use crate::queue::actor::{Queue, QueueEnded, QueueSeed};
use crate::queue::messages as queue;
use crate::queue::options::{self, QueueOptions};

/// One virtual host.
pub struct VirtualHost {
    node: Arc<Node>,
    directory: Arc<Directory>,
    definitions: Box<dyn Definitions>,
    names_of: FxHashMap<QueueId, Name>,
    exclusive: FxHashMap<ConnectionId, Vec<QueueId>>,
    /// The exchanges that may have bindings to a destination.
    sources_of: FxHashMap<Destination, FxHashSet<Name>>,
    incarnations: u64,
}

/// The argument with which a client chooses how the name it gets begins.
fn name_prefix(options: &QueueOptions) -> Option<&str> {
    options
        .arguments
        .get("x-name-prefix")
        .and_then(|value| value.as_str())
}

type Answer<T> = ResponseActFuture<VirtualHost, Result<T, Exception>>;

impl VirtualHost {
    /// A virtual host that has no exchanges yet; the predeclared ones come when it starts.
    pub fn new(node: Arc<Node>, directory: Arc<Directory>, definitions: Box<dyn Definitions>) -> Self {
        VirtualHost {
            node,
            directory,
            definitions,
            names_of: FxHashMap::default(),
            exclusive: FxHashMap::default(),
            sources_of: FxHashMap::default(),
            incarnations: 0,
        }
    }

    fn create_exchange(&mut self, name: Name, options: ExchangeOptions, ctx: &mut Context<Self>) {
        self.incarnations += 1;
        let incarnation = self.incarnations;
        let bindings = Bindings::new(options.kind);
        let routing = Routing {
            name: name.clone(),
            routes: bindings.routes(),
            alternate: options.alternate.clone(),
            is_default: name.is_empty(),
        };
        let seed = ExchangeSeed {
            name: name.clone(),
            incarnation,
            auto_delete: options.auto_delete,
            bindings,
            directory: Arc::clone(&self.directory),
            ended: ctx.address().recipient(),
            lease: Lease::new(ctx.address().recipient(), incarnation),
        };
        let arbiter = self.node.workers.arbiter(self.node.workers.by_name(&name));
        let addr = Exchange::start_in_arbiter(arbiter, move |_| Exchange::new(seed));
        let routing = ArcSwap::from_pointee(routing);
        self.directory.put_exchange(Arc::new(ExchangeHandle {
            name,
            options,
            incarnation,
            addr,
            routing,
        }));
    }

    fn create_queue(
        &mut self,
        name: Name,
        options: Arc<QueueOptions>,
        owner: Option<ConnectionId>,
        worker: WorkerId,
        ctx: &mut Context<Self>,
    ) -> Arc<QueueHandle> {
        let id = QueueId::next();
        let seed = QueueSeed {
            id,
            name: name.clone(),
            options: Arc::clone(&options),
            journal: Box::new(Volatile),
            ended: ctx.address().recipient(),
            lease: Lease::new(ctx.address().recipient(), id),
        };
        let arbiter = self.node.workers.arbiter(worker);
        let addr = Queue::start_in_arbiter(arbiter, move |_| Queue::new(seed));
        let handle = Arc::new(QueueHandle {
            id,
            name: name.clone(),
            addr,
            owner,
            worker,
            options,
        });
        self.names_of.insert(id, name);
        if let Some(owner) = owner {
            self.exclusive.entry(owner).or_default().push(id);
        }
        self.directory.put_queue(Arc::clone(&handle));
        handle
    }

    /// Takes a queue's name and bindings away, whoever ended it.
    fn forget_queue(&mut self, id: QueueId) -> Option<Arc<QueueHandle>> {
        let name = self.names_of.remove(&id)?;
        let handle = self.directory.queue(&name).filter(|queue| queue.id == id)?;
        if let Some(owner) = handle.owner
            && let Some(owned) = self.exclusive.get_mut(&owner)
        {
            owned.retain(|owned| *owned != id);
            if owned.is_empty() {
                self.exclusive.remove(&owner);
            }
        }
        self.directory.remove_queue(&name);
        self.forget_destination(Destination::Queue(name.clone()));
        if handle.options.durable {
            drop(self.definitions.record(Change::QueueDeleted(name)));
        }
        Some(handle)
    }

    fn forget_destination(&mut self, destination: Destination) {
        for source in self.sources_of.remove(&destination).into_iter().flatten() {
            if let Some(exchange) = self.directory.exchange(&source) {
                exchange.addr.do_send(exchange::Forget {
                    destination: destination.clone(),
                });
            }
        }
    }

    fn forget_exchange(&mut self, name: &Name, incarnation: u64) {
        let Some(handle) = self
            .directory
            .exchange(name)
            .filter(|found| found.incarnation == incarnation)
        else {
            return;
        };
        self.directory.remove_exchange(name);
        self.forget_destination(Destination::Exchange(name.clone()));
        if handle.options.durable {
            drop(self.definitions.record(Change::ExchangeDeleted(name.clone())));
        }
    }

    /// The exchange to change the bindings of, and whether the binding would be durable.
    fn binding_ends(
        &self,
        source: &Name,
        binding: &Binding,
        connection: ConnectionId,
    ) -> Result<(Arc<ExchangeHandle>, bool), Exception> {
        let vhost = &self.directory.vhost;
        let durable = match &binding.destination {
            Destination::Queue(name) => {
                let queue = self
                    .directory
                    .queue(name)
                    .ok_or_else(|| names::no_queue(name, vhost))?;
                if queue.is_locked_for(connection) {
                    return Err(options::locked(name, vhost));
                }
                queue.options.durable
            }
            Destination::Exchange(name) => {
                let exchange = self
                    .directory
                    .exchange(name)
                    .ok_or_else(|| names::no_exchange(name, vhost))?;
                exchange.options.durable
            }
        };
        let exchange = self
            .directory
            .exchange(source)
            .ok_or_else(|| names::no_exchange(source, vhost))?;
        let durable = durable && exchange.options.durable;
        Ok((exchange, durable))
    }
}

impl Actor for VirtualHost {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        for predeclared in names::PREDECLARED {
            let options = ExchangeOptions::predeclared(predeclared.kind, predeclared.internal);
            self.create_exchange(predeclared.name.into(), options, ctx);
        }
    }
}

impl Handler<DeclareExchange> for VirtualHost {
    type Result = Answer<()>;

    fn handle(
        &mut self,
        DeclareExchange { name, options }: DeclareExchange,
        ctx: &mut Context<Self>,
    ) -> Answer<()> {
        let vhost = &self.directory.vhost;
        if let Some(existing) = self.directory.exchange(&name) {
            let same = existing.options.check_equivalent(&options, &name, vhost);
            return Box::pin(fut::ready(same));
        }
        if let Err(reserved) = names::check_new_exchange(&name) {
            return Box::pin(fut::ready(Err(reserved)));
        }
        self.create_exchange(name.clone(), options.clone(), ctx);
        if !options.durable {
            return Box::pin(fut::ready(Ok(())));
        }
        let recorded = self.definitions.record(Change::ExchangeDeclared(name, options));
        Box::pin(fut::wrap_future(recorded).map(|(), _, _| Ok(())))
    }
}

impl Handler<DeleteExchange> for VirtualHost {
    type Result = Answer<()>;

    fn handle(
        &mut self,
        DeleteExchange { name, if_unused }: DeleteExchange,
        _: &mut Context<Self>,
    ) -> Answer<()> {
        let Some(exchange) = self.directory.exchange(&name) else {
            return Box::pin(fut::ready(Ok(())));
        };
        let vhost = self.directory.vhost.clone();
        let asked = exchange.addr.send(exchange::Delete { if_unused });
        Box::pin(fut::wrap_future(asked).map(move |answer, _, _| match answer {
            Ok(false) => Err(names::exchange_in_use(&name, &vhost)),
            Ok(true) | Err(_) => Ok(()),
        }))
    }
}

impl Handler<DeclareQueue> for VirtualHost {
    type Result = Answer<Arc<QueueHandle>>;

    fn handle(&mut self, mail: DeclareQueue, ctx: &mut Context<Self>) -> Self::Result {
        let DeclareQueue {
            mut name,
            options,
            connection,
            worker,
        } = mail;
        if name.is_empty() {
            name = names::generated_queue(name_prefix(&options));
        } else if let Some(existing) = self.directory.queue(&name) {
            let vhost = &self.directory.vhost;
            if existing.is_locked_for(connection) || existing.options.exclusive != options.exclusive {
                return Box::pin(fut::ready(Err(options::locked(&name, vhost))));
            }
            let same = existing
                .options
                .check_equivalent(&options, &name, vhost)
                .map(|()| existing);
            return Box::pin(fut::ready(same));
        } else if let Err(reserved) = names::check_new_queue(&name) {
            return Box::pin(fut::ready(Err(reserved)));
        }
        let unenforced = options.unenforced();
        if !unenforced.is_empty() {
            warn!(queue = %name, arguments = ?unenforced, "declared with arguments that have no effect yet");
        }
        let options = Arc::new(options);
        let owner = options.exclusive.then_some(connection);
        let worker = if owner.is_some() {
            worker
        } else {
            self.node.workers.by_name(&name)
        };
        let handle = self.create_queue(name.clone(), Arc::clone(&options), owner, worker, ctx);
        if !options.durable || options.exclusive {
            return Box::pin(fut::ready(Ok(handle)));
        }
        let recorded = self.definitions.record(Change::QueueDeclared(name, options));
        Box::pin(fut::wrap_future(recorded).map(|(), _, _| Ok(handle)))
    }
}

impl Handler<Bind> for VirtualHost {
    type Result = Answer<()>;

    fn handle(
        &mut self,
        Bind {
            source,
            binding,
            connection,
        }: Bind,
        _: &mut Context<Self>,
    ) -> Answer<()> {
        let (exchange, durable) = match self.binding_ends(&source, &binding, connection) {
            Ok(ends) => ends,
            Err(refused) => return Box::pin(fut::ready(Err(refused))),
        };
        self.sources_of
            .entry(binding.destination.clone())
            .or_default()
            .insert(source.clone());
        let vhost = self.directory.vhost.clone();
        let asked = exchange.addr.send(exchange::Bind {
            binding: binding.clone(),
        });
        Box::pin(fut::wrap_future::<_, Self>(asked).then(move |answer, host, _| {
            let recorded = match answer {
                Ok(Ok(true)) if durable => Ok(host.definitions.record(Change::Bound(source, binding))),
                Ok(Ok(_)) => Ok(super::definitions::nothing()),
                Ok(Err(refused)) => Err(refused),
                Err(_) => Err(names::no_exchange(&source, &vhost)),
            };
            fut::wrap_future(async move {
                recorded?.await;
                Ok(())
            })
        }))
    }
}

impl Handler<Unbind> for VirtualHost {
    type Result = Answer<()>;

    fn handle(
        &mut self,
        Unbind {
            source,
            binding,
            connection,
        }: Unbind,
        _: &mut Context<Self>,
    ) -> Answer<()> {
        let (exchange, durable) = match self.binding_ends(&source, &binding, connection) {
            Ok(ends) => ends,
            Err(refused) if names::is_not_found(&refused) => return Box::pin(fut::ready(Ok(()))),
            Err(refused) => return Box::pin(fut::ready(Err(refused))),
        };
        let asked = exchange.addr.send(exchange::Unbind {
            binding: binding.clone(),
        });
        Box::pin(fut::wrap_future::<_, Self>(asked).then(move |answer, host, _| {
            let recorded = match answer {
                Ok(true) if durable => host.definitions.record(Change::Unbound(source, binding)),
                _ => super::definitions::nothing(),
            };
            fut::wrap_future(async move {
                recorded.await;
                Ok(())
            })
        }))
    }
}

impl Handler<ReleaseExclusive> for VirtualHost {
    type Result = ();

    fn handle(&mut self, ReleaseExclusive { connection }: ReleaseExclusive, _: &mut Context<Self>) {
        for id in self.exclusive.remove(&connection).unwrap_or_default() {
            if let Some(queue) = self.forget_queue(id) {
                queue.addr.do_send(queue::Delete {
                    if_unused: false,
                    if_empty: false,
                });
            }
        }
    }
}

impl Handler<QueueEnded> for VirtualHost {
    type Result = ();

    fn handle(&mut self, QueueEnded { queue }: QueueEnded, _: &mut Context<Self>) {
        self.forget_queue(queue);
    }
}

impl Handler<ExchangeEnded> for VirtualHost {
    type Result = ();

    fn handle(&mut self, ended: ExchangeEnded, _: &mut Context<Self>) {
        self.forget_exchange(&ended.exchange, ended.incarnation);
    }
}

impl Handler<Gone<QueueId>> for VirtualHost {
    type Result = ();

    /// A queue that crashed is started anew under its name and bindings; what it held in memory only is lost.
    fn handle(&mut self, Gone { id, crashed }: Gone<QueueId>, ctx: &mut Context<Self>) {
        let Some(name) = self.names_of.get(&id).cloned() else {
            return;
        };
        if !crashed {
            debug!(queue = %name, "the queue stopped");
            return;
        }
        error!(queue = %name, vhost = %self.directory.vhost, "the queue crashed; it is started anew");
        self.names_of.remove(&id);
        if let Some(old) = self.directory.queue(&name).filter(|queue| queue.id == id) {
            if let Some(owned) = old.owner.and_then(|owner| self.exclusive.get_mut(&owner)) {
                owned.retain(|owned| *owned != id);
            }
            self.create_queue(name, Arc::clone(&old.options), old.owner, old.worker, ctx);
        }
    }
}

impl Handler<Gone<u64>> for VirtualHost {
    type Result = ();

    /// The bindings of an exchange are definitions: its last table, which channels still use, has them all.
    fn handle(&mut self, Gone { id, crashed }: Gone<u64>, _: &mut Context<Self>) {
        if !crashed {
            return;
        }
        let crashed = self
            .directory
            .exchanges()
            .find(|exchange| exchange.incarnation == id);
        if let Some(exchange) = crashed {
            error!(exchange = %exchange.name, "the exchange crashed");
        }
    }
}

impl Handler<Settled> for VirtualHost {
    type Result = ();

    fn handle(&mut self, _: Settled, _: &mut Context<Self>) {}
}
