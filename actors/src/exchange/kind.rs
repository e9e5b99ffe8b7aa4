//! The types of exchanges: the four of AMQP, and those that RabbitMQ's users have by plugins.

use std::fmt;

use super::binding::Destination;

/// How an exchange chooses among its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeKind {
    /// The routing key equals the binding key.
    Direct,
    /// Every binding.
    Fanout,
    /// The routing key matches the binding key word by word.
    Topic,
    /// The binding key matches the routing key word by word: that is the pattern.
    ReverseTopic,
    /// The message's headers match the binding's arguments.
    Headers,
    /// The message's headers fulfil the binding's selector.
    JmsTopic,
    /// One destination by a hash of the message; the binding key is its weight.
    ConsistentHash,
    /// One destination by a hash of the routing key, all alike.
    ModulusHash,
    /// One destination by chance.
    Random,
    /// One queue of this node by chance.
    LocalRandom,
    /// Every binding; a new one gets the last messages first.
    RecentHistory,
    /// Every binding, unless the message was here before.
    Deduplication,
}

/// Every type and the name clients declare it by.
const NAMES: [(ExchangeKind, &str); 12] = [
    (ExchangeKind::Direct, "direct"),
    (ExchangeKind::Fanout, "fanout"),
    (ExchangeKind::Topic, "topic"),
    (ExchangeKind::ReverseTopic, "x-rtopic"),
    (ExchangeKind::Headers, "headers"),
    (ExchangeKind::JmsTopic, "x-jms-topic"),
    (ExchangeKind::ConsistentHash, "x-consistent-hash"),
    (ExchangeKind::ModulusHash, "x-modulus-hash"),
    (ExchangeKind::Random, "x-random"),
    (ExchangeKind::LocalRandom, "x-local-random"),
    (ExchangeKind::RecentHistory, "x-recent-history"),
    (ExchangeKind::Deduplication, "x-message-deduplication"),
];

impl ExchangeKind {
    /// Reads the `type` field of `exchange.declare`; `None` for a type this broker does not have.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(kind, _)| *kind)
    }

    /// The name clients declare it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = NAMES.iter().find(|(kind, _)| *kind == self);
        known.map_or("", |(_, name)| name)
    }
}

impl ExchangeKind {
    /// Whether an exchange of this type can hand messages to this destination.
    pub(super) fn leads_to(self, destination: &Destination) -> bool {
        self != ExchangeKind::LocalRandom || matches!(destination, Destination::Queue(_))
    }
}

impl fmt::Display for ExchangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_declared_by_its_name() {
        for (kind, name) in NAMES {
            assert_eq!((ExchangeKind::parse(name), kind.name()), (Some(kind), name));
        }
    }

    #[test]
    fn other_types_are_unknown() {
        for name in ["", "Direct", "x-delayed-message"] {
            assert_eq!(ExchangeKind::parse(name), None);
        }
    }
}
