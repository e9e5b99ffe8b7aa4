//! What a queue hands to a consumer: places in shared pages, not the messages themselves.

use std::ops::Range;
use std::sync::Arc;

use super::{Page, Publication};

/// The settlement key of a delivery that needs no settlement.
pub const NO_KEY: u32 = u32::MAX;

/// One message of a [`Handout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Index of its page in [`Handout::pages`].
    pub page: u32,
    /// Its place in that page.
    pub offset: u32,
    /// What the queue wants to hear when it is settled; [`NO_KEY`] when nothing.
    pub key: u32,
    /// It was handed out before, and came back.
    pub redelivered: bool,
}

/// Messages from one queue to one consumer, in order.
#[derive(Clone, Debug, Default)]
pub struct Handout {
    /// The pages the deliveries point into, in order of first use.
    pub pages: Vec<Arc<Page>>,
    /// The messages.
    pub deliveries: Vec<Delivery>,
    /// How often some of them have come back to a queue that counts: their indices, which rise, and the numbers.
    pub counts: Vec<(u32, u32)>,
    /// What the messages cost in bytes, the measure of byte credit.
    pub bytes: u64,
}

impl Handout {
    /// How many messages.
    pub fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Each delivery with its publication.
    pub fn publications(&self) -> impl Iterator<Item = (&Delivery, Publication<'_>)> {
        self.deliveries.iter().filter_map(|delivery| {
            let page = self.pages.get(delivery.page as usize)?;
            Some((delivery, page.get(delivery.offset)))
        })
    }

    /// Those at some places, each with its page.
    pub fn deliveries_in(&self, places: Range<usize>) -> impl Iterator<Item = (Delivery, &Page)> {
        let deliveries = self.deliveries.get(places).unwrap_or_default();
        deliveries.iter().filter_map(|delivery| {
            let page = self.pages.get(delivery.page as usize)?;
            Some((*delivery, &**page))
        })
    }

    /// The deliveries at some places by themselves, which cost so much in bytes.
    pub fn part(&self, places: Range<usize>, bytes: u64) -> Handout {
        let (from, to) = (places.start as u32, places.end as u32);
        let deliveries = self.deliveries.get(places).unwrap_or_default();
        let first = deliveries.first().map_or(0, |first| first.page);
        let behind = deliveries.last().map_or(0, |last| last.page + 1);
        let pages = self
            .pages
            .get(first as usize..behind as usize)
            .unwrap_or_default();
        let moved = |delivery: &Delivery| Delivery {
            page: delivery.page - first,
            ..*delivery
        };
        let within = |(at, count): &(u32, u32)| (from..to).contains(at).then(|| (at - from, *count));
        Handout {
            pages: pages.to_vec(),
            deliveries: deliveries.iter().map(moved).collect(),
            counts: self.counts.iter().filter_map(within).collect(),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_takes_sixteen_bytes() {
        assert_eq!(size_of::<Delivery>(), 16);
    }
}
