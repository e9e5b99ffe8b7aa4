//! Looking again before a worker sleeps.
//!
//! To wake a processor that has nothing to do takes tens of microseconds, more than a message does, and a client that waits
//! for its answer often sends the next request sooner. So a worker that has just read or written looks again for a
//! while, letting any other thread go first that wants its processor; longer where a client has been answered, for it
//! has to be woken itself before it goes on. But only as long as that pays, and what comes in bulk is left to gather.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::trust::Trust;

/// Bytes from which on a turn is work in bulk: the more has come by the next turn, the less each message costs.
const BULK: usize = 4096;

thread_local! {
    static DONE: Cell<Done> = const { Cell::new(Done::NOTHING) };
    static SPIN: RefCell<Spin> = const { RefCell::new(Spin::new()) };
    static AGAIN: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// Notes that this thread has read so many bytes from a socket or written them to one.
pub(crate) fn moved(bytes: usize) {
    let done = DONE.get();
    DONE.set(Done {
        moved: done.moved.saturating_add(bytes),
        ..done
    });
}

/// Notes that a client of this thread has reason to send something at once: it has connected, is answered, or hangs up
/// and may come again.
pub(crate) fn expect_more() {
    DONE.set(Done {
        expects: true,
        ..DONE.get()
    });
}

/// Called when this thread is about to sleep. It looks for work once more, and comes here again, if [`look_again`] is woken.
pub(super) fn before_sleep() {
    let done = DONE.replace(Done::NOTHING);
    if SPIN.with_borrow_mut(|spin| spin.goes_on(done, Instant::now)) {
        thread::yield_now();
        AGAIN.with_borrow(|again| again.iter().for_each(Waker::wake_by_ref));
    }
}

/// A task of this thread that is woken in order not to sleep; it never ends.
pub(super) async fn look_again() {
    poll_fn(|cx| {
        AGAIN.with_borrow_mut(|again| {
            again.get_or_insert_with(|| cx.waker().clone());
        });
        Poll::Pending
    })
    .await
}

/// What a worker has done since it was last about to sleep.
#[derive(Debug, Clone, Copy)]
struct Done {
    /// Bytes read and written.
    moved: usize,
    /// Whether a client has reason to send something.
    expects: bool,
}

impl Done {
    const NOTHING: Done = Done {
        moved: 0,
        expects: false,
    };
}

/// Whether a worker looks again, and whether that paid so far. Pure.
#[derive(Debug)]
struct Spin {
    /// Since when it does, and in which hope.
    looks: Option<(Instant, Hope)>,
    /// Of anything to come.
    anything: Trust,
    /// Of a client that has reason to send something.
    client: Trust,
}

/// What a worker hopes for.
#[derive(Debug, Clone, Copy)]
enum Hope {
    Anything,
    Client,
}

impl Hope {
    /// How long a worker looks again.
    const fn lasts(self) -> Duration {
        match self {
            Hope::Anything => Duration::from_micros(20),
            Hope::Client => Duration::from_micros(50),
        }
    }
}

impl Spin {
    const fn new() -> Self {
        Spin {
            looks: None,
            anything: Trust::new(),
            client: Trust::new(),
        }
    }

    /// Whether to look again rather than sleep, having `done` that since it was last asked. The clock is only read if
    /// it matters.
    fn goes_on(&mut self, done: Done, now: impl FnOnce() -> Instant) -> bool {
        if done.moved >= BULK {
            self.looks = None;
            return false;
        }
        if done.moved > 0 || done.expects {
            if let Some((_, hope)) = self.looks.take() {
                self.trust(hope).paid();
            }
            let hope = if done.expects {
                Hope::Client
            } else {
                Hope::Anything
            };
            let tries = self.trust(hope).tries();
            self.looks = tries.then(|| (now(), hope));
            return tries;
        }
        let Some((since, hope)) = self.looks else {
            return false;
        };
        let goes_on = now().duration_since(since) < hope.lasts();
        if !goes_on {
            self.looks = None;
            self.trust(hope).failed();
        }
        goes_on
    }

    fn trust(&mut self, hope: Hope) -> &mut Trust {
        match hope {
            Hope::Anything => &mut self.anything,
            Hope::Client => &mut self.client,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{BEST, REST};

    const MOVED: Done = Done {
        moved: 1,
        expects: false,
    };
    const ANSWERED: Done = Done {
        moved: 1,
        expects: true,
    };
    const LASTS: Duration = Hope::Anything.lasts();

    #[test]
    fn a_worker_that_worked_looks_again_for_a_while() {
        let (mut spin, start) = (Spin::new(), Instant::now());
        assert!(!spin.goes_on(Done::NOTHING, || start), "it did nothing");
        assert!(spin.goes_on(MOVED, || start));
        assert!(spin.goes_on(Done::NOTHING, || start + LASTS / 2));
        assert!(!spin.goes_on(Done::NOTHING, || start + LASTS));
        assert!(!spin.goes_on(Done::NOTHING, || start + LASTS), "it sleeps");
    }

    #[test]
    fn it_looks_longer_where_a_client_has_its_answer() {
        let (mut spin, start) = (Spin::new(), Instant::now());
        assert!(spin.goes_on(ANSWERED, || start));
        assert!(spin.goes_on(Done::NOTHING, || start + LASTS));
        assert!(!spin.goes_on(Done::NOTHING, || start + Hope::Client.lasts()));
    }

    #[test]
    fn looking_again_ends_when_it_does_not_pay_and_is_tried_now_and_then() {
        for done in [MOVED, ANSWERED] {
            let (mut spin, start) = (Spin::new(), Instant::now());
            let in_vain = |spin: &mut Spin| {
                let tries = spin.goes_on(done, || start);
                assert!(!tries || !spin.goes_on(Done::NOTHING, || start + Hope::Client.lasts()));
                tries
            };
            assert_eq!((0..BEST).filter(|_| in_vain(&mut spin)).count(), BEST.into());
            let later = (0..10 * (u32::from(REST) + 1)).filter(|_| in_vain(&mut spin));
            assert_eq!(later.count(), 10);
        }
    }

    #[test]
    fn what_comes_in_bulk_may_gather() {
        let (mut spin, start) = (Spin::new(), Instant::now());
        let bulk = Done {
            moved: BULK,
            expects: true,
        };
        assert!(!spin.goes_on(bulk, || start));
        assert!(!spin.goes_on(Done::NOTHING, || start));
    }

    #[test]
    fn it_goes_on_where_it_pays() {
        let (mut spin, start) = (Spin::new(), Instant::now());
        spin.anything = Trust {
            score: 0,
            rested: REST,
        };
        assert!((0..100).all(|_| spin.goes_on(MOVED, || start)));
        assert_eq!(spin.anything.score, BEST);
    }

    #[test]
    fn clients_that_take_their_time_do_not_keep_it_from_looking_for_others() {
        let (mut spin, start) = (Spin::new(), Instant::now());
        for _ in 0..BEST {
            assert!(spin.goes_on(ANSWERED, || start));
            assert!(!spin.goes_on(Done::NOTHING, || start + Hope::Client.lasts()));
        }
        assert!(!spin.goes_on(ANSWERED, || start));
        assert!(spin.goes_on(MOVED, || start));
    }
}
