//! Class exchange.

use std::sync::Arc;

use leveret_protocol::method::exchange::{self, Method};
use leveret_protocol::{Exception, FieldTable};

use super::super::actor::Channel;
use super::lost;
use crate::exchange::bindings::{Binding, Destination};
use crate::exchange::options::ExchangeOptions;
use crate::name::Name;
use crate::node::{Access, Context, Resource};
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
                let binding = exchange_binding(bind.destination, bind.routing_key, bind.arguments);
                let answer = (!bind.nowait).then_some(exchange::BindOk {});
                self.bind(bind.source, binding, exchange::Bind::IDS, answer, ctx)
            }
            Method::Unbind(unbind) => {
                let binding = exchange_binding(unbind.destination, unbind.routing_key, unbind.arguments);
                let answer = (!unbind.nowait).then_some(exchange::UnbindOk {});
                self.unbind(unbind.source, binding, exchange::Unbind::IDS, answer, ctx)
            }
            other => Err(super::misplaced(other.name())),
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
            connection: self.session.connection,
            worker: self.session.worker,
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
}

fn exchange_binding(destination: &str, routing_key: &str, arguments: FieldTable) -> Binding {
    Binding {
        destination: Destination::Exchange(Name::from(&*names::stripped(destination))),
        routing_key: Name::from(routing_key),
        arguments: Arc::new(arguments),
    }
}
