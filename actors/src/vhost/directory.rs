//! The names of a virtual host, as channels read them: without a hop and without a lock.
//!
//! The VirtualHost actor is the single writer. Every change swaps in a new immutable map (sharing all
//! it did not touch with the old one) and raises the generation, by which channels know that a route
//! they remember may be stale. A change is in place before the client hears that it was made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix::prelude::*;
use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::dwelling::Dwelling;
use super::limits::{Presence, VhostLimits, Visitors};
use crate::exchange::actor::Exchange;
use crate::exchange::bindings::{Bindings, Destination};
use crate::exchange::options::ExchangeOptions;
use crate::exchange::walk::{Graph, Routing};
use crate::id::{ConnectionId, QueueId, StoreId};
use crate::name::Name;
use crate::node::WorkerId;
use crate::policy::Policies;
use crate::queue::actor::Queue;
use crate::queue::messages::DirectReply;
use crate::queue::options::{QueueKind, QueueOptions};

/// What others know of a queue.
#[derive(Debug, Clone)]
pub struct QueueHandle {
    /// Names one incarnation of the queue: a queue declared anew under an old name has a new id.
    pub id: QueueId,
    /// Its name.
    pub name: Name,
    /// Its mailbox, and where it lives.
    pub dwelling: Arc<Dwelling>,
    /// The connection an exclusive queue belongs to.
    pub owner: Option<ConnectionId>,
    /// What it was declared with.
    pub options: Arc<QueueOptions>,
    /// What its definition and its messages are kept under, if it is durable.
    pub store_id: Option<StoreId>,
    /// Set when it crashed again and again and is left down: its mailbox is closed, and a declaration starts it again from
    /// this time on.
    pub down_until: Option<Instant>,
}

impl QueueHandle {
    /// Its mailbox. It comes to life if it has not yet.
    pub fn addr(&self) -> &Addr<Queue> {
        self.dwelling.addr()
    }

    /// Where it lives. It comes to life if it has not yet.
    pub fn worker(&self) -> WorkerId {
        self.dwelling.worker()
    }

    /// Whether `connection` must be refused with RESOURCE_LOCKED.
    pub fn is_locked_for(&self, connection: ConnectionId) -> bool {
        self.owner.is_some_and(|owner| owner != connection)
    }
}

/// What others know of an exchange, and the routing table it lends them.
#[derive(Debug)]
pub struct ExchangeHandle {
    /// Its name.
    pub name: Name,
    /// What it was declared with.
    pub options: ExchangeOptions,
    /// Names one incarnation of the exchange.
    pub incarnation: u64,
    /// What its definition is kept under, if it is durable.
    pub store_id: Option<StoreId>,
    /// Its mailbox.
    pub addr: Addr<Exchange>,
    /// The table as of its latest binding.
    pub routing: ArcSwap<Routing>,
    /// What the table was made of. They outlive a crash of the exchange.
    pub bindings: ArcSwap<Bindings>,
}

impl ExchangeHandle {
    /// Swaps in the bindings after a change, and their table.
    pub(crate) fn publish(&self, bindings: &Bindings) {
        self.bindings.store(Arc::new(bindings.clone()));
        self.routing.rcu(|current| Routing {
            routes: bindings.routes(),
            ..Routing::clone(current)
        });
    }

    /// Swaps in another alternate exchange after a change of policies; whether it is another one.
    pub(crate) fn publish_alternate(&self, alternate: &Option<Name>) -> bool {
        if self.routing.load().alternate == *alternate {
            return false;
        }
        self.routing.rcu(|current| Routing {
            alternate: alternate.clone(),
            ..Routing::clone(current)
        });
        true
    }
}

type Map<T> = imbl::HashMap<Name, Arc<T>>;

/// The exchanges, queues and reply addresses of a virtual host by name.
#[derive(Debug)]
pub struct Directory {
    /// The virtual host's own name.
    pub vhost: Name,
    generation: AtomicU64,
    queues: ArcSwap<Map<QueueHandle>>,
    exchanges: ArcSwap<Map<ExchangeHandle>>,
    replies: ArcSwap<imbl::HashMap<Name, Recipient<DirectReply>>>,
    policies: ArcSwap<Policies>,
    default_queue_type: ArcSwap<QueueKind>,
    limits: ArcSwap<VhostLimits>,
    visitors: Visitors,
    whole: watch::Sender<bool>,
}

impl Directory {
    pub(crate) fn new(vhost: Name) -> Self {
        Directory {
            vhost,
            generation: AtomicU64::new(1),
            queues: ArcSwap::default(),
            exchanges: ArcSwap::default(),
            replies: ArcSwap::default(),
            policies: ArcSwap::default(),
            default_queue_type: ArcSwap::default(),
            limits: ArcSwap::default(),
            visitors: Visitors::default(),
            whole: watch::Sender::new(false),
        }
    }

    /// All that was there before a restart is here.
    pub(crate) fn complete(&self) {
        self.whole.send_replace(true);
    }

    /// Whether all is here that was there before a restart. What is routed earlier may miss its way.
    pub(crate) fn is_complete(&self) -> bool {
        *self.whole.borrow()
    }

    /// Returns once it [is complete](Self::is_complete).
    pub(crate) async fn completed(&self) {
        // It can't fail: the sender is here for as long as this is asked.
        let _ = self.whole.subscribe().wait_for(|whole| *whole).await;
    }

    /// Changes whenever a route may have changed.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Makes every remembered route stale.
    pub(crate) fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The queue of that name.
    pub fn queue(&self, name: &str) -> Option<Arc<QueueHandle>> {
        self.queues.load().get(name).cloned()
    }

    /// The exchange of that name.
    pub fn exchange(&self, name: &str) -> Option<Arc<ExchangeHandle>> {
        self.exchanges.load().get(name).cloned()
    }

    /// The type of a queue whose declaration asks for none, if it can be of that type.
    pub fn default_queue_type(&self) -> QueueKind {
        **self.default_queue_type.load()
    }

    pub(crate) fn put_default_queue_type(&self, kind: QueueKind) {
        self.default_queue_type.store(Arc::new(kind));
    }

    /// How much there may be in the virtual host.
    pub fn limits(&self) -> VhostLimits {
        **self.limits.load()
    }

    pub(crate) fn put_limits(&self, limits: VhostLimits) {
        self.limits.store(Arc::new(limits));
    }

    /// Counts a connection in.
    ///
    /// # Errors
    ///
    /// The limit, when there are as many.
    pub(crate) fn enter(&self) -> Result<Presence, u32> {
        let most = self.limits().max_connections;
        let presence = self.visitors.enter(most);
        presence.ok_or(most.unwrap_or_default())
    }

    /// The policies of the virtual host, as of now.
    pub fn policies(&self) -> Arc<Policies> {
        self.policies.load_full()
    }

    pub(crate) fn put_policies(&self, policies: Policies) {
        self.policies.store(Arc::new(policies));
    }

    /// What a destination is kept under, if it exists and is durable.
    pub(crate) fn store_id(&self, destination: &Destination) -> Option<StoreId> {
        match destination {
            Destination::Queue(name) => self.queue(name)?.store_id,
            Destination::Exchange(name) => self.exchange(name)?.store_id,
        }
    }

    /// The channel that waits for direct replies under that name.
    pub(crate) fn reply_address(&self, name: &str) -> Option<Recipient<DirectReply>> {
        self.replies.load().get(name).cloned()
    }

    /// How many queues there are at most: those of the broker's own use are counted with them.
    pub(crate) fn queues_at_most(&self) -> usize {
        self.queues.load().len()
    }

    /// How many queues there are that clients know.
    pub(crate) fn queue_count(&self) -> usize {
        let queues = self.queues.load();
        let known = |queue: &&Arc<QueueHandle>| queue.options.waiting_room_of.is_none();
        queues.values().filter(known).count()
    }

    /// All queues, in no order.
    pub fn queues(&self) -> impl Iterator<Item = Arc<QueueHandle>> + use<> {
        let snapshot = Map::clone(&self.queues.load());
        snapshot.into_iter().map(|(_, queue)| queue)
    }

    /// All exchanges, in no order.
    pub fn exchanges(&self) -> impl Iterator<Item = Arc<ExchangeHandle>> + use<> {
        let snapshot = Map::clone(&self.exchanges.load());
        snapshot.into_iter().map(|(_, exchange)| exchange)
    }

    pub(crate) fn put_queue(&self, queue: Arc<QueueHandle>) {
        self.queues
            .store(Arc::new(self.queues.load().update(queue.name.clone(), queue)));
        self.changed();
    }

    pub(crate) fn remove_queue(&self, name: &str) {
        self.queues.store(Arc::new(self.queues.load().without(name)));
        self.changed();
    }

    pub(crate) fn put_exchange(&self, exchange: Arc<ExchangeHandle>) {
        self.exchanges.store(Arc::new(
            self.exchanges.load().update(exchange.name.clone(), exchange),
        ));
        self.changed();
    }

    pub(crate) fn remove_exchange(&self, name: &str) {
        self.exchanges
            .store(Arc::new(self.exchanges.load().without(name)));
        self.changed();
    }

    pub(crate) fn put_reply_address(&self, name: Name, to: Recipient<DirectReply>) {
        self.replies
            .rcu(|replies| replies.update(name.clone(), to.clone()));
    }

    pub(crate) fn remove_reply_address(&self, name: &str) {
        self.replies.rcu(|replies| replies.without(name));
    }
}

impl Graph for Directory {
    fn exchange(&self, name: &str) -> Option<Arc<Routing>> {
        self.exchanges
            .load()
            .get(name)
            .map(|exchange| exchange.routing.load_full())
    }

    fn queue(&self, name: &str) -> Option<Name> {
        let queues = self.queues.load();
        let queue = queues.get(name)?;
        let known = queue.options.waiting_room_of.is_none();
        known.then(|| queue.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn who_waits_for_it_to_be_complete_waits_no_longer_than_that() {
        let directory = Directory::new(Name::from("/"));
        let mut early = Box::pin(directory.completed());
        assert!(early.as_mut().now_or_never().is_none());
        assert!(!directory.is_complete());
        directory.complete();
        assert!(early.now_or_never().is_some());
        assert!(directory.completed().now_or_never().is_some());
    }
}
