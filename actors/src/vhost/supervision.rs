//! How exchanges and queues come to life, end, and come to life again after a crash.
//!
//! One that crashed is started anew under its name, with what it was declared with. An exchange gets the bindings of its
//! last routing table, which channels went on using meanwhile; those to a queue are kept by the exchanges and not
//! by the queue. A durable queue gets its persistent messages back from the journal; what a queue held in memory only is lost.
//! One that crashes [again and again](super::crashes) is left [down](super::down).

use std::sync::{Arc, Mutex};
use std::time::Instant;

use actix::prelude::*;
use arc_swap::ArcSwap;
use leveret_protocol::{Exception, ReplyCode, Scope};
use tracing::{debug, error};

use super::actor::VirtualHost;
use super::definitions::Change;
use super::directory::{ExchangeHandle, QueueHandle};
use super::dwelling::Dwelling;
use super::names;
use super::successor::{Unanswered, ask};
use crate::deduplication::Seen;
use crate::exchange::actor::{Exchange, ExchangeEnded, ExchangeSeed};
use crate::exchange::bindings::{Bindings, Destination};
use crate::exchange::delay::waiting_room;
use crate::exchange::history::History;
use crate::exchange::options::ExchangeOptions;
use crate::exchange::walk::Routing;
use crate::forwarder::actor::{Errand, Forwarder};
use crate::id::{ConnectionId, QueueId, StoreId};
use crate::journal::{Journal, Volatile};
use crate::lease::{Gone, Lease};
use crate::name::Name;
use crate::node::WorkerId;
use crate::queue::actor::{QueueEnded, QueueSeed};
use crate::queue::options::QueueOptions;
use crate::queue::{Departing, MemoryBudget};

/// When a queue comes to life, and where.
#[derive(Clone, Copy, Debug)]
pub(super) enum Birth {
    /// Now.
    At(WorkerId),
    /// When somebody needs it, mostly beside that one. Who declared it, and lived there, tells with which others it belongs together.
    WhenNeeded((WorkerId, ConnectionId)),
}

impl VirtualHost {
    /// Lets an exchange come to life that was declared, and its waiting room on this worker.
    pub(super) fn create_exchange(
        &mut self,
        name: Name,
        options: ExchangeOptions,
        store_id: Option<StoreId>,
        room: Option<WorkerId>,
        ctx: &mut Context<Self>,
    ) {
        if room.is_some() {
            self.open_waiting_room(&name, options.durable, store_id, room, ctx);
        }
        let bindings = Bindings::new(options.kind);
        self.start_exchange(name, options, store_id, bindings, ctx);
    }

    pub(super) fn start_exchange(
        &mut self,
        name: Name,
        options: ExchangeOptions,
        store_id: Option<StoreId>,
        bindings: Bindings,
        ctx: &mut Context<Self>,
    ) {
        if options.delayed {
            self.open_waiting_room(&name, options.durable, store_id, None, ctx);
        }
        self.incarnations += 1;
        let incarnation = self.incarnations;
        let routing = self.routing(&name, &options, &bindings);
        let seed = ExchangeSeed {
            name: name.clone(),
            incarnation,
            auto_delete: options.auto_delete,
            bindings: bindings.clone(),
            record: store_id.map(|id| (id, Arc::clone(&self.definitions))),
            directory: Arc::clone(&self.directory),
            ended: ctx.address().recipient(),
            lease: Lease::new(ctx.address().recipient(), incarnation),
        };
        let workers = &self.node.workers;
        self.directory.put_exchange(Arc::new(ExchangeHandle {
            addr: workers.place(workers.by_name(&name), move || Exchange::new(seed)),
            name,
            options,
            incarnation,
            store_id,
            routing: ArcSwap::from_pointee(routing),
            bindings: ArcSwap::from_pointee(bindings),
        }));
    }

    /// What an exchange remembers outlives a crash of it.
    fn routing(&self, name: &Name, options: &ExchangeOptions, bindings: &Bindings) -> Routing {
        let before = self
            .directory
            .exchange(name)
            .map(|before| before.routing.load_full());
        let (seen, history) = match before {
            Some(before) => (before.seen.clone(), before.history.clone()),
            None => (
                options
                    .deduplication
                    .clone()
                    .map(|asked| Arc::new(Mutex::new(Seen::new(asked)))),
                options.history.map(|most| Arc::new(History::new(most))),
            ),
        };
        Routing {
            alternate: self.alternate(name, options),
            hash_by: options.hash_by.clone(),
            seen,
            history,
            waiting_room: options.delayed.then(|| waiting_room(name)),
            ..Routing::new(name.clone(), bindings.routes())
        }
    }

    pub(super) fn create_queue(
        &mut self,
        name: Name,
        options: Arc<QueueOptions>,
        owner: Option<ConnectionId>,
        store_id: Option<StoreId>,
        birth: Birth,
        ctx: &mut Context<Self>,
    ) -> Arc<QueueHandle> {
        let id = QueueId::next();
        let errand = match &options.waiting_room_of {
            None => Errand::DeadLetters,
            Some(exchange) => Errand::Delayed(exchange.clone()),
        };
        let effective = self.effective(&self.directory.policies(), &name, &options);
        let expires = effective.expires.is_some();
        let seed = QueueSeed {
            id,
            name: name.clone(),
            effective: Arc::new(effective),
            options: Arc::clone(&options),
            store_id,
            journal: self.journal(options.durable, store_id),
            scratch: self.scratch(),
            memory: MemoryBudget::of(self.node.settings.memory_limit),
            start_forwarder: Forwarder::starting(&self.directory, errand),
            ended: ctx.address().recipient(),
            lease: Lease::new(ctx.address().recipient(), id),
        };
        let dwelling = match birth {
            Birth::At(worker) => Dwelling::at(worker, seed, &self.placement),
            Birth::WhenNeeded(declarer) => Dwelling::beside(declarer, seed, &self.placement),
        };
        if expires {
            // Its time begins, though nobody may ever come.
            dwelling.worker();
        }
        let handle = Arc::new(QueueHandle {
            id,
            name: name.clone(),
            dwelling: Arc::new(dwelling),
            owner,
            options,
            store_id,
            down_until: None,
        });
        self.names_of.insert(id, name);
        if let Some(owner) = owner {
            self.exclusive.entry(owner).or_default().push(id);
        }
        self.directory.put_queue(Arc::clone(&handle));
        handle
    }

    pub(super) fn journal(&self, durable: bool, store_id: Option<StoreId>) -> Box<dyn Journal> {
        match (&self.node.journals, store_id) {
            (Some(journals), Some(store_id)) if durable => journals.queue(store_id),
            _ => Box::new(Volatile),
        }
    }

    pub(super) fn scratch(&self) -> Box<dyn Journal> {
        match &self.node.journals {
            Some(journals) => journals.scratch(),
            None => Box::new(Volatile),
        }
    }

    /// Takes a queue's name and bindings away, whoever ended it. What has died in it may still be carried away.
    pub(super) fn forget_queue(
        &mut self,
        id: QueueId,
        departing: Option<Arc<Departing>>,
        ctx: &mut Context<Self>,
    ) -> Option<Arc<QueueHandle>> {
        let handle = self.take_off_the_books(id)?;
        self.directory.remove_queue(&handle.name);
        self.crashes.forget(&handle.name);
        let sources = self.forget_destination(Destination::Queue(handle.name.clone()), ctx);
        if let Some(store_id) = handle.store_id
            && handle.options.waiting_room_of.is_none()
        {
            if let Some(departing) = &departing {
                self.see_off(&handle, store_id, departing);
            }
            self.remove_from_record(Change::QueueDeleted {
                name: handle.name.clone(),
                sources,
                departing: departing.map(|departing| (store_id, departing)),
            });
        }
        Some(handle)
    }

    /// The queue has ended or crashed. `None` when that was known.
    pub(super) fn take_off_the_books(&mut self, id: QueueId) -> Option<Arc<QueueHandle>> {
        let name = self.names_of.remove(&id)?;
        let handle = self.directory.queue(&name).filter(|queue| queue.id == id)?;
        if handle.down_until.is_none() {
            self.placement.remove(handle.worker());
        }
        if let Some(owner) = handle.owner
            && let Some(owned) = self.exclusive.get_mut(&owner)
        {
            owned.retain(|owned| *owned != id);
            if owned.is_empty() {
                self.exclusive.remove(&owner);
            }
        }
        Some(handle)
    }

    /// Whoever has to know asks for [`removals_recorded`](super::definitions::Definitions::removals_recorded).
    pub(super) fn remove_from_record(&self, removal: Change) {
        drop(self.definitions.record(removal));
    }

    /// Takes an exchange's name and bindings away, whoever ended it.
    pub(super) fn forget_exchange(&mut self, name: &Name, incarnation: u64, ctx: &mut Context<Self>) {
        let Some(handle) = self
            .directory
            .exchange(name)
            .filter(|found| found.incarnation == incarnation)
        else {
            return;
        };
        self.directory.remove_exchange(name);
        if handle.options.delayed {
            self.close_waiting_room(name, ctx);
        }
        let sources = self.forget_destination(Destination::Exchange(name.clone()), ctx);
        if handle.store_id.is_some() {
            let name = name.clone();
            self.remove_from_record(Change::ExchangeDeleted { name, sources });
        }
    }

    /// Asks an exchange, or the one that takes its place if it crashes.
    pub(super) fn ask_exchange<Q>(
        &self,
        exchange: &ExchangeHandle,
        question: Q,
        ctx: &Context<Self>,
    ) -> impl Future<Output = Result<Q::Result, Exception>> + use<Q>
    where
        Q: Message<Result: Send> + Clone + Send + 'static,
        Exchange: Handler<Q>,
    {
        let (name, directory) = (exchange.name.clone(), Arc::clone(&self.directory));
        let successor = {
            let (name, directory) = (name.clone(), Arc::clone(&directory));
            move || directory.exchange(&name).map(|exchange| exchange.addr.clone())
        };
        let asked = ask(ctx.address(), &exchange.addr, question, successor);
        async move {
            asked.await.map_err(|unanswered| match unanswered {
                Unanswered::Crashed => {
                    let text = "the exchange failed";
                    Exception::new(ReplyCode::InternalError, text).at(Scope::Channel)
                }
                Unanswered::Deleted => names::no_exchange(&name, &directory.vhost),
            })
        }
    }
}

impl Handler<QueueEnded> for VirtualHost {
    type Result = ();

    fn handle(&mut self, ended: QueueEnded, ctx: &mut Context<Self>) {
        match ended {
            QueueEnded::Deleted { queue, departing } => drop(self.forget_queue(queue, departing, ctx)),
            QueueEnded::Departed { queue } => self.departed(queue),
        }
    }
}

impl Handler<ExchangeEnded> for VirtualHost {
    type Result = ();

    fn handle(&mut self, ended: ExchangeEnded, ctx: &mut Context<Self>) {
        self.forget_exchange(&ended.exchange, ended.incarnation, ctx);
    }
}

impl Handler<Gone<QueueId>> for VirtualHost {
    type Result = ();

    fn handle(&mut self, Gone { id, crashed }: Gone<QueueId>, ctx: &mut Context<Self>) {
        if !crashed {
            debug!(queue = id.0, "a queue stopped");
            return;
        }
        let Some(old) = self.take_off_the_books(id) else {
            return self.departing_crashed(id, ctx);
        };
        if self.crashes.too_many(&old.name, Instant::now()) {
            return self.leave_down(&old, ctx);
        }
        error!(queue = %old.name, vhost = %self.directory.vhost, "the queue crashed; it is started anew");
        let (name, options) = (old.name.clone(), Arc::clone(&old.options));
        let birth = Birth::At(old.worker());
        self.create_queue(name, options, old.owner, old.store_id, birth, ctx);
    }
}

impl Handler<Gone<u64>> for VirtualHost {
    type Result = ();

    fn handle(&mut self, Gone { id, crashed }: Gone<u64>, ctx: &mut Context<Self>) {
        if !crashed {
            return;
        }
        let mut exchanges = self.directory.exchanges();
        let Some(old) = exchanges.find(|exchange| exchange.incarnation == id) else {
            return;
        };
        error!(exchange = %old.name, vhost = %self.directory.vhost, "the exchange crashed; it is started anew");
        let bindings = Bindings::clone(&old.bindings.load());
        let (name, options) = (old.name.clone(), old.options.clone());
        self.start_exchange(name, options, old.store_id, bindings, ctx);
    }
}
