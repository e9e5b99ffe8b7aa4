//! What queue.bind and exchange.bind have in common, and their opposites.

use actix::prelude::*;
use leveret_protocol::{EncodeMethod, Exception};

use super::super::actor::Channel;
use super::lost;
use crate::exchange::bindings::{Binding, Destination};
use crate::exchange::kind::ExchangeKind;
use crate::name::Name;
use crate::node::{Access, Context, Resource};
use crate::vhost::actor::VirtualHost;
use crate::vhost::{messages as vhost, names};

impl Channel {
    /// Adds a binding from `source`, then gives `answer`. A refusal names the method by its `ids`.
    pub(super) fn bind<R: EncodeMethod + 'static>(
        &mut self,
        source: &str,
        binding: Binding,
        ids: (u16, u16),
        answer: Option<R>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        let source = self.check_binding(source, &binding)?;
        let connection = self.session.connection;
        self.change_bindings(
            vhost::Bind {
                source,
                binding,
                connection,
            },
            ids,
            answer,
            ctx,
        );
        Ok(())
    }

    /// Removes a binding from `source`, then gives `answer`. A refusal names the method by its `ids`.
    pub(super) fn unbind<R: EncodeMethod + 'static>(
        &mut self,
        source: &str,
        binding: Binding,
        ids: (u16, u16),
        answer: Option<R>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        let source = self.check_binding(source, &binding)?;
        let connection = self.session.connection;
        self.change_bindings(
            vhost::Unbind {
                source,
                binding,
                connection,
            },
            ids,
            answer,
            ctx,
        );
        Ok(())
    }

    fn change_bindings<M, R>(
        &mut self,
        change: M,
        ids: (u16, u16),
        answer: Option<R>,
        ctx: &mut Context<Self>,
    ) where
        M: Message<Result = Result<(), Exception>> + Send + 'static,
        VirtualHost: Handler<M>,
        R: EncodeMethod + 'static,
    {
        self.ask(
            |channel| channel.session.vhost.addr.send(change),
            ctx,
            move |channel, changed, _| {
                changed
                    .map_err(|_| lost("virtual host"))?
                    .map_err(|refused| refused.on(ids))?;
                if let Some(answer) = answer {
                    channel.output.method(channel.number, &answer);
                }
                Ok(())
            },
        );
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
