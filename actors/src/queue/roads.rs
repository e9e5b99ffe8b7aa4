//! The ways to a queue, and from there to its consumers.

use actix::prelude::*;
use rustc_hash::FxHashMap;

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

/// The ways to the consumers of a queue. Most queues have one consumer, the way to which is at hand.
#[derive(Default)]
#[repr(C)]
pub(super) struct Roads {
    at_hand: Option<(ConsumerId, Road)>,
    others: FxHashMap<ConsumerId, Road>,
}

impl Roads {
    pub(super) fn len(&self) -> usize {
        usize::from(self.at_hand.is_some()) + self.others.len()
    }

    #[inline]
    pub(super) fn get(&self, consumer: ConsumerId) -> Option<&Road> {
        match &self.at_hand {
            Some((at_hand, road)) if *at_hand == consumer => Some(road),
            _ => self.others.get(&consumer),
        }
    }

    pub(super) fn insert(&mut self, consumer: ConsumerId, road: Road) {
        match &self.at_hand {
            None => self.at_hand = Some((consumer, road)),
            Some(_) => drop(self.others.insert(consumer, road)),
        }
    }

    pub(super) fn remove(&mut self, consumer: ConsumerId) -> Option<Road> {
        let found = self.at_hand.take_if(|(at_hand, _)| *at_hand == consumer);
        found.map_or_else(|| self.others.remove(&consumer), |(_, road)| Some(road))
    }

    /// Takes them all out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (ConsumerId, Road)> {
        self.at_hand.take().into_iter().chain(self.others.drain())
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
    /// The queue, which those of its thread find from now on.
    pub(crate) fn entered(mut self, near: &Near<Queue>) -> Self {
        self.enter(near);
        self
    }

    /// Lets those of its thread find it.
    pub(super) fn enter(&mut self, near: &Near<Queue>) {
        self.here = Some(Here::enter(&QUEUES, self.id, near.clone()));
    }

    pub(super) fn supply(&self, consumer: ConsumerId, mail: Supply) {
        if let Some(road) = self.supplies.get(consumer) {
            road.bring(consumer, mail);
        }
    }

    /// Sends a tray to the hall of those whose portions are on it.
    pub(super) fn serve(&self, tray: Tray) {
        let first = tray.portions.first();
        if let Some(Road::Hall { hall, .. }) = first.and_then(|first| self.supplies.get(first.consumer)) {
            hall.bring(ToHall::Tray(tray));
        }
    }
}
