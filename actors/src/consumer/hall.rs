//! Consumers of one connection that are served together.
//!
//! Of what a queue gives a thousand consumers that need no acks, each gets a few messages: to wake each of them would cost more
//! than the messages do. So those of a connection with many sit in its hall. A queue sends them one tray, and their deliveries
//! are written from it, past the consumers. They hear of it when they can grant their queues more, or when something has to
//! go before.

use std::cell::RefCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use actix::prelude::*;
use slab::Slab;

use super::actor::Consumer;
use super::desk::Desk;
use crate::id::{ConsumerId, HallId};
use crate::node::{Entered, Listener, Listens};
use crate::publication::{Part, Portion, Seat, Tray};
use crate::queue::messages::{Supply, ToHall};
use crate::queue::roads;

/// The hall of a connection.
pub(crate) struct Hall {
    id: HallId,
    seats: RefCell<Slab<Seated>>,
    _here: Entered<HallId, Listener<ToHall>>,
}

/// A consumer in its seat.
struct Seated {
    id: ConsumerId,
    addr: Rc<Addr<Consumer>>,
    desk: Rc<Desk>,
}

/// A seat that is taken until this is dropped.
pub(crate) struct Taken {
    hall: Rc<Hall>,
    number: u32,
}

impl Taken {
    /// Where it is.
    pub(crate) fn seat(&self) -> Seat {
        Seat {
            hall: self.hall.id,
            number: self.number,
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let _vacated = self.hall.seats.borrow_mut().try_remove(self.number as usize);
    }
}

impl Hall {
    /// A hall that nobody sits in.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new_cyclic(|hall| {
            let id = HallId::next();
            Hall {
                id,
                seats: RefCell::default(),
                _here: roads::enter_hall(id, Weak::<Hall>::clone(hall)),
            }
        })
    }

    /// Seats a consumer that delivers at this desk.
    pub(crate) fn take_seat(
        self: &Rc<Self>,
        id: ConsumerId,
        addr: &Rc<Addr<Consumer>>,
        desk: &Rc<Desk>,
    ) -> Taken {
        let (addr, desk) = (Rc::clone(addr), Rc::clone(desk));
        let number = self.seats.borrow_mut().insert(Seated { id, addr, desk });
        Taken {
            hall: Rc::clone(self),
            number: number as u32,
        }
    }

    /// Serves those who sit here. Who has left gets nothing.
    pub(crate) fn serve(&self, mail: ToHall) {
        match mail {
            ToHall::Tray(tray) => self.serve_portions(&tray),
            ToHall::PassOn { consumer, seat, part } => {
                if let Some(seated) = self.seats.borrow().get(seat as usize)
                    && seated.id == consumer
                {
                    seated.pass_on(part);
                }
            }
            ToHall::For(unread) => drop(unread),
        }
    }

    fn serve_portions(&self, tray: &Tray) {
        let seats = self.seats.borrow();
        for (portion, places) in tray.portions() {
            if let Some(seated) = seats.get(portion.seat as usize)
                && seated.id == portion.consumer
            {
                seated.serve(tray, portion, places);
            }
        }
    }
}

impl Listens<ToHall> for Hall {
    /// Serves at once. If that panics, it is the end of the connection, and not of the queue that had it served.
    fn listen(&self, mail: ToHall) -> Result<(), ToHall> {
        if catch_unwind(AssertUnwindSafe(|| self.serve(mail))).is_err()
            && let Some((_, seated)) = self.seats.borrow().iter().next()
        {
            seated.desk.output.give_up();
        }
        Ok(())
    }
}

impl Seated {
    fn serve(&self, tray: &Tray, portion: &Portion, places: Range<usize>) {
        if self.desk.deliver_portion(&tray.handout, portion, &places) {
            self.delivered(portion.messages, portion.bytes);
        } else {
            self.desk.told();
            let part = tray.handout.part(places, portion.bytes);
            self.addr.do_send(Supply::Deliver(part));
        }
    }

    fn pass_on(&self, part: Part) {
        if self.desk.pass_on(&part) {
            self.delivered(part.len(), part.bytes());
        } else {
            self.desk.told();
            self.addr.do_send(Supply::PassOn(part));
        }
    }

    /// So much was delivered past the consumer.
    fn delivered(&self, messages: u32, bytes: u64) {
        if let Some(written) = self.desk.unheard.delivered(messages, bytes) {
            self.addr.do_send(written);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::time::Duration;

    use actix::dev::channel::channel;
    use leveret_protocol::Body;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::connection::actor::Connection;
    use crate::lease::Lease;
    use crate::name::Name;
    use crate::publication::PageBuilder;
    use crate::writer::actor::Writer;

    fn mail_of_one(consumer: ConsumerId, seat: u32) -> ToHall {
        let mut page = PageBuilder::new();
        let offset = page.push("", "q", &[0, 0], false, Body::Slice(b"m"));
        let part = Part::whole(page.finish(), vec![offset], None);
        ToHall::PassOn { consumer, seat, part }
    }

    #[test]
    fn a_crash_in_a_hall_ends_the_connection_and_spares_who_had_it_served() {
        let read = async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (reading, writing) = listener.accept().await.unwrap().0.into_split();
            let connection = Addr::<Connection>::new(channel(0).0);
            let lease = Lease::new(connection.recipient(), ());
            let (_writer, output) = Writer::open(writing, Arc::default(), Arc::default(), lease);
            drop(reading);
            let consumer = Rc::new(Addr::<Consumer>::new(channel(0).0));
            let desk = Rc::new(Desk {
                unread: Cell::default(),
                frame_max: 4_096,
                channel: 1,
                tags: Default::default(),
                unheard: Rc::default(),
                consumer_tag: Name::from("c"),
                output,
            });
            desk.open(&consumer);
            let (hall, id) = (Hall::new(), ConsumerId::next());
            let taken = hall.take_seat(id, &consumer, &desk);
            let seat = taken.seat().number;
            let taken_by_another = desk.unheard.hearer.borrow_mut();
            assert!(hall.listen(mail_of_one(id, seat)).is_ok());
            drop(taken_by_another);
            assert!(hall.listen(mail_of_one(id, seat)).is_ok());
            let mut bytes = Vec::new();
            let end = tokio::time::timeout(Duration::from_secs(10), client.read_to_end(&mut bytes)).await;
            end.unwrap().unwrap()
        };
        assert_eq!(System::new().block_on(read), 0, "nothing follows");
    }
}
