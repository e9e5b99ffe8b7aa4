//! What a queue hands to a consumer: places in shared pages, not the messages themselves.

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_takes_sixteen_bytes() {
        assert_eq!(size_of::<Delivery>(), 16);
    }
}
