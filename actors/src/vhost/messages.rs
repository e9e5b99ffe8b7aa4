//! The mailbox of a virtual host: everything that changes a name.

use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::Exception;

use crate::exchange::bindings::Binding;
use crate::exchange::options::ExchangeOptions;
use crate::id::{ConnectionId, QueueId};
use crate::name::Name;
use crate::node::WorkerId;
use crate::policy::{CheckedPolicy, PolicyClass};
use crate::queue::actor::Queue;
use crate::queue::options::QueueOptions;
use crate::vhost::definitions::NotRecorded;
use crate::vhost::directory::QueueHandle;
use crate::vhost::settings::VhostSetting;

/// exchange.declare: there is an exchange of that name with those options afterwards.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Exception>")]
pub struct DeclareExchange {
    /// Its name, free of what names may not contain.
    pub name: Name,
    /// What it is wanted to be.
    pub options: ExchangeOptions,
    /// Who asks.
    pub connection: ConnectionId,
    /// Where that one lives.
    pub worker: WorkerId,
}

/// exchange.delete. An exchange that does not exist is as good as deleted.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Exception>")]
pub struct DeleteExchange {
    /// Its name.
    pub name: Name,
    /// Refuse while there are bindings.
    pub if_unused: bool,
}

/// The queue that answers a declaration.
#[derive(Debug)]
pub struct Declared {
    /// The queue.
    pub queue: Arc<QueueHandle>,
    /// It came to life just now: nothing is in it.
    pub new: bool,
}

/// queue.declare: answers the queue of that name, which may be new.
#[derive(Debug, Message)]
#[rtype(result = "Result<Declared, Exception>")]
pub struct DeclareQueue {
    /// Its name; made by the broker when empty.
    pub name: Name,
    /// What it is wanted to be.
    pub options: QueueOptions,
    /// Who asks.
    pub connection: ConnectionId,
    /// Where that one lives.
    pub worker: WorkerId,
}

/// A passive declaration of a queue that is left down: it comes to life again if its time has come.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Exception>")]
pub struct Revive {
    /// Its name.
    pub queue: Name,
}

/// queue.delete of a queue that is left down: its messages are dropped with it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct DropDown {
    /// Which queue.
    pub queue: QueueId,
}

/// queue.bind and exchange.bind.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Exception>")]
pub struct Bind {
    /// The exchange that routes.
    pub source: Name,
    /// Where to, and when.
    pub binding: Binding,
    /// Who asks.
    pub connection: ConnectionId,
}

/// queue.unbind and exchange.unbind. What is not bound is as good as unbound.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Exception>")]
pub struct Unbind {
    /// The exchange that routes.
    pub source: Name,
    /// Where to, and when.
    pub binding: Binding,
    /// Who asks.
    pub connection: ConnectionId,
}

/// Sets a policy, in the place of one of its name: answered when it is recorded and holds.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), NotRecorded>")]
pub struct SetPolicy {
    /// Its class.
    pub class: PolicyClass,
    /// The policy.
    pub policy: Arc<CheckedPolicy>,
}

/// Clears a policy: answers whether there was one, when that is recorded and it holds no longer.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, NotRecorded>")]
pub struct ClearPolicy {
    /// Its class.
    pub class: PolicyClass,
    /// Its name.
    pub name: Name,
}

/// Sets something for the virtual host itself: answered when it is recorded and holds.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), NotRecorded>")]
pub struct SetVhost(pub VhostSetting);

/// A connection ends: its exclusive queues go before this is answered.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ReleaseExclusive {
    /// Which connection.
    pub connection: ConnectionId,
}

/// A queue has ended: answered when no binding leads to it any more, and when its end is recorded.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Exception>")]
pub struct Forgotten {
    /// The name it had.
    pub queue: Name,
    /// Whether its end has to be recorded.
    pub durable: bool,
}

/// Asks for the queues that are deleted, and of which there is something to be carried away.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Addr<Queue>>")]
pub struct Leavers;

/// Answered when everything that was sent to the virtual host before has been handled.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Settled;
