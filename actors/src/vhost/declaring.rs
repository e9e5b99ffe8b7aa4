//! Declaring and deleting. What is durable is recorded before it comes to life, and nobody sees it earlier.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix::fut;
use actix::prelude::*;
use futures_util::FutureExt;
use leveret_protocol::Exception;

use super::actor::{Answer, VirtualHost};
use super::definitions::Change;
use super::messages::{DeclareExchange, DeclareQueue, Declared, DeleteExchange};
use super::names;
use super::supervision::Birth;
use crate::exchange::bindings::Destination;
use crate::exchange::messages as exchange;
use crate::queue::options::{self, QueueKind, QueueOptions};

/// The argument with which a client chooses how the name it gets begins.
fn name_prefix(options: &QueueOptions) -> Option<&str> {
    options
        .arguments
        .get("x-name-prefix")
        .and_then(|value| value.as_str())
}

impl VirtualHost {
    /// Waits until nothing leads to the last one of that name, or somebody else's declaration of the same is recorded or
    /// refused. `None` when the name can be used at once.
    fn name_in_use(&mut self, declared: &Destination) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        if let Some(forgotten) = self.forgetting.wait(declared) {
            return Some(Box::pin(forgotten));
        }
        let recorded = self.under_way.wait(declared)?;
        Some(Box::pin(recorded.map(drop)))
    }

    fn existing_queue(&self, mail: &DeclareQueue) -> Option<Result<Declared, Exception>> {
        let (name, vhost) = (&mail.name, &self.directory.vhost);
        let existing = self.directory.queue(name)?;
        if existing.is_locked_for(mail.connection) || existing.options.exclusive != mail.options.exclusive {
            return Some(Err(options::locked(name, vhost)));
        }
        let same = match self.overlooks_type_of(&existing.options) {
            false => existing.options.check_equivalent(&mail.options, name, vhost),
            true => {
                let wanted = QueueOptions {
                    kind: existing.options.kind,
                    ..mail.options.clone()
                };
                existing.options.check_equivalent(&wanted, name, vhost)
            }
        };
        Some(same.map(|()| Declared {
            queue: existing,
            new: false,
        }))
    }

    /// Whether any type of queue may be asked for where there is this one.
    fn overlooks_type_of(&self, existing: &QueueOptions) -> bool {
        self.node.settings.relaxed_quorum_redeclaration && existing.kind == QueueKind::Quorum
    }

    fn declare_new_queue(&mut self, mail: DeclareQueue, ctx: &mut Context<Self>) -> Answer<Declared> {
        let (name, options) = (mail.name, Arc::new(mail.options));
        if let Some(limit) = self.queue_limit_reached() {
            let refused = names::queue_limit_reached(&name, &self.directory.vhost, limit);
            return Box::pin(fut::ready(Err(refused)));
        }
        if options.exclusive {
            let queue = self.create_queue(
                name,
                options,
                Some(mail.connection),
                None,
                Birth::At(mail.worker),
                ctx,
            );
            return Box::pin(fut::ready(Ok(Declared { queue, new: true })));
        }
        let birth = Birth::WhenNeeded((mail.worker, mail.connection));
        if !options.durable {
            let queue = self.create_queue(name, options, None, None, birth, ctx);
            return Box::pin(fut::ready(Ok(Declared { queue, new: true })));
        }
        let id = self.definitions.new_id();
        let change = Change::QueueDeclared {
            id,
            name: name.clone(),
            options: Arc::clone(&options),
        };
        self.record_first(Destination::Queue(name.clone()), change, move |host, ctx| {
            let queue = host.create_queue(name, options, None, Some(id), birth, ctx);
            Declared { queue, new: true }
        })
    }

    fn declare_new_exchange(&mut self, mail: DeclareExchange, ctx: &mut Context<Self>) -> Answer<()> {
        let (name, options) = (mail.name, mail.options);
        // What was delayed mostly goes to queues of the same declarer.
        let room = options
            .delayed
            .then(|| self.placement.beside_user(mail.worker, mail.connection));
        if !options.durable {
            self.create_exchange(name, options, None, room, ctx);
            return Box::pin(fut::ready(Ok(())));
        }
        let id = self.definitions.new_id();
        let change = Change::ExchangeDeclared {
            id,
            name: name.clone(),
            options: options.clone(),
        };
        self.record_first(Destination::Exchange(name.clone()), change, move |host, ctx| {
            host.create_exchange(name, options, Some(id), room, ctx);
        })
    }

    /// Records a declaration, then lets what is declared come to life.
    fn record_first<T: 'static>(
        &mut self,
        declared: Destination,
        change: Change,
        create: impl FnOnce(&mut Self, &mut Context<Self>) -> T + 'static,
    ) -> Answer<T> {
        let recorded = self.definitions.record(change);
        self.under_way.begin(declared.clone());
        Box::pin(
            fut::wrap_future::<_, Self>(recorded).map(move |recorded, host, ctx| {
                host.under_way.end(&declared);
                let vhost = &host.directory.vhost;
                recorded.map_err(|failed| match &declared {
                    Destination::Queue(name) => failed.refuse(names::queue(name, vhost)),
                    Destination::Exchange(name) => failed.refuse(names::exchange(name, vhost)),
                })?;
                Ok(create(host, ctx))
            }),
        )
    }
}

impl Handler<DeclareExchange> for VirtualHost {
    type Result = Answer<()>;

    fn handle(&mut self, mail: DeclareExchange, ctx: &mut Context<Self>) -> Answer<()> {
        if let Some(free) = self.name_in_use(&Destination::Exchange(mail.name.clone())) {
            let later = fut::wrap_future::<_, Self>(free);
            return Box::pin(later.then(|(), host, ctx| host.handle(mail, ctx)));
        }
        let vhost = &self.directory.vhost;
        if let Some(existing) = self.directory.exchange(&mail.name) {
            let same = existing
                .options
                .check_equivalent(&mail.options, &mail.name, vhost);
            return Box::pin(fut::ready(same));
        }
        if let Err(reserved) = names::check_new_exchange(&mail.name) {
            return Box::pin(fut::ready(Err(reserved)));
        }
        self.declare_new_exchange(mail, ctx)
    }
}

impl Handler<DeclareQueue> for VirtualHost {
    type Result = Answer<Declared>;

    fn handle(&mut self, mut mail: DeclareQueue, ctx: &mut Context<Self>) -> Self::Result {
        if mail.name.is_empty() {
            mail.name = names::generated_queue(name_prefix(&mail.options));
            return self.declare_new_queue(mail, ctx);
        }
        if let Some(free) = self.name_in_use(&Destination::Queue(mail.name.clone())) {
            let later = fut::wrap_future::<_, Self>(free);
            return Box::pin(later.then(|(), host, ctx| host.handle(mail, ctx)));
        }
        if let Some(existing) = self.existing_queue(&mail) {
            let up = existing.and_then(|existing| self.bring_up(existing, ctx));
            return Box::pin(fut::ready(up));
        }
        if let Err(reserved) = names::check_new_queue(&mail.name) {
            return Box::pin(fut::ready(Err(reserved)));
        }
        self.declare_new_queue(mail, ctx)
    }
}

impl Handler<DeleteExchange> for VirtualHost {
    type Result = Answer<()>;

    fn handle(&mut self, mail: DeleteExchange, ctx: &mut Context<Self>) -> Answer<()> {
        let DeleteExchange { name, if_unused } = mail;
        let Some(exchange) = self.directory.exchange(&name) else {
            return Box::pin(fut::wrap_future(self.gone(&Destination::Exchange(name), true)));
        };
        let vhost = self.directory.vhost.clone();
        let asked = self.ask_exchange(&exchange, exchange::Delete { if_unused }, ctx);
        Box::pin(fut::wrap_future::<_, Self>(asked).then(move |answer, host, ctx| {
            let deleted = match answer {
                Ok(false) => Err(names::exchange_in_use(&name, &vhost)),
                Err(lost) if !names::is_not_found(&lost) => Err(lost),
                Ok(true) | Err(_) => {
                    let forgotten = host.exchange_ended(&name, exchange.incarnation, ctx);
                    let durable = exchange.store_id.is_some();
                    Ok((forgotten, durable.then(|| host.definitions.removals_recorded())))
                }
            };
            fut::wrap_future(async move {
                let (forgotten, recorded) = deleted?;
                if let Some(forgotten) = forgotten {
                    forgotten.await;
                }
                match recorded {
                    Some(recorded) => recorded.await.map_err(|failed| failed.refuse("the deletion")),
                    None => Ok(()),
                }
            })
        }))
    }
}
