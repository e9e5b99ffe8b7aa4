//! Policies, as the embedder of a broker sets and reads them.

use std::sync::Arc;

use super::Broker;
use crate::name::Name;
use crate::policy::{Applied, CheckedPolicy, InvalidPolicy, Policy, PolicyClass};
use crate::vhost::VhostHandle;
use crate::vhost::definitions::NotRecorded;
use crate::vhost::messages::{ClearPolicy, SetPolicy};

/// Why a policy was not set or cleared, or why there is nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There is no such virtual host.
    #[error("no vhost '{0}'")]
    NoVhost(Name),
    /// There can't be such a policy.
    #[error(transparent)]
    Invalid(#[from] InvalidPolicy),
    /// The store of definitions can't record it; nothing has changed.
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    /// The broker has stopped.
    #[error("the broker has stopped")]
    Stopped,
}

impl Broker {
    /// Sets a policy of a virtual host, in the place of one of its name and class. It is kept in the data directory, holds for
    /// what exists when this returns, and for what is declared later.
    ///
    /// # Errors
    ///
    /// When the virtual host does not exist, the policy does not fit, or it can't be recorded.
    pub async fn set_policy(
        &self,
        vhost: &str,
        class: PolicyClass,
        policy: Policy,
    ) -> Result<(), PolicyError> {
        let vhost = self.vhost_of_policies(vhost)?;
        let policy = Arc::new(CheckedPolicy::new(policy, class)?);
        let set = vhost.addr.send(SetPolicy { class, policy }).await;
        Ok(set.map_err(|_| PolicyError::Stopped)??)
    }

    /// Clears a policy; answers whether there was one.
    ///
    /// # Errors
    ///
    /// When the virtual host does not exist, or the end of the policy can't be recorded.
    pub async fn clear_policy(
        &self,
        vhost: &str,
        class: PolicyClass,
        name: &str,
    ) -> Result<bool, PolicyError> {
        let vhost = self.vhost_of_policies(vhost)?;
        let name = Name::from(name);
        let cleared = vhost.addr.send(ClearPolicy { class, name }).await;
        Ok(cleared.map_err(|_| PolicyError::Stopped)??)
    }

    /// The policies of a virtual host, by name.
    ///
    /// # Errors
    ///
    /// When the virtual host does not exist.
    pub fn policies(&self, vhost: &str, class: PolicyClass) -> Result<Vec<Policy>, PolicyError> {
        let policies = self.vhost_of_policies(vhost)?.directory.policies();
        Ok(policies.iter(class).cloned().collect())
    }

    /// What policies do to a queue now; `None` when there is no such queue.
    ///
    /// # Errors
    ///
    /// When the virtual host does not exist.
    pub fn policies_of_queue(&self, vhost: &str, queue: &str) -> Result<Option<Applied>, PolicyError> {
        let directory = &self.vhost_of_policies(vhost)?.directory;
        let queue = directory.queue(queue);
        Ok(queue.map(|queue| directory.policies().applied_to_queue(&queue.name, &queue.options)))
    }

    /// What policies do to an exchange now; `None` when there is no such exchange.
    ///
    /// # Errors
    ///
    /// When the virtual host does not exist.
    pub fn policies_of_exchange(&self, vhost: &str, exchange: &str) -> Result<Option<Applied>, PolicyError> {
        let directory = &self.vhost_of_policies(vhost)?.directory;
        let exchange = directory.exchange(exchange);
        Ok(exchange.map(|exchange| directory.policies().applied_to_exchange(&exchange.name)))
    }

    fn vhost_of_policies(&self, name: &str) -> Result<Arc<VhostHandle>, PolicyError> {
        self.node
            .vhost(name)
            .ok_or_else(|| PolicyError::NoVhost(Name::from(name)))
    }
}
