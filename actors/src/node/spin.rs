//! Looking again before a worker sleeps.
//!
//! To wake a processor that has nothing to do takes tens of microseconds, more than a message does, and a client that waits
//! for its answer often sends the next request sooner. So a worker that has just read or written looks again for a
//! while, letting any other thread go first that wants its processor; but only as long as that pays. What comes in bulk is
//! left to gather.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// How long a worker looks again.
const LASTS: Duration = Duration::from_micros(20);
/// The score of a worker for which looking again has always paid.
const BEST: u8 = 8;
/// Bytes from which on a turn is work in bulk: the more has come by the next turn, the less each message costs.
const BULK: usize = 4096;
/// How often a worker for which it does not pay sleeps at once before it tries again.
const REST: u8 = 32;

thread_local! {
    static MOVED: Cell<usize> = const { Cell::new(0) };
    static SPIN: RefCell<Spin> = const { RefCell::new(Spin::new()) };
    static AGAIN: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// Notes that this thread has read so many bytes from a socket or written them to one.
pub(crate) fn moved(bytes: usize) {
    MOVED.set(MOVED.get().saturating_add(bytes));
}

/// Called when this thread is about to sleep. It looks for work once more, and comes here again, if [`look_again`] is woken.
pub(super) fn before_sleep() {
    let moved = MOVED.take();
    if SPIN.with_borrow_mut(|spin| spin.goes_on(moved, Instant::now)) {
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

/// Whether a worker looks again, and whether that paid so far. Pure.
#[derive(Debug)]
struct Spin {
    since: Option<Instant>,
    score: u8,
    /// Times it slept at once since it last tried.
    rested: u8,
}

impl Spin {
    const fn new() -> Self {
        Spin {
            since: None,
            score: BEST,
            rested: 0,
        }
    }

    /// Whether to look again rather than sleep, with so many bytes `moved` since it was last asked. The clock is only read if
    /// it matters.
    fn goes_on(&mut self, moved: usize, now: impl FnOnce() -> Instant) -> bool {
        if moved >= BULK {
            self.since = None;
            return false;
        }
        if moved > 0 {
            if self.since.take().is_some() {
                self.score = BEST.min(self.score + 1);
            }
            if self.score == 0 && self.rested < REST {
                self.rested += 1;
                return false;
            }
            self.rested = 0;
            self.since = Some(now());
            return true;
        }
        let Some(since) = self.since else { return false };
        let goes_on = now().duration_since(since) < LASTS;
        if !goes_on {
            self.since = None;
            self.score = self.score.saturating_sub(1);
        }
        goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_worked_looks_again_for_a_while() {
        let (mut spin, start) = (Spin::new(), Instant::now());
        assert!(!spin.goes_on(0, || start), "it did nothing");
        assert!(spin.goes_on(1, || start));
        assert!(spin.goes_on(0, || start + LASTS / 2));
        assert!(!spin.goes_on(0, || start + LASTS));
        assert!(!spin.goes_on(0, || start + LASTS), "it sleeps");
    }

    #[test]
    fn looking_again_ends_when_it_does_not_pay_and_is_tried_now_and_then() {
        let (mut spin, start) = (Spin::new(), Instant::now());
        let in_vain = |spin: &mut Spin| {
            let tries = spin.goes_on(1, || start);
            assert!(!tries || !spin.goes_on(0, || start + LASTS));
            tries
        };
        assert_eq!((0..BEST).filter(|_| in_vain(&mut spin)).count(), BEST.into());
        let later = (0..10 * (u32::from(REST) + 1)).filter(|_| in_vain(&mut spin));
        assert_eq!(later.count(), 10);
    }

    #[test]
    fn what_comes_in_bulk_may_gather() {
        let (mut spin, start) = (Spin::new(), Instant::now());
        assert!(!spin.goes_on(BULK, || start));
        assert!(!spin.goes_on(0, || start));
    }

    #[test]
    fn it_goes_on_where_it_pays() {
        let (mut spin, start) = (Spin::new(), Instant::now());
        spin.score = 0;
        spin.rested = REST;
        assert!((0..100).all(|_| spin.goes_on(1, || start)));
        assert_eq!(spin.score, BEST);
    }
}
