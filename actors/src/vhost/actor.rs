//! The virtual host actor: its tables, how it begins, and what ends with a connection.

use std::sync::Arc;

use actix::prelude::*;
use futures_util::FutureExt;
use futures_util::future::join_all;
use leveret_protocol::Exception;
use rustc_hash::FxHashMap;

use super::crashes::Crashes;
use super::definitions::{Definitions, Recovered};
use super::departing::Leaver;
use super::directory::Directory;
use super::forgetting::{Forgetting, Sources};
use super::messages::*;
use super::placement::Placement;
use super::settings::VhostSettings;
use super::under_way::UnderWay;
use crate::exchange::bindings::Destination;
use crate::id::{ConnectionId, QueueId};
use crate::lease::Lease;
use crate::name::Name;
use crate::node::Node;
use crate::policy::PolicyClass;
use crate::queue::messages as queue;

/// One virtual host.
pub struct VirtualHost {
    pub(super) node: Arc<Node>,
    pub(crate) directory: Arc<Directory>,
    pub(super) definitions: Arc<dyn Definitions>,
    recovered: Recovered,
    /// What is being recorded before it comes to life.
    pub(super) under_way: UnderWay<Destination>,
    /// Policies that are being recorded.
    pub(super) policies_under_way: UnderWay<(PolicyClass, Name)>,
    pub(super) settings: VhostSettings,
    /// Whether settings are being recorded.
    pub(super) settings_under_way: UnderWay<()>,
    pub(super) names_of: FxHashMap<QueueId, Name>,
    pub(super) placement: Arc<Placement>,
    pub(super) exclusive: FxHashMap<ConnectionId, Vec<QueueId>>,
    /// The exchanges that may have bindings to a destination.
    pub(super) sources_of: FxHashMap<Destination, Sources>,
    pub(super) forgetting: Forgetting,
    pub(super) crashes: Crashes,
    /// Queues that are deleted, and of which there is something to be carried away.
    pub(super) departing: FxHashMap<QueueId, Leaver>,
    pub(super) incarnations: u64,
    _lease: Lease<Name>,
}

/// What a question to the virtual host is answered with.
pub(super) type Answer<T> = ResponseActFuture<VirtualHost, Result<T, Exception>>;

impl VirtualHost {
    /// A virtual host that has no exchanges yet; the predeclared ones and what was recovered come when it starts.
    pub fn new(
        node: Arc<Node>,
        directory: Arc<Directory>,
        (definitions, recovered): (Arc<dyn Definitions>, Recovered),
        lease: Lease<Name>,
    ) -> Self {
        VirtualHost {
            placement: Arc::new(Placement::new(
                node.workers.clone(),
                node.settings.connections_together,
            )),
            node,
            directory,
            definitions,
            recovered,
            under_way: UnderWay::default(),
            policies_under_way: UnderWay::default(),
            settings: VhostSettings::default(),
            settings_under_way: UnderWay::default(),
            names_of: FxHashMap::default(),
            exclusive: FxHashMap::default(),
            sources_of: FxHashMap::default(),
            forgetting: Forgetting::default(),
            crashes: Crashes::default(),
            departing: FxHashMap::default(),
            incarnations: 0,
            _lease: lease,
        }
    }
}

impl Actor for VirtualHost {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let recovered = std::mem::take(&mut self.recovered);
        self.recover(recovered, ctx);
    }
}

impl Drop for VirtualHost {
    /// Queues that do not live yet know the directory, which knows them.
    fn drop(&mut self) {
        self.directory.queues().for_each(|queue| queue.dwelling.abandon());
    }
}

impl Handler<ReleaseExclusive> for VirtualHost {
    type Result = ResponseFuture<()>;

    fn handle(
        &mut self,
        ReleaseExclusive { connection }: ReleaseExclusive,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        let mut forgotten = Vec::new();
        for id in self.exclusive.remove(&connection).unwrap_or_default() {
            if let Some(queue) = self.forget_queue(id, None, ctx) {
                queue.addr().do_send(queue::Delete {
                    if_unused: false,
                    if_empty: false,
                });
                let destination = Destination::Queue(queue.name.clone());
                forgotten.extend(self.forgetting.wait(&destination));
            }
        }
        Box::pin(join_all(forgotten).map(drop))
    }
}
