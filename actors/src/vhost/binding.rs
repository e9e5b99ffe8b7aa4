//! Binding and unbinding: the virtual host looks at both ends, the exchange does it.

use std::sync::Arc;

use actix::fut;
use actix::prelude::*;
use leveret_protocol::Exception;

use super::actor::{Answer, VirtualHost};
use super::directory::ExchangeHandle;
use super::messages::{Bind, Unbind};
use super::names;
use crate::exchange::bindings::{Binding, Destination};
use crate::exchange::messages::{self as exchange, Removed};
use crate::id::{ConnectionId, StoreId};
use crate::name::Name;
use crate::queue::options;

impl VirtualHost {
    /// The exchange to change the bindings of, and what the destination is kept under if it is durable.
    fn binding_ends(
        &self,
        source: &Name,
        binding: &Binding,
        connection: ConnectionId,
    ) -> Result<(Arc<ExchangeHandle>, Option<StoreId>), Exception> {
        let vhost = &self.directory.vhost;
        let destination_id = match &binding.destination {
            Destination::Queue(name) => {
                let queue = self
                    .directory
                    .queue(name)
                    .ok_or_else(|| names::no_queue(name, vhost))?;
                if queue.is_locked_for(connection) {
                    return Err(options::locked(name, vhost));
                }
                queue.store_id
            }
            Destination::Exchange(name) => {
                let exchange = self
                    .directory
                    .exchange(name)
                    .ok_or_else(|| names::no_exchange(name, vhost))?;
                exchange.store_id
            }
        };
        let exchange = self
            .directory
            .exchange(source)
            .ok_or_else(|| names::no_exchange(source, vhost))?;
        Ok((exchange, destination_id))
    }
}

impl Handler<Bind> for VirtualHost {
    type Result = Answer<()>;

    fn handle(&mut self, mail: Bind, ctx: &mut Context<Self>) -> Answer<()> {
        let Bind {
            source,
            binding,
            connection,
        } = mail;
        let (exchange, destination_id) = match self.binding_ends(&source, &binding, connection) {
            Ok(ends) => ends,
            Err(refused) => return Box::pin(fut::ready(Err(refused))),
        };
        let directory = &self.directory;
        self.sources_of
            .entry(binding.destination.clone())
            .or_default()
            .add(source, |name| directory.exchange(name).is_some());
        let question = exchange::Bind {
            binding,
            destination_id,
        };
        let asked = self.ask_exchange(&exchange, question, ctx);
        Box::pin(fut::wrap_future(async move { asked.await?.map(|_new| ()) }))
    }
}

impl Handler<Unbind> for VirtualHost {
    type Result = Answer<()>;

    fn handle(&mut self, mail: Unbind, ctx: &mut Context<Self>) -> Answer<()> {
        let Unbind {
            source,
            binding,
            connection,
        } = mail;
        let (exchange, destination_id) = match self.binding_ends(&source, &binding, connection) {
            Ok(ends) => ends,
            Err(refused) if names::is_not_found(&refused) => return Box::pin(fut::ready(Ok(()))),
            Err(refused) => return Box::pin(fut::ready(Err(refused))),
        };
        let question = exchange::Unbind {
            binding,
            durable: destination_id.is_some(),
        };
        let asked = self.ask_exchange(&exchange, question, ctx);
        let removed =
            fut::wrap_future::<_, Self>(asked).map(|answer, _, _| answer.and_then(|removed| removed));
        Box::pin(removed.then(move |removed, host, ctx| {
            let forgotten = match removed {
                Ok(Removed { ended: true, .. }) => host.exchange_ended(&source, exchange.incarnation, ctx),
                _ => None,
            };
            fut::wrap_future(async move {
                if let Some(forgotten) = forgotten {
                    forgotten.await;
                }
                match removed {
                    Err(lost) if !names::is_not_found(&lost) => Err(lost),
                    Ok(_) | Err(_) => Ok(()),
                }
            })
        }))
    }
}
