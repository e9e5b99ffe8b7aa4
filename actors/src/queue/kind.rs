//! The types of queues, and the arguments each has.

use std::fmt;

/// What `x-queue-type` chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QueueKind {
    /// What AMQP means by a queue.
    #[default]
    Classic,
    /// Durable with all that is in it, and with a limit to how often a message comes back.
    Quorum,
}

/// Arguments that tell queues of either type apart, in the order in which two declarations are compared.
const COMPARED: [&str; 17] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-single-active-consumer",
    "x-queue-leader-locator",
    "x-delivery-limit",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
    "x-consumer-timeout",
    "x-message-deduplication",
    "x-cache-size",
    "x-cache-ttl",
];

const COMPARED_CLASSIC: [&str; 4] = [
    "x-max-priority",
    "x-queue-mode",
    "x-queue-version",
    "x-queue-master-locator",
];

const COMPARED_QUORUM: [&str; 6] = [
    "x-dead-letter-strategy",
    "x-quorum-initial-group-size",
    "x-quorum-target-group-size",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-consumer-disconnected-timeout",
];

/// Arguments of streams.
const STREAM: [&str; 4] = [
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-stream-filter-size-bytes",
    "x-initial-cluster-size",
];

impl QueueKind {
    /// Reads `x-queue-type`; `None` for a type this broker does not have.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "classic" | "rabbit_classic_queue" => Some(QueueKind::Classic),
            "quorum" | "rabbit_quorum_queue" => Some(QueueKind::Quorum),
            _ => None,
        }
    }

    /// The name clients declare it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            QueueKind::Classic => "classic",
            QueueKind::Quorum => "quorum",
        }
    }

    /// The name in refusals.
    #[must_use]
    pub fn long_name(self) -> &'static str {
        match self {
            QueueKind::Classic => "rabbit_classic_queue",
            QueueKind::Quorum => "rabbit_quorum_queue",
        }
    }

    /// The arguments by which two declarations of such a queue are compared, in this order. The type itself is not
    /// among them.
    pub(super) fn compared(self) -> impl Iterator<Item = &'static str> {
        COMPARED.into_iter().chain(self.own().iter().copied())
    }

    /// Arguments that only queues of other types have.
    pub(super) fn foreign(self) -> impl Iterator<Item = &'static str> {
        let others: &[&str] = match self {
            QueueKind::Classic => &COMPARED_QUORUM,
            // An old hint where to start a queue; it hurts nobody.
            QueueKind::Quorum => COMPARED_CLASSIC.split_last().map_or(&[], |(_, others)| others),
        };
        others.iter().chain(&STREAM).copied()
    }

    fn own(self) -> &'static [&'static str] {
        match self {
            QueueKind::Classic => &COMPARED_CLASSIC,
            QueueKind::Quorum => &COMPARED_QUORUM,
        }
    }
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_declared_by_either_name() {
        for kind in [QueueKind::Classic, QueueKind::Quorum] {
            assert_eq!(QueueKind::parse(kind.name()), Some(kind));
            assert_eq!(QueueKind::parse(kind.long_name()), Some(kind));
        }
        for name in ["", "Quorum", "stream"] {
            assert_eq!(QueueKind::parse(name), None);
        }
    }

    #[test]
    fn no_type_compares_what_it_does_not_have() {
        for kind in [QueueKind::Classic, QueueKind::Quorum] {
            assert!(kind.foreign().all(|key| kind.compared().all(|one| one != key)));
        }
    }
}
