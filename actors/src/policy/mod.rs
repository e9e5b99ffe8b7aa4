//! Policies: what holds for every queue and exchange whose name matches, however it was declared.
//!
//! - [`definition`] reads and checks what a policy says
//! - [`matching`] is the set of policies of a virtual host, and which of them holds for what
//!
//! A policy is of one of two [classes](PolicyClass): users set ordinary ones, and an operator bounds queues with operator
//! policies. Of each class one policy holds for an object: the matching one of the highest priority, and among equals the
//! one whose name comes first.

mod definition;
mod matching;

use std::fmt;

use leveret_protocol::FieldTable;

pub use definition::InvalidPolicy;
pub(crate) use definition::shown;
pub use matching::{Applied, CheckedPolicy, Policies};

use crate::name::Name;
use crate::queue::options::QueueKind;

/// Who a policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyClass {
    /// A user of the virtual host.
    Ordinary,
    /// The operator of the broker; it bounds queues only, and goes before an ordinary one.
    Operator,
}

/// One policy of a virtual host.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name, which tells it from others of its class.
    pub name: Name,
    /// A regular expression; a name matches that has it anywhere.
    pub pattern: String,
    /// What it says, such as `max-length` with a number.
    pub definition: FieldTable,
    /// Of those that match, the highest holds.
    pub priority: i32,
    /// What it is for.
    pub apply_to: ApplyTo,
}

/// What a policy is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplyTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Exchanges.
    Exchanges,
    /// Queues of every type.
    Queues,
    /// Classic queues.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Streams.
    Streams,
}

impl ApplyTo {
    /// Reads the name that clients use.
    ///
    /// # Errors
    ///
    /// Says which names there are.
    pub fn parse(name: &str) -> Result<Self, InvalidPolicy> {
        match name {
            "all" => Ok(ApplyTo::All),
            "exchanges" => Ok(ApplyTo::Exchanges),
            "queues" => Ok(ApplyTo::Queues),
            "classic_queues" => Ok(ApplyTo::ClassicQueues),
            "quorum_queues" => Ok(ApplyTo::QuorumQueues),
            "streams" => Ok(ApplyTo::Streams),
            other => Err(InvalidPolicy::new(format!(
                "apply-to '{other}' unrecognised; should be one of: 'queues', 'classic_queues', \
                 'quorum_queues', 'streams', 'exchanges', or 'all'"
            ))),
        }
    }

    /// The name that clients use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ApplyTo::All => "all",
            ApplyTo::Exchanges => "exchanges",
            ApplyTo::Queues => "queues",
            ApplyTo::ClassicQueues => "classic_queues",
            ApplyTo::QuorumQueues => "quorum_queues",
            ApplyTo::Streams => "streams",
        }
    }

    fn queues_of(self, kind: QueueKind) -> bool {
        match self {
            ApplyTo::All | ApplyTo::Queues => true,
            ApplyTo::ClassicQueues => kind == QueueKind::Classic,
            ApplyTo::QuorumQueues => kind == QueueKind::Quorum,
            ApplyTo::Exchanges | ApplyTo::Streams => false,
        }
    }

    fn exchanges(self) -> bool {
        matches!(self, ApplyTo::All | ApplyTo::Exchanges)
    }
}

impl fmt::Display for ApplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
