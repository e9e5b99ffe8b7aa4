//! The part of a batch that is for one queue.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{Delivery, Handout, NO_KEY, Page};
use crate::window::Permit;

/// Publications gathered for any number of queues, and what covers them on their way there.
pub struct Gathered {
    page: Arc<Page>,
    /// Places in the page, those for one queue side by side.
    offsets: Vec<u32>,
    permit: Option<Permit>,
}

impl Gathered {
    /// Publications of one page, those for one queue side by side.
    pub fn new(page: Arc<Page>, offsets: Vec<u32>, permit: Option<Permit>) -> Arc<Self> {
        Arc::new(Gathered {
            page,
            offsets,
            permit,
        })
    }

    /// Those at these places of its offsets, which cost so many bytes together.
    pub fn part(self: &Arc<Self>, range: Range<u32>, bytes: u64) -> Part {
        let to = range.end.min(self.offsets.len() as u32);
        Part {
            gathered: Arc::clone(self),
            from: range.start.min(to),
            to,
            bytes,
        }
    }
}

/// Which of the publications gathered are for one queue. All parts share one allocation: a batch may be for many
/// queues, and have little for each.
#[derive(Clone)]
pub struct Part {
    gathered: Arc<Gathered>,
    from: u32,
    to: u32,
    bytes: u64,
}

impl Part {
    /// All of what was gathered.
    pub fn whole(page: Arc<Page>, offsets: Vec<u32>, permit: Option<Permit>) -> Self {
        let bytes = page.cost_of_all(&offsets);
        let all = 0..offsets.len() as u32;
        Gathered::new(page, offsets, permit).part(all, bytes)
    }

    /// Where the publications are.
    pub fn page(&self) -> &Arc<Page> {
        &self.gathered.page
    }

    /// Which of the page's publications are meant, in order.
    pub fn offsets(&self) -> &[u32] {
        let range = self.from as usize..self.to as usize;
        self.gathered.offsets.get(range).unwrap_or_default()
    }

    /// How many they are.
    pub fn len(&self) -> u32 {
        self.to - self.from
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they cost together, in bytes; see [`Page::cost`].
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Covers the bytes of the batch on their way.
    pub fn permit(&self) -> Option<&Permit> {
        self.gathered.permit.as_ref()
    }

    /// The same, as a queue hands them out that wants to hear nothing of them any more.
    pub fn handout(&self) -> Handout {
        Handout {
            pages: vec![Arc::clone(self.page())],
            deliveries: self.deliveries().map(|(delivery, _)| delivery).collect(),
            counts: Vec::new(),
            bytes: self.bytes,
        }
    }

    /// Each publication, as a delivery that needs no settlement, with its page.
    pub fn deliveries(&self) -> impl Iterator<Item = (Delivery, &Page)> {
        self.offsets().iter().map(|&offset| {
            let delivery = Delivery {
                page: 0,
                offset,
                key: NO_KEY,
                redelivered: false,
            };
            (delivery, &**self.page())
        })
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("offsets", &self.offsets()).finish()
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::Body;

    use super::*;
    use crate::publication::PageBuilder;

    #[test]
    fn a_part_never_reaches_beyond_what_it_is_of() {
        let page = PageBuilder::new().finish();
        let gathered = Gathered::new(page, vec![10, 20, 30, 40], None);
        assert_eq!(gathered.part(1..3, 0).offsets(), [20, 30]);
        assert_eq!(gathered.part(3..9, 0).offsets(), [40]);
        assert_eq!(gathered.part(5..9, 0).offsets(), [0; 0]);
    }

    #[test]
    fn a_part_knows_what_its_publications_cost() {
        let mut builder = PageBuilder::new();
        let offsets: Vec<u32> = (0..3)
            .map(|_| builder.push("x", "key", &[0, 0], false, Body::Slice(b"body")))
            .collect();
        let costs: u64 = offsets
            .iter()
            .map(|&offset| u64::from(builder.cost(offset)))
            .sum();
        let part = Part::whole(builder.finish(), offsets, None);
        assert_eq!(part.bytes(), costs);
        let handout = part.handout();
        assert_eq!((handout.len(), handout.bytes), (3, costs));
        let handed_out = handout.publications().map(|(delivery, _)| *delivery);
        assert!(handed_out.eq(part.deliveries().map(|(delivery, _)| delivery)));
    }
}
