//! Class queue.

use std::sync::Arc;

use leveret_protocol::method::queue::{self, Method};
use leveret_protocol::{Exception, FieldTable};

use super::super::actor::Channel;
use super::lost;
use super::question::ask_queue;
use crate::exchange::bindings::{Binding, Destination};
use crate::name::Name;
use crate::node::{Access, Context, Resource};
use crate::queue::messages::{self as mail, Deleted, Inspection, Refusal};
use crate::queue::options::{QueueOptions, locked, with_default_type};
use crate::vhost::directory::QueueHandle;
use crate::vhost::messages::Declared;
use crate::vhost::{messages as vhost, names};

/// How often a declaration is tried again when the queue it found was deleted meanwhile.
const MOST_TRIES: u32 = 10;

impl Channel {
    pub(in crate::channel) fn queue(
        &mut self,
        method: Method<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        match method {
            Method::Declare(declare) => self.declare_queue(declare, ctx),
            Method::Bind(bind) => {
                let binding = self.queue_binding(bind.queue, bind.routing_key, bind.arguments)?;
                let answer = (!bind.nowait).then_some(queue::BindOk {});
                self.bind(bind.exchange, binding, queue::Bind::IDS, answer, ctx)
            }
            Method::Unbind(unbind) => {
                let binding = self.queue_binding(unbind.queue, unbind.routing_key, unbind.arguments)?;
                self.unbind(
                    unbind.exchange,
                    binding,
                    queue::Unbind::IDS,
                    Some(queue::UnbindOk {}),
                    ctx,
                )
            }
            Method::Purge(purge) => self.purge_queue(&purge, ctx),
            Method::Delete(delete) => self.delete_queue(&delete, ctx),
            other => Err(super::misplaced(other.name())),
        }
    }

    /// A queue by name, or the last one declared on this channel when the name is empty.
    pub(super) fn named_queue(&self, name: &str) -> Result<Name, Exception> {
        if !name.is_empty() {
            return Ok(Name::from(&*names::stripped(name)));
        }
        if self.last_queue.is_empty() {
            return Err(names::no_previous_queue());
        }
        Ok(self.last_queue.clone())
    }

    /// The binding of a named queue. With neither a queue nor a key the key, too, is the name of the last queue.
    fn queue_binding(&self, queue: &str, key: &str, arguments: FieldTable) -> Result<Binding, Exception> {
        let name = self.named_queue(queue)?;
        let last = queue.is_empty() && key.is_empty();
        Ok(Binding {
            routing_key: if last { name.clone() } else { Name::from(key) },
            destination: Destination::Queue(name),
            arguments: Arc::new(arguments),
        })
    }

    /// A queue that this connection may touch, and that is there to answer.
    pub(super) fn find_queue(&self, name: &str) -> Result<Arc<QueueHandle>, Exception> {
        let handle = self.known_queue(name)?;
        if handle.down_until.is_some() {
            return Err(names::queue_down(name, &self.session.vhost.name));
        }
        Ok(handle)
    }

    /// A queue that exists, though it may be down, and that this connection may touch.
    fn known_queue(&self, name: &str) -> Result<Arc<QueueHandle>, Exception> {
        let vhost = &self.session.vhost;
        let handle = vhost
            .directory
            .queue(name)
            .ok_or_else(|| names::no_queue(name, &vhost.name))?;
        if handle.is_locked_for(self.session.connection) {
            return Err(locked(name, &vhost.name));
        }
        Ok(handle)
    }

    fn declare_queue(
        &mut self,
        declare: queue::Declare<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        let stripped = names::stripped(declare.queue).into_owned();
        let declare = queue::Declare {
            queue: &stripped,
            ..declare
        };
        if stripped.starts_with(names::DIRECT_REPLY_TO) {
            return self.probe_reply_address(&stripped, declare.nowait);
        }
        if declare.passive {
            let name = self.named_queue(&stripped)?;
            return self.declare_passively(name, declare.nowait, ctx);
        }
        let declare = with_default_type(declare, self.session.vhost.directory.default_queue_type());
        let options = QueueOptions::parse(&declare, &self.session.vhost.name)?;
        self.check_queue_access(&stripped, &options)?;
        self.try_declare(Name::from(&*stripped), options, declare.nowait, 1, ctx);
        Ok(())
    }

    fn check_queue_access(&self, name: &str, options: &QueueOptions) -> Result<(), Exception> {
        self.session.check(Access::Configure, Resource::Queue(name))?;
        if let Some(exchange) = &options.terms.dead_letter_exchange {
            self.session.check(Access::Read, Resource::Queue(name))?;
            self.session.check(Access::Write, Resource::Exchange(exchange))?;
        }
        Ok(())
    }

    /// Declares and counts what was there already. Between the two another client may delete the queue: then it is declared anew.
    fn try_declare(
        &mut self,
        name: Name,
        options: QueueOptions,
        nowait: bool,
        tries: u32,
        ctx: &mut Context<Self>,
    ) {
        if options.exclusive {
            self.session.will_end_queues();
        }
        let declare = vhost::DeclareQueue {
            name: name.clone(),
            options: options.clone(),
            connection: self.session.connection,
            worker: self.session.worker,
        };
        let declared = |channel: &Self| {
            let asked = channel.session.vhost.addr.send(declare);
            async move {
                let Declared { queue: handle, new } = asked.await.map_err(|_| lost("virtual host"))??;
                let counted = match new || !handle.dwelling.is_inhabited() {
                    true => Ok(Ok(Inspection::default())),
                    false => handle.addr().send(mail::Inspect).await,
                };
                Ok::<_, Exception>((handle, counted))
            }
        };
        self.ask(declared, ctx, move |channel, declared, ctx| {
            match declared.map_err(|refused| refused.on(queue::Declare::IDS))? {
                (handle, Ok(Ok(counts))) => channel.queue_declared(&handle, counts, nowait),
                _ if tries < MOST_TRIES => channel.try_declare(name, options, nowait, tries + 1, ctx),
                _ => return Err(lost("queue").on(queue::Declare::IDS)),
            }
            Ok(())
        });
    }

    fn declare_passively(
        &mut self,
        name: Name,
        nowait: bool,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        let handle = self.known_queue(&name)?;
        self.last_queue = name.clone();
        if handle.down_until.is_none() {
            self.count_queue(handle, nowait, ctx);
            return Ok(());
        }
        let revive = vhost::Revive { queue: name.clone() };
        let revived = |channel: &Self| {
            let asked = channel.session.vhost.addr.send(revive);
            async move { asked.await.map_err(|_| lost("virtual host"))? }
        };
        self.ask(revived, ctx, move |channel, revived, ctx| {
            let found = revived.and_then(|()| channel.find_queue(&name));
            let handle = found.map_err(|refused| refused.on(queue::Declare::IDS))?;
            channel.count_queue(handle, nowait, ctx);
            Ok(())
        });
        Ok(())
    }

    /// Counts for a passive declare, behind everything this channel sent to the queue.
    fn count_queue(&mut self, handle: Arc<QueueHandle>, nowait: bool, ctx: &mut Context<Self>) {
        let queue = Arc::clone(&handle);
        self.ask(
            move |channel| {
                let vhost = channel.session.vhost.clone();
                ask_queue(vhost, &queue, mail::Inspect, Some(Ok(Inspection::default())))
            },
            ctx,
            move |channel, counted, _| {
                let vhost = &channel.session.vhost.name;
                let counts = counted
                    .and_then(|counted| counted.map_err(|Deleted| names::no_queue(&handle.name, vhost)))
                    .map_err(|refused| refused.on(queue::Declare::IDS))?;
                channel.queue_declared(&handle, counts, nowait);
                Ok(())
            },
        );
    }

    fn queue_declared(&mut self, handle: &QueueHandle, counts: Inspection, nowait: bool) {
        self.last_queue = handle.name.clone();
        if !nowait {
            let declared = queue::DeclareOk {
                queue: &handle.name,
                message_count: counts.ready,
                consumer_count: counts.consumers,
            };
            self.output.method(self.number, &declared);
        }
    }

    /// A declaration of a reply address only asks whether somebody still waits there.
    fn probe_reply_address(&mut self, address: &str, nowait: bool) -> Result<(), Exception> {
        let vhost = &self.session.vhost;
        if address != names::DIRECT_REPLY_TO && vhost.directory.reply_address(address).is_none() {
            return Err(names::no_queue(address, &vhost.name));
        }
        self.last_queue = Name::from(address);
        if !nowait {
            let declared = queue::DeclareOk {
                queue: address,
                message_count: 0,
                consumer_count: 1,
            };
            self.output.method(self.number, &declared);
        }
        Ok(())
    }

    fn purge_queue(&mut self, purge: &queue::Purge<'_>, ctx: &mut Context<Self>) -> Result<(), Exception> {
        let name = self.named_queue(purge.queue)?;
        let handle = self.find_queue(&name)?;
        self.session.check(Access::Read, Resource::Queue(&name))?;
        let nowait = purge.nowait;
        self.ask(
            move |channel| ask_queue(channel.session.vhost.clone(), &handle, mail::Purge, Some(Ok(0))),
            ctx,
            move |channel, purged, _| {
                let vhost = &channel.session.vhost.name;
                let message_count = purged
                    .and_then(|purged| purged.map_err(|Deleted| names::no_queue(&name, vhost)))
                    .map_err(|refused| refused.on(queue::Purge::IDS))?;
                if !nowait {
                    channel
                        .output
                        .method(channel.number, &queue::PurgeOk { message_count });
                }
                Ok(())
            },
        );
        Ok(())
    }

    fn delete_queue(&mut self, delete: &queue::Delete<'_>, ctx: &mut Context<Self>) -> Result<(), Exception> {
        let name = self.named_queue(delete.queue)?;
        self.session.check(Access::Configure, Resource::Queue(&name))?;
        let nowait = delete.nowait;
        let handle = match self.known_queue(&name) {
            Ok(handle) if handle.down_until.is_some() => {
                return self.delete_down(&handle, delete, ctx);
            }
            Ok(handle) => handle,
            Err(refused) if names::is_not_found(&refused) => {
                self.await_deletion(&name, nowait, ctx);
                return Ok(());
            }
            Err(refused) => return Err(refused),
        };
        let question = mail::Delete {
            if_unused: delete.if_unused,
            if_empty: delete.if_empty,
        };
        let deleted = move |channel: &Self| {
            let vhost = channel.session.vhost.clone();
            let asked = ask_queue(vhost.clone(), &handle, question, None);
            let gone = vhost::Forgotten {
                queue: handle.name.clone(),
                durable: handle.store_id.is_some(),
            };
            // The queue told the virtual host before it answered; once that is done with it too, the name is free, and the
            // queue will not come back.
            async move {
                let answer = asked.await;
                let is_gone = match &answer {
                    Ok(answered) => answered.is_ok(),
                    Err(lost) => names::is_not_found(lost),
                };
                if is_gone {
                    vhost.addr.send(gone).await.map_err(|_| lost("virtual host"))??;
                }
                answer
            }
        };
        self.ask(deleted, ctx, move |channel, answer, _| {
            let vhost = &channel.session.vhost.name;
            let deleted = match answer {
                Ok(Ok(messages)) => Ok(messages),
                Ok(Err(Refusal::InUse)) => Err(names::queue_in_use(&name, vhost)),
                Ok(Err(Refusal::NotEmpty)) => Err(names::queue_not_empty(&name, vhost)),
                Err(lost) if names::is_not_found(&lost) => Ok(0),
                Err(lost) => Err(lost),
            };
            channel.queue_deleted(deleted.map_err(|refused| refused.on(queue::Delete::IDS))?, nowait);
            Ok(())
        });
        Ok(())
    }

    /// Deletes a queue that is left down. How much it holds nobody knows.
    fn delete_down(
        &mut self,
        handle: &QueueHandle,
        delete: &queue::Delete<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        if delete.if_empty {
            return Err(names::queue_down(&handle.name, &self.session.vhost.name));
        }
        let (nowait, vhost) = (delete.nowait, self.session.vhost.clone());
        let dropped = vhost.addr.send(vhost::DropDown { queue: handle.id });
        let gone = vhost::Forgotten {
            queue: handle.name.clone(),
            durable: handle.store_id.is_some(),
        };
        let deleted = |_: &Self| async move {
            dropped.await.map_err(|_| lost("virtual host"))?;
            vhost.addr.send(gone).await.map_err(|_| lost("virtual host"))?
        };
        self.ask(deleted, ctx, move |channel, deleted, _| {
            deleted.map_err(|refused: Exception| refused.on(queue::Delete::IDS))?;
            channel.queue_deleted(0, nowait);
            Ok(())
        });
        Ok(())
    }

    /// Someone else may just be deleting a queue of this name: the answer waits until it will not come back.
    fn await_deletion(&mut self, name: &str, nowait: bool, ctx: &mut Context<Self>) {
        let gone = vhost::Forgotten {
            queue: Name::from(name),
            durable: true,
        };
        self.ask(
            |channel| channel.session.vhost.addr.send(gone),
            ctx,
            move |channel, answer, _| {
                answer
                    .map_err(|_| lost("virtual host"))?
                    .map_err(|refused| refused.on(queue::Delete::IDS))?;
                channel.queue_deleted(0, nowait);
                Ok(())
            },
        );
    }

    fn queue_deleted(&mut self, message_count: u32, nowait: bool) {
        if !nowait {
            self.output
                .method(self.number, &queue::DeleteOk { message_count });
        }
    }
}
