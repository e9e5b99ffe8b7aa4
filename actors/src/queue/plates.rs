//! What is being filled in a pass: handouts for consumers by themselves, and trays for those who sit together.

use rustc_hash::FxHashMap;

use super::dispatch::Pass;
use super::subscribers::{Open, Subscriber};
use crate::id::{ConsumerId, HallId};
use crate::publication::{Handout, Portion, Seat, Tray};

/// Messages that there is room for on a new tray, at most.
const MOST_EXPECTED: usize = 16 * 1024;

/// Handouts and trays of a pass.
pub(super) struct Plates<'p> {
    handouts: &'p mut Vec<(ConsumerId, Handout)>,
    trays: &'p mut Vec<Tray>,
    /// The slots of the pages used last, by the indices of the trays.
    pages: Vec<u32>,
    of_hall: FxHashMap<HallId, u32>,
}

impl<'p> Plates<'p> {
    /// Those of this pass.
    pub(super) fn of(pass: &'p mut Pass) -> Self {
        Plates {
            handouts: &mut pass.handouts,
            trays: &mut pass.trays,
            pages: Vec::new(),
            of_hall: FxHashMap::default(),
        }
    }

    /// Sees that a consumer has one, with room for so many of those that wait if it is its own.
    pub(super) fn open(&mut self, subscriber: &mut Subscriber, room: usize, waiting: usize) {
        subscriber.open.handout = match subscriber.subscription.seat {
            Some(seat) => self.tray(seat.hall, waiting.min(MOST_EXPECTED)),
            None => {
                let handout = Handout {
                    deliveries: Vec::with_capacity(room),
                    ..Handout::default()
                };
                self.handouts.push((subscriber.id, handout));
                self.handouts.len() as u32 - 1
            }
        };
    }

    /// What a consumer in this seat, or in none, is served on, and the slot of the page that was used there last.
    #[inline]
    pub(super) fn get<'s>(
        &'s mut self,
        seat: Option<Seat>,
        open: &'s mut Open,
    ) -> Option<(&'s mut Handout, &'s mut u32)> {
        let index = open.handout as usize;
        match seat {
            None => Some((&mut self.handouts.get_mut(index)?.1, &mut open.page)),
            Some(_) => Some((
                &mut self.trays.get_mut(index)?.handout,
                self.pages.get_mut(index)?,
            )),
        }
    }

    /// The last messages of a tray are for this consumer.
    #[inline]
    pub(super) fn add_portion(&mut self, tray: u32, portion: Portion) {
        if let Some(tray) = self.trays.get_mut(tray as usize) {
            tray.portions.push(portion);
        }
    }

    fn tray(&mut self, hall: HallId, room: usize) -> u32 {
        *self.of_hall.entry(hall).or_insert_with(|| {
            let mut tray = Tray::default();
            tray.handout
                .deliveries
                .reserve(if self.trays.is_empty() { room } else { 0 });
            self.trays.push(tray);
            self.pages.push(0);
            self.trays.len() as u32 - 1
        })
    }
}
