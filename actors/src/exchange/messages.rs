//! The mailbox of an exchange: changes to its bindings. Each is answered after the new routing table is in place.

use actix::prelude::*;
use leveret_protocol::Exception;

use super::bindings::{Binding, Destination};
use crate::id::StoreId;

/// Adds a binding; answers whether it was new. It is recorded first if both ends are durable.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<bool, Exception>")]
pub struct Bind {
    /// The binding.
    pub binding: Binding,
    /// What the destination is kept under, if it is durable.
    pub destination_id: Option<StoreId>,
}

/// What came of removing bindings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, MessageResponse)]
pub struct Removed {
    /// There were any.
    pub any: bool,
    /// They were the last, and the exchange has gone with them.
    pub ended: bool,
}

/// Removes a binding; answered when its end is recorded.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Removed, Exception>")]
pub struct Unbind {
    /// The binding.
    pub binding: Binding,
    /// Whether the destination is durable.
    pub durable: bool,
}

/// A destination is no more: its bindings go.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Removed")]
pub struct Forget {
    /// The destination.
    pub destination: Destination,
}

/// exchange.delete; refused (false) with `if-unused` while there are bindings.
#[derive(Debug, Clone, Message)]
#[rtype(result = "bool")]
pub struct Delete {
    /// Refuse while there are bindings.
    pub if_unused: bool,
}

/// Asks for the bindings.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Binding>")]
pub struct ListBindings;
