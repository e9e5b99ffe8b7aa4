//! Identities: small numbers that stand for an actor in messages and tables.
//!
//! A number is given out once in the life of the process, so a late message to something that has ended
//! can never reach its successor.

use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(1);

fn fresh() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u64);

        impl $name {
            /// An identity that nothing else in this process has had.
            #[allow(clippy::should_implement_trait, reason = "an identity is no iterator")]
            pub fn next() -> Self {
                Self(fresh())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

identity!(
    /// One client connection.
    ConnectionId
);
identity!(
    /// One channel of one connection (not the channel's number on the wire).
    ChannelId
);
identity!(
    /// One subscription (not its consumer tag).
    ConsumerId
);
identity!(
    /// The consumers of one connection that are served together.
    HallId
);
identity!(
    /// One listening socket.
    ListenerId
);
identity!(
    /// One queue, from its declaration to its deletion; a queue declared again is another one.
    QueueId
);

impl ConnectionId {
    /// No client's: owns the queues that clients know nothing of.
    pub const NOBODY: ConnectionId = ConnectionId(0);
}

/// A durable exchange or queue, from its declaration to its deletion, across restarts. Never given twice by one store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StoreId(pub u64);

impl StoreId {
    /// What every virtual host has from the start and never loses.
    pub const PREDECLARED: StoreId = StoreId(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_given_once() {
        assert_ne!(ChannelId::next(), ChannelId::next());
        assert_ne!(ConsumerId::next().0, QueueId::next().0);
    }
}
