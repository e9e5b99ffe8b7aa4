//! The way to an actor of the same thread: what it is told it handles at once, without a mail and without being woken.
//!
//! Its mail and what it is told keep their order: while it has mail that it has not read, what it is told is mail too.

use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Weak;

use actix::prelude::{Actor, Addr, Handler, Message};

use super::life::{Context, Life};

/// Somebody of this thread who can be told something.
pub(crate) type Listener<M> = Weak<dyn Listens<M>>;

/// Can be told something.
pub(crate) trait Listens<M> {
    /// Handles it at once, or gives it back: then it is to be sent as mail.
    fn listen(&self, mail: M) -> Result<(), M>;
}

/// An actor of this thread. This does not keep it alive.
pub(crate) struct Near<A: Actor<Context = Context<A>>>(pub(super) Weak<Place<A>>);

/// Where an actor is, until it ends. In this order, what is looked at before it is told something takes two lines of memory.
#[repr(C)]
pub(super) struct Place<A: Actor<Context = Context<A>>> {
    /// What could not be told was sent to it since it was last polled. That it has mail is known otherwise once that has rung,
    /// which may be in the hands of another thread that wakes it at this moment.
    pub(super) is_sent_mail: Cell<bool>,
    pub(super) life: RefCell<Option<Life<A>>>,
}

impl<A: Actor<Context = Context<A>>> Clone for Near<A> {
    fn clone(&self) -> Self {
        Near(Weak::clone(&self.0))
    }
}

impl<A: Actor<Context = Context<A>>> Near<A> {
    /// Tells the actor something, or sends it to its address.
    pub(crate) fn tell<M>(&self, mail: M, addr: &Addr<A>)
    where
        A: Handler<M, Result = ()>,
        M: Message<Result = ()> + Send + 'static,
    {
        if let Some(untold) = untold(&self.0, mail) {
            addr.do_send(untold);
        }
    }

    /// The same actor, for those who do not know which it is.
    pub(crate) fn listener<M>(&self) -> Listener<M>
    where
        A: Handler<M, Result = ()>,
        M: Message<Result = ()> + 'static,
    {
        Weak::clone(&self.0) as Listener<M>
    }
}

/// Tells something to somebody of this thread; gives it back, to be sent as mail, if nobody is there or listens.
pub(crate) fn untold<M>(near: &Weak<impl Listens<M> + ?Sized>, mail: M) -> Option<M> {
    match near.upgrade() {
        Some(near) => near.listen(mail).err(),
        None => Some(mail),
    }
}

impl<A, M> Listens<M> for Place<A>
where
    A: Actor<Context = Context<A>> + Handler<M, Result = ()>,
    M: Message<Result = ()>,
{
    /// Gives it back if the actor has unread mail or waits for something. If it panics, that is the end of it alone.
    fn listen(&self, mail: M) -> Result<(), M> {
        match self.life.try_borrow_mut() {
            Ok(mut place) if !self.is_sent_mail.get() && place.as_ref().is_some_and(Life::is_free) => {
                let _handled = catch_unwind(AssertUnwindSafe(|| {
                    let mut fatal = Fatal(&mut place);
                    fatal.handle(mail);
                    mem::forget(fatal);
                }));
                Ok(())
            }
            _ => {
                self.is_sent_mail.set(true);
                Err(mail)
            }
        }
    }
}

/// Ends an actor that panics, while the thread unwinds.
struct Fatal<'a, A: Actor<Context = Context<A>>>(&'a mut Option<Life<A>>);

impl<A: Actor<Context = Context<A>>> Fatal<'_, A> {
    fn handle<M: Message<Result = ()>>(&mut self, mail: M)
    where
        A: Handler<M, Result = ()>,
    {
        if let Some(life) = self.0 {
            life.handle(mail);
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Fatal<'_, A> {
    fn drop(&mut self) {
        if let Some(life) = self.0.take() {
            life.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use actix::prelude::*;

    use super::super::life::{Context, start_near};
    use super::*;

    /// Notes what it hears; dies of 13, notes the end of the turn after 7, and reads nothing until the others had theirs after 3.
    struct Scribe(mpsc::Sender<&'static str>, Vec<u32>);

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Hear(u32);

    #[derive(Message)]
    #[rtype(result = "Vec<u32>")]
    struct Show;

    impl Actor for Scribe {
        type Context = Context<Self>;
    }

    impl Drop for Scribe {
        fn drop(&mut self) {
            let how = if std::thread::panicking() {
                "crashed"
            } else {
                "ended"
            };
            let _ = self.0.send(how);
        }
    }

    impl Handler<Hear> for Scribe {
        type Result = ();

        fn handle(&mut self, Hear(number): Hear, ctx: &mut Context<Self>) {
            assert_ne!(number, 13);
            self.1.push(number);
            match number {
                3 => ctx.wait(actix::fut::wrap_future(tokio::task::yield_now())),
                7 => ctx.notify(Hear(70)),
                _ => {}
            }
        }
    }

    impl Handler<Show> for Scribe {
        type Result = MessageResult<Show>;

        fn handle(&mut self, _: Show, _: &mut Context<Self>) -> Self::Result {
            MessageResult(self.1.clone())
        }
    }

    fn scribe() -> (Addr<Scribe>, Near<Scribe>, mpsc::Receiver<&'static str>) {
        let (tell, told) = mpsc::channel();
        let (addr, near) = start_near(|_| Scribe(tell, Vec::new()));
        (addr, near, told)
    }

    #[test]
    fn what_an_actor_is_told_and_its_mail_keep_their_order() {
        let heard = async {
            let (addr, near, _told) = scribe();
            near.tell(Hear(1), &addr);
            assert!(addr.send(Show).await.is_ok_and(|heard| heard == [1]));
            near.tell(Hear(2), &addr);
            addr.do_send(Hear(3));
            near.tell(Hear(4), &addr);
            addr.do_send(Hear(5));
            let before = addr.send(Show).await;
            near.tell(Hear(3), &addr);
            near.tell(Hear(6), &addr);
            (before.unwrap(), addr.send(Show).await.unwrap())
        };
        let (before, after) = System::new().block_on(heard);
        assert_eq!(before, [1, 2, 3, 4, 5]);
        assert_eq!(after, [1, 2, 3, 4, 5, 3, 6]);
    }

    #[test]
    fn what_could_not_be_told_goes_before_what_could_be_until_its_mail_is_read() {
        let given_back = async {
            let (addr, near, _told) = scribe();
            assert!(addr.send(Show).await.is_ok());
            let place = near.0.upgrade().unwrap();
            let busy = place.life.borrow_mut();
            let first = place.listen(Hear(1)).is_err();
            drop(busy);
            // It was not woken, as if another thread were just about to.
            let second = place.listen(Hear(2)).is_err();
            assert!(addr.send(Show).await.is_ok());
            (first, second, place.listen(Hear(3)).is_err())
        };
        assert_eq!(System::new().block_on(given_back), (true, true, false));
    }

    #[test]
    fn what_it_asks_for_when_it_is_told_something_comes_when_it_is_woken() {
        let heard = async {
            let (addr, near, _told) = scribe();
            assert!(addr.send(Show).await.is_ok());
            near.tell(Hear(7), &addr);
            near.tell(Hear(8), &addr);
            tokio::task::yield_now().await;
            addr.send(Show).await.unwrap()
        };
        assert_eq!(System::new().block_on(heard), [7, 8, 70]);
    }

    #[test]
    fn what_it_dies_of_harms_nobody_else() {
        let ends = async {
            let (addr, near, told) = scribe();
            assert!(addr.send(Show).await.is_ok());
            near.tell(Hear(13), &addr);
            let end = told.try_recv();
            near.tell(Hear(1), &addr);
            (end, addr.send(Show).await.is_err())
        };
        assert_eq!(System::new().block_on(ends), (Ok("crashed"), true));
    }

    #[test]
    fn it_ends_with_its_addresses() {
        let end = async {
            let (addr, near, told) = scribe();
            assert!(addr.send(Show).await.is_ok());
            drop(addr);
            tokio::task::yield_now().await;
            (told.try_recv(), near.0.upgrade().is_none())
        };
        assert_eq!(System::new().block_on(end), (Ok("ended"), true));
    }
}
