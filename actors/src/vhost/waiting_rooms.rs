//! The queues in which messages of delayed exchanges wait. Each comes and goes with its exchange, is kept under the same
//! number, and belongs to nobody, so that no client can use it.

use std::sync::Arc;

use actix::prelude::*;

use super::actor::VirtualHost;
use super::supervision::Birth;
use crate::exchange::delay::waiting_room;
use crate::id::{ConnectionId, StoreId};
use crate::name::Name;
use crate::node::WorkerId;
use crate::queue::messages::Delete;
use crate::queue::options::QueueOptions;

impl VirtualHost {
    /// Opens the queue of an exchange that comes to life, unless there is one: it may outlive a crash of the exchange. It lives on
    /// this worker, if it matters.
    pub(super) fn open_waiting_room(
        &mut self,
        exchange: &Name,
        durable: bool,
        store_id: Option<StoreId>,
        worker: Option<WorkerId>,
        ctx: &mut Context<Self>,
    ) {
        let room = waiting_room(exchange);
        if self.directory.queue(&room).is_none() {
            let options = Arc::new(QueueOptions::waiting_room(exchange.clone(), durable));
            let by_name = self.node.workers.by_name(&room);
            let worker = worker.unwrap_or_else(|| self.placement.near(by_name));
            let nobody = Some(ConnectionId::NOBODY);
            self.create_queue(room, options, nobody, store_id, Birth::At(worker), ctx);
        }
    }

    /// Drops the queue of an exchange that has ended, with all that waited in it.
    pub(super) fn close_waiting_room(&mut self, exchange: &Name, ctx: &mut Context<Self>) {
        let room = self.directory.queue(&waiting_room(exchange));
        if let Some(room) = room.and_then(|room| self.forget_queue(room.id, None, ctx)) {
            if room.down_until.is_some() {
                return self.journal(room.options.durable, room.store_id).deleted();
            }
            room.addr().do_send(Delete {
                if_unused: false,
                if_empty: false,
            });
        }
    }
}
