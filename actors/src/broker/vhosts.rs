//! What an embedder sets for a virtual host.

use std::sync::Arc;

use super::Broker;
use crate::name::Name;
use crate::queue::options::QueueKind;
use crate::vhost::VhostHandle;
use crate::vhost::definitions::NotRecorded;
use crate::vhost::limits::VhostLimits;
use crate::vhost::messages::SetVhost;
use crate::vhost::settings::VhostSetting;

/// Why nothing was set for a virtual host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VhostError {
    /// There is no such virtual host.
    #[error("no vhost '{0}'")]
    NoVhost(Name),
    /// The store of definitions can't record it; nothing has changed.
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    /// The broker has stopped.
    #[error("the broker has stopped")]
    Stopped,
}

impl Broker {
    /// Sets the type of the queues of a virtual host whose declaration has no `x-queue-type`; `None` for what the
    /// [settings](crate::node::Settings::default_queue_type) say. It is kept in the data directory, and holds for declarations
    /// after this returns; queues that exist stay what they are.
    ///
    /// Only what can be a quorum queue becomes one for not asking: a durable queue, shared, lasting and with a name.
    ///
    /// # Errors
    ///
    /// When the virtual host does not exist, or it can't be recorded.
    pub async fn set_default_queue_type(
        &self,
        vhost: &str,
        kind: Option<QueueKind>,
    ) -> Result<(), VhostError> {
        self.set_vhost(vhost, VhostSetting::DefaultQueueType(kind)).await
    }

    /// The type of a queue of this virtual host whose declaration has no `x-queue-type`.
    ///
    /// # Errors
    ///
    /// When the virtual host does not exist.
    pub fn default_queue_type(&self, vhost: &str) -> Result<QueueKind, VhostError> {
        Ok(self.vhost_of_that_name(vhost)?.directory.default_queue_type())
    }

    /// Sets how many connections may be open in a virtual host, and how many queues may be there. It is kept in the data
    /// directory. Connections and queues that exceed a limit already stay; to open another connection is refused with 530 then,
    /// to declare another queue with 406.
    ///
    /// # Errors
    ///
    /// When the virtual host does not exist, or it can't be recorded.
    pub async fn set_vhost_limits(&self, vhost: &str, limits: VhostLimits) -> Result<(), VhostError> {
        self.set_vhost(vhost, VhostSetting::Limits(limits)).await
    }

    /// How many connections may be open in a virtual host, and how many queues may be there.
    ///
    /// # Errors
    ///
    /// When the virtual host does not exist.
    pub fn vhost_limits(&self, vhost: &str) -> Result<VhostLimits, VhostError> {
        Ok(self.vhost_of_that_name(vhost)?.directory.limits())
    }

    async fn set_vhost(&self, vhost: &str, setting: VhostSetting) -> Result<(), VhostError> {
        let vhost = self.vhost_of_that_name(vhost)?;
        let set = vhost.addr.send(SetVhost(setting)).await;
        Ok(set.map_err(|_| VhostError::Stopped)??)
    }

    fn vhost_of_that_name(&self, name: &str) -> Result<Arc<VhostHandle>, VhostError> {
        let found = self.node.vhost(name);
        found.ok_or_else(|| VhostError::NoVhost(name.into()))
    }
}
