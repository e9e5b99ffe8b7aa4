//! One binding: a destination, and when a message goes there.

use std::sync::Arc;

use leveret_protocol::FieldTable;

use crate::name::Name;

/// What an exchange hands a message to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Destination {
    /// A queue of the same virtual host.
    Queue(Name),
    /// Another exchange of the same virtual host.
    Exchange(Name),
}

impl Destination {
    /// The name of the queue or the exchange.
    #[must_use]
    pub fn name(&self) -> &Name {
        match self {
            Self::Queue(name) | Self::Exchange(name) => name,
        }
    }
}

/// A binding of one exchange, as `queue.bind` or `exchange.bind` asked for it.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Where matching messages go.
    pub destination: Destination,
    /// The binding key.
    pub routing_key: Name,
    /// The arguments, as sent; headers and JMS topic exchanges read them.
    pub arguments: Arc<FieldTable>,
}
