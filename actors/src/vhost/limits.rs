//! How much there may be in a virtual host, and who counts as connected to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The limits of a virtual host. What is there already when one is set stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VhostLimits {
    /// Connections that may be open at once; `None` for any number.
    pub max_connections: Option<u32>,
    /// Queues that there may be; `None` for any number.
    pub max_queues: Option<u32>,
}

/// There is no limit of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no limit '{0}'")]
pub struct UnknownLimit(pub String);

impl VhostLimits {
    /// Sets one by the name that RabbitMQ's tools give it, `max-connections` or `max-queues`. A negative value lifts it; what
    /// exceeds 32 bits counts as the most that fits.
    ///
    /// # Errors
    ///
    /// When there is no limit of that name.
    pub fn set(&mut self, name: &str, value: i64) -> Result<(), UnknownLimit> {
        let limit = match name {
            "max-connections" => &mut self.max_connections,
            "max-queues" => &mut self.max_queues,
            _ => return Err(UnknownLimit(name.to_owned())),
        };
        *limit = u64::try_from(value)
            .ok()
            .map(|value| u32::try_from(value).unwrap_or(u32::MAX));
        Ok(())
    }
}

/// The connections that are open in a virtual host.
#[derive(Debug, Default)]
pub(crate) struct Visitors(Arc<AtomicU32>);

impl Visitors {
    /// One more, unless there are as many as there may be.
    pub(super) fn enter(&self, most: Option<u32>) -> Option<Presence> {
        let others = self.0.fetch_add(1, Ordering::AcqRel);
        // Leaving again is the way out also for one that may not enter.
        let presence = Presence(Arc::clone(&self.0));
        most.is_none_or(|most| others < most).then_some(presence)
    }
}

/// A connection that is open in a virtual host; it is not any more when this is dropped.
#[derive(Debug)]
pub(crate) struct Presence(Arc<AtomicU32>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_limit_is_none_and_zero_allows_nothing() {
        let mut limits = VhostLimits::default();
        limits.set("max-queues", 0).unwrap();
        limits.set("max-connections", i64::MAX).unwrap();
        let (connections, queues) = (limits.max_connections, limits.max_queues);
        assert_eq!((connections, queues), (Some(u32::MAX), Some(0)));
        limits.set("max-queues", -1).unwrap();
        assert_eq!(limits.max_queues, None);
        let unknown = limits.set("max-exchanges", 1).unwrap_err();
        assert_eq!(unknown.to_string(), "there is no limit 'max-exchanges'");
    }

    #[test]
    fn as_many_enter_as_may_be_there_and_more_when_some_left() {
        let visitors = Visitors::default();
        assert!(visitors.enter(Some(0)).is_none());
        let first = visitors.enter(Some(2));
        let second = visitors.enter(Some(2));
        assert!(first.is_some() && second.is_some() && visitors.enter(Some(2)).is_none());
        drop(first);
        let third = visitors.enter(Some(2));
        assert!(third.is_some() && visitors.enter(Some(2)).is_none());
        assert!(visitors.enter(None).is_some());
    }
}
