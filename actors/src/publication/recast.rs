//! Pages that have the bodies of another page, and one head for all of them.
//!
//! What many messages become together, as dead letters do, is written once, and their bodies are not copied.

use std::sync::Arc;

use leveret_protocol::Body;
use leveret_protocol::properties::flags;

use super::builder::short;
use super::memory::Room;
use super::page::{HEADER, Page, Publication};
use super::sources::Sources;

/// What a page has instead of records.
pub(super) struct Recast {
    /// It has records.
    pub(super) bodies: Arc<Page>,
    exchange: Box<[u8]>,
    routing_key: Box<[u8]>,
    pub(super) properties: Box<[u8]>,
    pub(super) persistent: bool,
    dead_lettered: bool,
    blind: bool,
}

impl Page {
    /// The publications of a page as they are when all but their bodies is like this one. They are at the same offsets.
    ///
    /// What of a name exceeds 255 bytes is cut off.
    pub fn recast(self: &Arc<Self>, like: &Publication<'_>, sources: Option<Sources>) -> Arc<Page> {
        let bodies = self.recast.as_ref().map_or(self, |recast| &recast.bodies);
        let recast = Recast {
            bodies: Arc::clone(bodies),
            exchange: short(like.exchange).into(),
            routing_key: short(like.routing_key).into(),
            properties: like.properties.into(),
            persistent: like.persistent,
            dead_lettered: like.dead_lettered,
            blind: like.blind,
        };
        Arc::new(Page {
            records: Vec::new(),
            large: Vec::new(),
            flags: flags(like.properties),
            bytes: Room::take(recast.bytes()),
            sources: sources.map(Box::new),
            recast: Some(Box::new(recast)),
        })
    }

    /// The publication at an offset of a page without a record there.
    #[inline(never)]
    pub(super) fn get_recast(&self, offset: u32) -> Publication<'_> {
        let Some(recast) = &self.recast else {
            return Publication {
                exchange: &[],
                routing_key: &[],
                properties: &[],
                body: Body::Slice(&[]),
                persistent: false,
                dead_lettered: false,
                blind: false,
                body_len: 0,
            };
        };
        let body = recast.bodies.body(offset);
        Publication {
            exchange: &recast.exchange,
            routing_key: &recast.routing_key,
            properties: &recast.properties,
            persistent: recast.persistent,
            dead_lettered: recast.dead_lettered,
            blind: recast.blind,
            body_len: body.len() as u32,
            body,
        }
    }

    /// What that costs.
    #[inline(never)]
    pub(super) fn cost_recast(&self, offset: u32) -> u32 {
        self.recast.as_ref().map_or(0, |recast| recast.cost(offset))
    }
}

impl Recast {
    #[inline]
    fn cost(&self, offset: u32) -> u32 {
        let inside = (HEADER + self.properties.len()) as u32;
        inside.saturating_add(self.bodies.body_len(offset))
    }

    /// What publications cost together.
    pub(super) fn cost_of_all(&self, offsets: &[u32]) -> u64 {
        offsets.iter().map(|&offset| u64::from(self.cost(offset))).sum()
    }

    fn bytes(&self) -> u64 {
        let names = self.exchange.len() + self.routing_key.len();
        (size_of::<Self>() + names + self.properties.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::OwnedProperties;

    use super::*;
    use crate::publication::PageBuilder;

    fn page() -> (Arc<Page>, [u32; 3]) {
        let mut builder = PageBuilder::new();
        let large = vec![7; 100_000];
        let bodies = [&b"first"[..], b"", &large];
        let offsets = bodies.map(|body| {
            let timed = OwnedProperties::new().with_expiration("1").encode();
            builder.push("x", "key", &timed, true, Body::Slice(body))
        });
        (builder.finish(), offsets)
    }

    fn like(properties: &[u8]) -> Publication<'_> {
        Publication {
            exchange: b"dlx",
            routing_key: b"",
            properties,
            body: Body::Slice(b"of no matter"),
            persistent: false,
            dead_lettered: true,
            blind: false,
            body_len: 12,
        }
    }

    #[test]
    fn publications_are_like_the_one_but_keep_their_bodies() {
        let (page, offsets) = page();
        let properties = OwnedProperties::new().with_priority(3).encode();
        let recast = page.recast(&like(&properties), None);
        assert!((page.timed(), page.has_priorities()) == (true, false));
        assert!((recast.timed(), recast.has_priorities()) == (false, true));
        for offset in offsets {
            let body = page.body(offset);
            let expected = Publication {
                body_len: body.len() as u32,
                body,
                ..like(&properties)
            };
            assert_eq!(recast.get(offset), expected);
            assert_eq!(recast.body(offset), expected.body);
            assert_eq!(recast.body_len(offset), expected.body_len);
            assert_eq!(recast.properties(offset), expected.properties);
            assert_eq!(recast.priority(offset), Some(3));
            assert!(!recast.is_persistent(offset));
        }
        assert_eq!(recast.alike(&offsets).collect::<Vec<_>>(), [offsets]);
        let pattern = recast.pattern(offsets[0]).unwrap();
        assert_eq!(pattern.body(offsets[0]), Some(&b"first"[..]));
        assert!(pattern.body(offsets[1]).is_none() && recast.pattern(offsets[2]).is_none());
        let mut copy = PageBuilder::new();
        let copied = copy.copy(recast.get(offsets[0]));
        assert_eq!(copy.finish().get(copied), recast.get(offsets[0]));
    }

    #[test]
    fn what_is_recast_again_keeps_the_first_page_alone() {
        let (page, offsets) = page();
        let first = page.recast(&like(&[0, 0]), None);
        let second = first.recast(&like(&[0x10, 0, 2]), None);
        drop(first);
        assert_eq!(Arc::strong_count(&page), 2);
        assert_eq!(second.get(offsets[0]).properties, [0x10, 0, 2]);
        assert_eq!(second.body(offsets[2]).len(), 100_000);
    }

    #[test]
    fn a_recast_page_costs_what_its_publications_cost_by_themselves() {
        let (page, offsets) = page();
        let properties = [0x10, 0, 2];
        let recast = page.recast(&like(&properties), None);
        let cost = recast.cost(offsets[0]);
        assert_eq!(cost as usize, HEADER + properties.len() + 5);
        let costs = offsets.map(|offset| u64::from(recast.cost(offset)));
        assert_eq!(recast.cost_of_all(&offsets), costs.iter().sum());
        assert!(recast.bytes() > page.bytes());
        assert_eq!(recast.get(1 << 30).body_len, 0, "there is none");
    }
}
