//! Where durable definitions are kept.
//!
//! What is durable exists for clients only once it is recorded: a declaration or a binding is recorded first and takes
//! effect then; a deletion takes effect first and is answered when it is recorded. Policies and settings are recorded first either way. What stands behind the interface
//! (memory, a store on disk, a replicated one) is not the virtual host's concern.

use std::fmt::Display;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use leveret_protocol::{Exception, ReplyCode, Scope};

use super::settings::VhostSettings;
use crate::exchange::bindings::Binding;
use crate::exchange::options::ExchangeOptions;
use crate::id::StoreId;
use crate::name::Name;
use crate::policy::{Policies, Policy, PolicyClass};
use crate::queue::Departing;
use crate::queue::options::QueueOptions;

/// A change of something durable in one virtual host.
#[derive(Debug, Clone)]
pub enum Change {
    /// An exchange was declared.
    ExchangeDeclared {
        /// Tells it from earlier exchanges of that name.
        id: StoreId,
        /// Its name.
        name: Name,
        /// What it was declared with.
        options: ExchangeOptions,
    },
    /// An exchange was deleted, with all bindings from and to it.
    ExchangeDeleted {
        /// Its name.
        name: Name,
        /// The exchanges that may have bindings to it.
        sources: Vec<Name>,
    },
    /// A queue was declared.
    QueueDeclared {
        /// Tells it from earlier queues of that name; its messages are kept under this number.
        id: StoreId,
        /// Its name.
        name: Name,
        /// What it was declared with.
        options: Arc<QueueOptions>,
    },
    /// A queue was deleted, with all bindings to it.
    QueueDeleted {
        /// Its name.
        name: Name,
        /// The exchanges that may have bindings to it.
        sources: Vec<Name>,
        /// What has died in it and is still to be carried away, and what its messages are kept under.
        departing: Option<(StoreId, Arc<Departing>)>,
    },
    /// What had died in a deleted queue is away, or given up.
    QueueDeparted {
        /// What its messages were kept under.
        id: StoreId,
    },
    /// A binding of two durable ends was added. It means nothing when either end is gone.
    Bound {
        /// The exchange that routes.
        source: Name,
        /// Which exchange of that name.
        source_id: StoreId,
        /// Where to, and when.
        binding: Binding,
        /// Which queue or exchange of that name.
        destination_id: StoreId,
    },
    /// A policy was set, in the place of one of its name.
    PolicySet {
        /// Its class.
        class: PolicyClass,
        /// The policy.
        policy: Policy,
    },
    /// A policy was cleared.
    PolicyCleared {
        /// Its class.
        class: PolicyClass,
        /// Its name.
        name: Name,
    },
    /// The virtual host itself was set so.
    VhostSet(VhostSettings),
    /// A binding was removed.
    Unbound {
        /// The exchange that routed.
        source: Name,
        /// Where to, and when.
        binding: Binding,
    },
}

/// Why a change is not recorded, in words for clients and the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotRecorded(pub Arc<str>);

impl NotRecorded {
    /// 506: `what` can't be kept, so it is not done. Ends the channel only.
    pub(crate) fn refuse(&self, what: impl Display) -> Exception {
        // The reason first: a reply text is cut, and names are long.
        let text = format!("not recorded ({self}): {what}");
        Exception::new(ReplyCode::ResourceError, text).at(Scope::Channel)
    }
}

/// Resolves when a change is recorded, or can't be.
pub type Recorded = Pin<Box<dyn Future<Output = Result<(), NotRecorded>> + Send>>;

/// Keeps the definitions of one virtual host.
pub trait Definitions: Send + Sync + 'static {
    /// Records a change. Changes are recorded in the order of these calls.
    fn record(&self, change: Change) -> Recorded;

    /// Resolves when all deletions and unbindings before are recorded.
    fn removals_recorded(&self) -> Recorded;

    /// A number for something new and durable, never given before and never 0.
    fn new_id(&self) -> StoreId;
}

/// The definitions a virtual host begins with.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Exchanges other than the predeclared ones.
    pub exchanges: Vec<(StoreId, Name, ExchangeOptions)>,
    /// Queues.
    pub queues: Vec<(StoreId, Name, QueueOptions)>,
    /// Queues that were deleted, with what is still to be carried away of them.
    pub departing: Vec<(StoreId, Departing)>,
    /// Bindings, each with the exchange that routes.
    pub bindings: Vec<(Name, Binding)>,
    /// Policies.
    pub policies: Policies,
    /// What is set for the virtual host itself.
    pub settings: VhostSettings,
}

/// Keeps nothing: definitions live and end with the process.
#[derive(Debug, Default)]
pub struct Forgetful {
    given: AtomicU64,
}

impl Definitions for Forgetful {
    fn record(&self, _change: Change) -> Recorded {
        nothing()
    }

    fn removals_recorded(&self) -> Recorded {
        nothing()
    }

    fn new_id(&self) -> StoreId {
        StoreId(self.given.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// What is recorded when nothing is to be recorded.
pub(crate) fn nothing() -> Recorded {
    Box::pin(ready(Ok(())))
}
