//! Queues that were left down after too many crashes: they keep their names, bindings and messages, and do nothing
//! until they are declared again after a pause, or deleted. The queue of a delayed exchange, which nobody can declare, is
//! started again by itself after the pause.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use leveret_protocol::Exception;
use tracing::{error, info};

use super::actor::VirtualHost;
use super::crashes::{MOST, WITHIN};
use super::directory::QueueHandle;
use super::messages::{Declared, DropDown, Revive};
use super::names;
use super::supervision::Birth;
use crate::id::QueueId;
use crate::journal::Journal;

impl VirtualHost {
    /// Keeps the place of a queue that crashed too often. Its mailbox stays closed.
    pub(super) fn leave_down(&mut self, crashed: &QueueHandle, ctx: &mut Context<Self>) {
        let pause = self.node.settings.crash_pause;
        let hidden = crashed.options.waiting_room_of.is_some();
        let seconds = pause.as_secs();
        let again = match hidden {
            true => format!("It is tried again after {seconds} s"),
            false => format!(
                "Declare the queue again after {seconds} s, or restart the broker, to try again; delete it to drop its messages"
            ),
        };
        error!(
            queue = %crashed.name, vhost = %self.directory.vhost,
            "the queue crashed {MOST} times within {} s and is left down: nothing is delivered from it and nothing \
             published to it is taken. Its persistent messages stay on disk. The panics logged before this line say \
             what failed. {again}",
            WITHIN.as_secs(),
        );
        self.names_of.insert(crashed.id, crashed.name.clone());
        if let Some(owner) = crashed.owner {
            self.exclusive.entry(owner).or_default().push(crashed.id);
        }
        self.directory.put_queue(Arc::new(QueueHandle {
            down_until: Some(Instant::now() + pause),
            ..crashed.clone()
        }));
        if hidden {
            let id = crashed.id;
            ctx.run_later(pause, move |host, ctx| drop(host.start_again(id, ctx)));
        }
    }

    /// Answers a declaration of a queue that exists: if it is down, it comes to life again, or not yet.
    pub(super) fn bring_up(
        &mut self,
        existing: Declared,
        ctx: &mut Context<Self>,
    ) -> Result<Declared, Exception> {
        let Some(until) = existing.queue.down_until else {
            return Ok(existing);
        };
        if Instant::now() < until {
            return Err(names::queue_down(&existing.queue.name, &self.directory.vhost));
        }
        Ok(match self.start_again(existing.queue.id, ctx) {
            Some(queue) => Declared { queue, new: false },
            None => existing,
        })
    }

    /// Starts a queue that is down, unless it is deleted meanwhile.
    fn start_again(&mut self, id: QueueId, ctx: &mut Context<Self>) -> Option<Arc<QueueHandle>> {
        let old = self.take_off_the_books(id)?;
        info!(queue = %old.name, vhost = %self.directory.vhost, "the queue that was left down is started again");
        let (name, options) = (old.name.clone(), Arc::clone(&old.options));
        let birth = Birth::At(old.worker());
        Some(self.create_queue(name, options, old.owner, old.store_id, birth, ctx))
    }
}

impl Handler<Revive> for VirtualHost {
    type Result = Result<(), Exception>;

    fn handle(&mut self, Revive { queue }: Revive, ctx: &mut Context<Self>) -> Self::Result {
        match self.directory.queue(&queue) {
            Some(queue) => self.bring_up(Declared { queue, new: false }, ctx).map(drop),
            None => Err(names::no_queue(&queue, &self.directory.vhost)),
        }
    }
}

impl Handler<DropDown> for VirtualHost {
    type Result = ();

    fn handle(&mut self, DropDown { queue }: DropDown, ctx: &mut Context<Self>) {
        let name = self.names_of.get(&queue);
        let known = name.and_then(|name| self.directory.queue(name));
        if known.is_none_or(|known| known.id != queue || known.down_until.is_none()) {
            return;
        }
        if let Some(gone) = self.forget_queue(queue, None, ctx) {
            let mut journal: Box<dyn Journal> = self.journal(gone.options.durable, gone.store_id);
            journal.deleted();
        }
    }
}
