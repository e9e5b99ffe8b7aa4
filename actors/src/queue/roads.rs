//! The ways to a queue, and from there to its consumers.

use actix::prelude::*;

use super::actor::Queue;
use super::messages::{Supply, ToHall};
use crate::id::{ConsumerId, HallId, QueueId};
use crate::node::{Entered, Here, Listener, Near, untold};
use crate::publication::{Seat, Tray};
use crate::return_address::ReturnAddress;

thread_local! {
    /// The queues of this thread.
    static QUEUES: Here<QueueId, Near<Queue>> = Here::default();
    /// Its consumers.
    static CONSUMERS: Here<ConsumerId, Listener<Supply>> = Here::default();
    /// Its halls.
    static HALLS: Here<HallId, Listener<ToHall>> = Here::default();
}

/// The way to a queue that lives on this thread.
pub(crate) fn near(queue: QueueId) -> Option<Near<Queue>> {
    Here::find(&QUEUES, queue)
}

/// Lets the queues of this thread find a consumer.
pub(crate) fn enter(consumer: ConsumerId, near: Listener<Supply>) -> Entered<ConsumerId, Listener<Supply>> {
    Here::enter(&CONSUMERS, consumer, near)
}

/// Lets the queues of this thread find a hall.
pub(crate) fn enter_hall(hall: HallId, near: Listener<ToHall>) -> Entered<HallId, Listener<ToHall>> {
    Here::enter(&HALLS, hall, near)
}

/// The way to somebody, who may live on the thread of the queue.
pub(super) struct Way<M: Message<Result = ()> + Send> {
    near: Option<Listener<M>>,
    far: Recipient<M>,
}

impl<M: Message<Result = ()> + Send> Way<M> {
    fn bring(&self, mail: M) {
        let untold = match &self.near {
            Some(near) => untold(near, mail),
            None => Some(mail),
        };
        if let Some(mail) = untold {
            self.far.do_send(mail);
        }
    }
}

/// The way to one consumer.
pub(super) enum Road {
    /// Straight to it.
    Own(Way<Supply>),
    /// By way of the hall where it sits.
    Hall {
        hall: Way<ToHall>,
        seat: u32,
        own: Way<Supply>,
    },
}

impl Road {
    /// The way to a consumer, by way of the hall where it sits if it does.
    pub(super) fn to(
        consumer: ConsumerId,
        own: Recipient<Supply>,
        hall: Option<(Recipient<ToHall>, Seat)>,
    ) -> Self {
        let own = Way {
            near: Here::find(&CONSUMERS, consumer),
            far: own,
        };
        match hall {
            None => Road::Own(own),
            Some((hall, seat)) => Road::Hall {
                hall: Way {
                    near: Here::find(&HALLS, seat.hall),
                    far: hall,
                },
                seat: seat.number,
                own,
            },
        }
    }

    pub(super) fn bring(&self, consumer: ConsumerId, supply: Supply) {
        match (self, supply) {
            (Road::Own(own), supply) => own.bring(supply),
            (&Road::Hall { ref hall, seat, .. }, Supply::PassOn(part)) => {
                hall.bring(ToHall::PassOn { consumer, seat, part });
            }
            // Those who are served at once have heard all that was before.
            (Road::Hall { hall, own, .. }, supply) if hall.near.is_some() => own.bring(supply),
            (Road::Hall { hall, own, .. }, supply) => {
                hall.far
                    .do_send(ToHall::For(ReturnAddress::new(own.far.clone(), supply)));
            }
        }
    }
}

impl Queue {
    /// Lets those of its thread find it.
    pub(super) fn enter(&mut self, near: Near<Queue>) {
        self.here = Some(Here::enter(&QUEUES, self.id, near));
    }

    pub(super) fn supply(&self, consumer: ConsumerId, mail: Supply) {
        if let Some(road) = self.supplies.get(&consumer) {
            road.bring(consumer, mail);
        }
    }

    /// Sends a tray to the hall of those whose portions are on it.
    pub(super) fn serve(&self, tray: Tray) {
        let first = tray.portions.first();
        if let Some(Road::Hall { hall, .. }) = first.and_then(|first| self.supplies.get(&first.consumer)) {
            hall.bring(ToHall::Tray(tray));
        }
    }
}
