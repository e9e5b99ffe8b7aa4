//! The virtual host actor.

use std::sync::Arc;

use actix::fut;
use actix::prelude::*;
use futures_util::FutureExt;
use futures_util::future::join_all;
use leveret_protocol::Exception;
use rustc_hash::FxHashMap;
use tracing::warn;

use super::definitions::{Change, Definitions};
use super::directory::{Directory, ExchangeHandle, QueueHandle};
use super::forgetting::{Forgetting, Sources};
use super::messages::*;
use super::names;
use crate::broker::Node;
use crate::exchange::bindings::{Binding, Destination};
use crate::exchange::messages::{self as exchange, Removed};
use crate::exchange::options::ExchangeOptions;
use crate::id::{ConnectionId, QueueId};
use crate::lease::Lease;
use crate::name::Name;
use crate::queue::messages as queue;
use crate::queue::options::{self, QueueOptions};

/// One virtual host.
pub struct VirtualHost {
    pub(super) node: Arc<Node>,
    pub(crate) directory: Arc<Directory>,
    pub(super) definitions: Box<dyn Definitions>,
    pub(super) names_of: FxHashMap<QueueId, Name>,
    pub(super) exclusive: FxHashMap<ConnectionId, Vec<QueueId>>,
    /// The exchanges that may have bindings to a destination.
    pub(super) sources_of: FxHashMap<Destination, Sources>,
    pub(super) forgetting: Forgetting,
    pub(super) incarnations: u64,
    _lease: Lease<Name>,
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
    pub fn new(
        node: Arc<Node>,
        directory: Arc<Directory>,
        definitions: Box<dyn Definitions>,
        lease: Lease<Name>,
    ) -> Self {
        VirtualHost {
            node,
            directory,
            definitions,
            names_of: FxHashMap::default(),
            exclusive: FxHashMap::default(),
            sources_of: FxHashMap::default(),
            forgetting: Forgetting::default(),
            incarnations: 0,
            _lease: lease,
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
        if let Some(forgotten) = self.forgetting.wait(&Destination::Exchange(name.clone())) {
            let later = DeclareExchange { name, options };
            return Box::pin(
                fut::wrap_future::<_, Self>(forgotten).then(|(), host, ctx| host.handle(later, ctx)),
            );
        }
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
        ctx: &mut Context<Self>,
    ) -> Answer<()> {
        let Some(exchange) = self.directory.exchange(&name) else {
            return Box::pin(fut::ready(Ok(())));
        };
        let vhost = self.directory.vhost.clone();
        let asked = self.ask_exchange(&exchange, exchange::Delete { if_unused }, ctx);
        Box::pin(fut::wrap_future::<_, Self>(asked).then(move |answer, host, ctx| {
            let deleted = match answer {
                Ok(false) => Err(names::exchange_in_use(&name, &vhost)),
                Err(lost) if !names::is_not_found(&lost) => Err(lost),
                Ok(true) | Err(_) => Ok(host.exchange_ended(&name, exchange.incarnation, ctx)),
            };
            fut::wrap_future(async move {
                if let Some(forgotten) = deleted? {
                    forgotten.await;
                }
                Ok(())
            })
        }))
    }
}

impl Handler<DeclareQueue> for VirtualHost {
    type Result = Answer<Arc<QueueHandle>>;

    fn handle(&mut self, mail: DeclareQueue, ctx: &mut Context<Self>) -> Self::Result {
        if let Some(forgotten) = self.forgetting.wait(&Destination::Queue(mail.name.clone())) {
            return Box::pin(
                fut::wrap_future::<_, Self>(forgotten).then(|(), host, ctx| host.handle(mail, ctx)),
            );
        }
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
        ctx: &mut Context<Self>,
    ) -> Answer<()> {
        let (exchange, durable) = match self.binding_ends(&source, &binding, connection) {
            Ok(ends) => ends,
            Err(refused) => return Box::pin(fut::ready(Err(refused))),
        };
        let directory = &self.directory;
        self.sources_of
            .entry(binding.destination.clone())
            .or_default()
            .add(source.clone(), |name| directory.exchange(name).is_some());
        let question = exchange::Bind {
            binding: binding.clone(),
        };
        let asked = self.ask_exchange(&exchange, question, ctx);
        Box::pin(fut::wrap_future::<_, Self>(asked).then(move |answer, host, _| {
            let recorded = match answer {
                Ok(Ok(true)) if durable => Ok(host.definitions.record(Change::Bound(source, binding))),
                Ok(Ok(_)) => Ok(super::definitions::nothing()),
                Ok(Err(refused)) | Err(refused) => Err(refused),
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
        ctx: &mut Context<Self>,
    ) -> Answer<()> {
        let (exchange, durable) = match self.binding_ends(&source, &binding, connection) {
            Ok(ends) => ends,
            Err(refused) if names::is_not_found(&refused) => return Box::pin(fut::ready(Ok(()))),
            Err(refused) => return Box::pin(fut::ready(Err(refused))),
        };
        let question = exchange::Unbind {
            binding: binding.clone(),
        };
        let asked = self.ask_exchange(&exchange, question, ctx);
        Box::pin(fut::wrap_future::<_, Self>(asked).then(move |answer, host, ctx| {
            let forgotten = match answer {
                Ok(Removed { ended: true, .. }) => host.exchange_ended(&source, exchange.incarnation, ctx),
                _ => None,
            };
            let recorded = match answer {
                Ok(Removed { any: true, .. }) if durable => {
                    Ok(host.definitions.record(Change::Unbound(source, binding)))
                }
                Err(lost) if !names::is_not_found(&lost) => Err(lost),
                Ok(_) | Err(_) => Ok(super::definitions::nothing()),
            };
            fut::wrap_future(async move {
                recorded?.await;
                if let Some(forgotten) = forgotten {
                    forgotten.await;
                }
                Ok(())
            })
        }))
    }
}

impl Handler<ReleaseExclusive> for VirtualHost {
    type Result = ResponseFuture<()>;

    fn handle(
        &mut self,
        ReleaseExclusive { connection }: ReleaseExclusive,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        let mut forgotten = Vec::new();
        for id in self.exclusive.remove(&connection).unwrap_or_default() {
            if let Some(queue) = self.forget_queue(id, ctx) {
                queue.addr.do_send(queue::Delete {
                    if_unused: false,
                    if_empty: false,
                });
                let destination = Destination::Queue(queue.name.clone());
                forgotten.extend(self.forgetting.wait(&destination));
            }
        }
        Box::pin(join_all(forgotten).map(drop))
    }
}
