//! The ways from a queue to its consumers.

use actix::prelude::*;

use super::actor::Queue;
use super::messages::{Supply, ToHall};
use crate::id::ConsumerId;
use crate::publication::Tray;
use crate::return_address::ReturnAddress;

/// The way to one consumer.
pub(super) enum Road {
    /// Straight to it.
    Own(Recipient<Supply>),
    /// By way of the hall where it sits.
    Hall {
        hall: Recipient<ToHall>,
        seat: u32,
        own: Recipient<Supply>,
    },
}

impl Road {
    pub(super) fn bring(&self, consumer: ConsumerId, supply: Supply) {
        match (self, supply) {
            (Road::Own(road), supply) => road.do_send(supply),
            (&Road::Hall { ref hall, seat, .. }, Supply::PassOn(part)) => {
                hall.do_send(ToHall::PassOn { consumer, seat, part })
            }
            (Road::Hall { hall, own, .. }, supply) => {
                hall.do_send(ToHall::For(ReturnAddress::new(own.clone(), supply)));
            }
        }
    }
}

impl Queue {
    pub(super) fn supply(&self, consumer: ConsumerId, mail: Supply) {
        if let Some(road) = self.supplies.get(&consumer) {
            road.bring(consumer, mail);
        }
    }

    /// Sends a tray to the hall of those whose portions are on it.
    pub(super) fn serve(&self, tray: Tray) {
        let first = tray.portions.first();
        if let Some(Road::Hall { hall, .. }) = first.and_then(|first| self.supplies.get(&first.consumer)) {
            hall.do_send(ToHall::Tray(tray));
        }
    }
}
