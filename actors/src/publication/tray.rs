//! What a queue hands to several consumers at once, which sit together.

use super::Handout;
use crate::id::{ConsumerId, HallId};

/// Where a consumer sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// With whom.
    pub hall: HallId,
    /// Which one; it may be another consumer's later.
    pub number: u32,
}

/// Messages from one queue to consumers of one hall.
#[derive(Clone, Debug, Default)]
pub struct Tray {
    /// All of them: those of a portion side by side, in its order.
    pub handout: Handout,
    /// Whose they are. A consumer may have several portions.
    pub portions: Vec<Portion>,
}

/// Messages of a [`Tray`] that are for one consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// Who is to get them, if it still sits there.
    pub consumer: ConsumerId,
    /// Where it sits.
    pub seat: u32,
    /// How many.
    pub messages: u32,
    /// What they cost in bytes, the measure of byte credit.
    pub bytes: u64,
}

impl Tray {
    /// Each portion with where its deliveries are among those of the handout.
    pub fn portions(&self) -> impl Iterator<Item = (&Portion, std::ops::Range<usize>)> {
        self.portions.iter().scan(0, |served, portion| {
            let first = *served;
            *served += portion.messages as usize;
            Some((portion, first..*served))
        })
    }
}
