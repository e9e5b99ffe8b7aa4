//! Class exchange.

use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::method::exchange::{self, Method};
use leveret_protocol::{Exception, FieldTable};

use super::super::actor::Channel;
use super::lost;
use crate::broker::{Access, Resource};
use crate::exchange::bindings::{Binding, Destination};
use crate::exchange::kind::ExchangeKind;
use crate::exchange::options::ExchangeOptions;
use crate::name::Name;
use crate::vhost::{messages as vhost, names};

impl Channel {
    pub(in crate::channel) fn exchange(
        &mut self,
        method: Method<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        match method {
            Method::Declare(declare) => self.declare_exchange(declare, ctx),
            Method::Delete(delete) => self.delete_exchange(&delete, ctx),
            Method::Bind(bind) => {
                let nowait = bind.nowait;
                let binding = exchange_binding(bind.destination, bind.routing_key, bind.arguments);
                self.bind(bind.source, binding, ctx, move |channel| {
                    if !nowait {
                        channel.output.method(channel.number, &exchange::BindOk {});
                    }
                })
            }
            Method::Unbind(unbind) => {
                let nowait = unbind.nowait;
                let binding = exchange_binding(unbind.destination, unbind.routing_key, unbind.arguments);
                self.unbind(unbind.source, binding, ctx, move |channel| {
                    if !nowait {
                        channel.output.method(channel.number, &exchange::UnbindOk {});
                    }
                })
            }
            _ => Err(super::misplaced("an answer of class exchange")),
        }
    }

    fn declare_exchange(
        &mut self,
        declare: exchange::Declare<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        let name = names::stripped(declare.exchange).into_owned();
        let declare = exchange::Declare {
            exchange: &name,
            ..declare
        };
        let vhost = self.session.vhost.name.clone();
        names::check_not_default_exchange(&name)?;
        if declare.passive {
            let found = self.session.vhost.directory.exchange(&name);
            found.ok_or_else(|| names::no_exchange(&name, &vhost))?;
            self.exchange_declared(declare.nowait);
            return Ok(());
        }
        let options = ExchangeOptions::parse(&declare, &vhost)?;
        self.session.check(Access::Configure, Resource::Exchange(&name))?;
        if let Some(alternate) = &options.alternate {
            self.session.check(Access::Read, Resource::Exchange(&name))?;
            self.session.check(Access::Write, Resource::Exchange(alternate))?;
        }
        let nowait = declare.nowait;
        let asked = vhost::DeclareExchange {
            name: Name::from(&*name),
            options,
        };
        self.ask(
            |channel| channel.session.vhost.addr.send(asked),
            ctx,
            move |channel, answer, _| {
                answer
                    .map_err(|_| lost("virtual host"))?
                    .map_err(|refused| refused.on(exchange::Declare::IDS))?;
                channel.exchange_declared(nowait);
                Ok(())
            },
        );
        Ok(())
    }

    fn exchange_declared(&mut self, nowait: bool) {
        if !nowait {
            self.output.method(self.number, &exchange::DeclareOk {});
        }
    }

    fn delete_exchange(
        &mut self,
        delete: &exchange::Delete<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        let name = names::stripped(delete.exchange);
        names::check_deletable_exchange(&name, &self.session.vhost.name)?;
        self.session.check(Access::Configure, Resource::Exchange(&name))?;
        let (nowait, if_unused) = (delete.nowait, delete.if_unused);
        let asked = vhost::DeleteExchange {
            name: Name::from(&*name),
            if_unused,
        };
        self.ask(
            |channel| channel.session.vhost.addr.send(asked),
            ctx,
            move |channel, answer, _| {
                answer
                    .map_err(|_| lost("virtual host"))?
                    .map_err(|refused| refused.on(exchange::Delete::IDS))?;
                if !nowait {
                    channel.output.method(channel.number, &exchange::DeleteOk {});
                }
                Ok(())
            },
        );
        Ok(())
    }

    /// Adds a binding from `source`, for queue.bind and exchange.bind.
    pub(super) fn bind(
        &mut self,
        source: &str,
        binding: Binding,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self) + 'static,
    ) -> Result<(), Exception> {
        let source = self.check_binding(source, &binding)?;
        let ids = binding_ids(
            &binding,
            exchange::Bind::IDS,
            leveret_protocol::method::queue::Bind::IDS,
        );
        let asked = vhost::Bind {
            source,
            binding,
            connection: self.session.connection,
        };
        self.ask(
            |channel| channel.session.vhost.addr.send(asked),
            ctx,
            move |channel, answer, _| {
                answer
                    .map_err(|_| lost("virtual host"))?
                    .map_err(|refused| refused.on(ids))?;
                then(channel);
                Ok(())
            },
        );
        Ok(())
    }

    /// Removes a binding from `source`, for queue.unbind and exchange.unbind.
    pub(super) fn unbind(
        &mut self,
        source: &str,
        binding: Binding,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self) + 'static,
    ) -> Result<(), Exception> {
        let source = self.check_binding(source, &binding)?;
        let ids = binding_ids(
            &binding,
            exchange::Unbind::IDS,
            leveret_protocol::method::queue::Unbind::IDS,
        );
        let asked = vhost::Unbind {
            source,
            binding,
            connection: self.session.connection,
        };
        self.ask(
            |channel| channel.session.vhost.addr.send(asked),
            ctx,
            move |channel, answer, _| {
                answer
                    .map_err(|_| lost("virtual host"))?
                    .map_err(|refused| refused.on(ids))?;
                then(channel);
                Ok(())
            },
        );
        Ok(())
    }

    /// The rules and permissions of both ends.
    fn check_binding(&self, source: &str, binding: &Binding) -> Result<Name, Exception> {
        let source = names::stripped(source);
        match &binding.destination {
            Destination::Queue(queue) => {
                names::check_bindable_queue(queue)?;
                names::check_not_default_exchange(&source)?;
                self.session.check(Access::Write, Resource::Queue(queue))?;
            }
            Destination::Exchange(exchange) => {
                names::check_not_default_exchange(&source)?;
                names::check_not_default_exchange(exchange)?;
                self.session.check(Access::Write, Resource::Exchange(exchange))?;
            }
        }
        self.session.check(Access::Read, Resource::Exchange(&source))?;
        let found = self.session.vhost.directory.exchange(&source);
        if found.is_some_and(|exchange| exchange.options.kind == ExchangeKind::Topic) {
            self.session
                .check_topic(Access::Read, &source, &binding.routing_key)?;
        }
        Ok(Name::from(&*source))
    }
}

fn exchange_binding(destination: &str, routing_key: &str, arguments: FieldTable) -> Binding {
    Binding {
        destination: Destination::Exchange(Name::from(&*names::stripped(destination))),
        routing_key: Name::from(routing_key),
        arguments: Arc::new(arguments),
    }
}

/// The ids of the method that made or removed a binding, by the kind of its destination.
fn binding_ids(binding: &Binding, of_exchange: (u16, u16), of_queue: (u16, u16)) -> (u16, u16) {
    match binding.destination {
        Destination::Exchange(_) => of_exchange,
        Destination::Queue(_) => of_queue,
    }
}
