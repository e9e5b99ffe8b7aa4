//! What becomes of a message and where that goes, remembered for those that follow and differ from it in their bodies only.

use super::death::Death;
use super::errand::Outgoing;
use crate::name::Name;
use crate::publication::Publication;
use crate::queue::Reason;

/// The way of a message, and of all like it.
#[derive(Debug)]
pub(super) struct Course {
    was: Was,
    /// What becomes of them.
    pub(super) outgoing: Outgoing,
    /// Where they go.
    pub(super) targets: Vec<Target>,
    /// At which generation of the directory that was found out; `None` when it is to be found out for each.
    pub(super) as_of: Option<u64>,
}

/// A queue, as the forwarder is attached to it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) key: u32,
    pub(super) name: Name,
}

/// All of a message that has a say in what becomes of it.
#[derive(Debug)]
struct Was {
    exchange: Box<[u8]>,
    routing_key: Box<[u8]>,
    properties: Box<[u8]>,
    persistent: bool,
    dead_lettered: bool,
    blind: bool,
    reason: Reason,
    time: u64,
}

impl Course {
    /// That of a message that died so and becomes this. Where it goes is not found out yet.
    pub(super) fn new(publication: &Publication<'_>, death: Death<'_>, outgoing: Outgoing) -> Self {
        let was = Was {
            exchange: publication.exchange.into(),
            routing_key: publication.routing_key.into(),
            properties: publication.properties.into(),
            persistent: publication.persistent,
            dead_lettered: publication.dead_lettered,
            blind: publication.blind,
            reason: death.reason,
            time: death.time,
        };
        Course {
            was,
            outgoing,
            targets: Vec::new(),
            as_of: None,
        }
    }

    /// How many bytes longer messages become.
    pub(super) fn growth(&self) -> usize {
        self.outgoing
            .properties
            .len()
            .saturating_sub(self.was.properties.len())
    }

    /// Whether it is that of this message, too, which died in the same queue.
    #[inline]
    pub(super) fn is_of(&self, publication: &Publication<'_>, death: Death<'_>) -> bool {
        let was = &self.was;
        (was.reason, was.time) == (death.reason, death.time)
            && was.blind == publication.blind
            && (was.persistent, was.dead_lettered) == (publication.persistent, publication.dead_lettered)
            && *was.properties == *publication.properties
            && same(&was.routing_key, publication.routing_key)
            && same(&was.exchange, publication.exchange)
    }
}

/// Equality that never looks at the bytes of an empty name: those of an empty box are nowhere, and comparing none of them
/// there is slow.
#[inline]
fn same(before: &[u8], now: &[u8]) -> bool {
    before.len() == now.len() && (now.is_empty() || before == now)
}

#[cfg(test)]
mod tests {
    use leveret_protocol::Body;

    use super::*;
    use crate::forwarder::errand::Errand;
    use crate::publication::PageBuilder;
    use crate::queue::effective::Effective;

    #[test]
    fn only_a_message_that_differs_in_its_body_alone_goes_the_same_way() {
        let mut builder = PageBuilder::new();
        let offset = builder.push("x", "key", &[0, 0], false, Body::Slice(b"body"));
        let page = builder.finish();
        let death = Death {
            queue: "q",
            reason: Reason::Expired,
            time: 7,
        };
        let (errand, effective) = (Errand::Delayed("x".into()), Effective::default());
        let publication = page.get(offset);
        let outgoing = errand.prepare(&publication, death, &effective).unwrap();
        let course = Course::new(&publication, death, outgoing);
        let like = || publication.clone();
        assert!(course.is_of(&like(), death));
        let body = Body::Slice(b"another");
        assert!(course.is_of(&Publication { body, ..like() }, death));
        let others = [
            Publication {
                exchange: b"",
                ..like()
            },
            Publication {
                routing_key: b"",
                ..like()
            },
            Publication {
                properties: &[0x10, 0, 1],
                ..like()
            },
            Publication {
                persistent: true,
                ..like()
            },
            Publication {
                dead_lettered: true,
                ..like()
            },
        ];
        for other in others {
            assert!(!course.is_of(&other, death), "{other:?}");
        }
        let reason = Reason::Rejected;
        assert!(!course.is_of(&like(), Death { reason, ..death }));
        assert!(!course.is_of(&like(), Death { time: 8, ..death }));
    }
}
