//! Who writes at once, and who lets deliveries gather while its thread is busy.
//!
//! A write costs the system much the same whether it is small or large, and wakes a client. Where a hundred sockets get a little
//! of each read, writing takes longer than all the rest, and what a publisher waits for stands behind it. So from a
//! few sockets on, deliveries wait: until the thread has nothing else to do, or as long as writing to all who wait takes a
//! few times over. Answers wait for nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::outbox::Outbox;
use crate::node::polls;

/// So many sockets that were written to of late are no rush.
const FEW: usize = 8;

/// What of late means.
const LATELY: Duration = Duration::from_micros(500);

/// How long a writer waits at most for each that waits, itself included.
const FOR_EACH: Duration = Duration::from_micros(100);

/// And never longer than that.
const LONGEST: Duration = Duration::from_millis(5);

/// So many write when the thread has nothing else to do, before it looks for something else again.
const TOGETHER: u64 = 4;

thread_local! {
    static RUSH: RefCell<Rush<Outbox>> = RefCell::default();
    static CALLS: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// Asks whether the writer of an outbox is to write deliveries at once. Otherwise it is [called](Outbox::call_writer) later.
pub(super) fn may_write(outbox: &Outbox) -> bool {
    let admitted = RUSH.with_borrow_mut(|rush| rush.admits(outbox.id(), || outbox.clone(), Instant::now()));
    if !admitted {
        have_called();
    }
    admitted
}

/// Sees that those who wait are called.
fn have_called() {
    match CALLS.with_borrow(Clone::clone) {
        Some(calls) => calls.wake(),
        None => {
            // Many may have to wait before the task is there to be woken.
            CALLS.set(Some(Waker::noop().clone()));
            drop(actix_rt::spawn(call(Closing)));
        }
    }
}

/// Calls those who wait each time others of the thread had their turn, as long as the thread runs.
async fn call(_closing: Closing) {
    let (mut before, mut called) = (polls(), 0);
    loop {
        poll_fn(somebody_waits).await;
        // Sockets are looked at meanwhile.
        tokio::task::yield_now().await;
        let now = polls();
        let nothing_else = now.wrapping_sub(before) <= called;
        (before, called) = (now, 0);
        let ends = Instant::now();
        while let Some(outbox) =
            RUSH.with_borrow_mut(|rush| rush.next(nothing_else && called < TOGETHER, ends))
        {
            called += u64::from(outbox.call_writer());
        }
    }
}

fn somebody_waits(cx: &mut Context<'_>) -> Poll<()> {
    CALLS.with_borrow_mut(|calls| match calls {
        Some(calls) => calls.clone_from(cx.waker()),
        None => *calls = Some(cx.waker().clone()),
    });
    match RUSH.with_borrow(|rush| rush.waiting.is_empty()) {
        true => Poll::Pending,
        false => Poll::Ready(()),
    }
}

/// The task that calls ends with all others of the thread.
struct Closing;

impl Drop for Closing {
    fn drop(&mut self) {
        let _ = CALLS.try_with(|calls| calls.take());
        let waiting = RUSH.try_with(|rush| mem::take(&mut rush.borrow_mut().waiting));
        drop(waiting);
    }
}

/// Those who wait. Pure.
#[derive(Debug)]
struct Rush<W> {
    /// Who waits, and until when, in the order in which they came.
    waiting: VecDeque<(Instant, W)>,
    /// Who was admitted since then.
    admitted: Vec<usize>,
    since: Option<Instant>,
}

impl<W> Default for Rush<W> {
    fn default() -> Self {
        Rush {
            waiting: VecDeque::new(),
            admitted: Vec::new(),
            since: None,
        }
    }
}

impl<W> Rush<W> {
    /// Whether a writer, known by a number of its own, may go on. It waits otherwise.
    fn admits(&mut self, id: usize, writer: impl FnOnce() -> W, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) > LATELY) {
            self.since = Some(now);
            self.admitted.clear();
        }
        if self.waiting.is_empty() {
            let known = self.admitted.contains(&id);
            if known || self.admitted.len() < FEW {
                if !known {
                    self.admitted.push(id);
                }
                return true;
            }
        }
        let each = self.waiting.len() as u32 + 1;
        let waits = FOR_EACH.saturating_mul(each).min(LONGEST);
        self.waiting.push_back((now + waits, writer()));
        false
    }

    /// The next whose turn it is: whoever is, if the thread has nothing else to do, or else who has waited long enough.
    fn next(&mut self, nothing_else: bool, now: Instant) -> Option<W> {
        let (until, _) = self.waiting.front()?;
        let goes = nothing_else || *until <= now;
        goes.then(|| self.waiting.pop_front())
            .flatten()
            .map(|(_, writer)| writer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Handle, LocalOptions};

    use super::*;

    fn admits(rush: &mut Rush<usize>, id: usize, now: Instant) -> bool {
        rush.admits(id, || id, now)
    }

    #[test]
    fn a_few_write_at_once_as_often_as_they_like() {
        let (mut rush, now) = (Rush::default(), Instant::now());
        for _ in 0..100 {
            assert!((0..FEW).all(|id| admits(&mut rush, id, now)));
        }
        assert_eq!(rush.next(true, now), None);
    }

    #[test]
    fn where_there_are_more_the_others_wait_until_there_is_nothing_else_to_do() {
        let (mut rush, now) = (Rush::default(), Instant::now());
        assert!((0..FEW).all(|id| admits(&mut rush, id, now)));
        assert!(!admits(&mut rush, FEW, now));
        assert!(!admits(&mut rush, 0, now), "nobody overtakes");
        assert_eq!(rush.next(false, now), None);
        let called = [rush.next(true, now), rush.next(true, now), rush.next(true, now)];
        assert_eq!(called, [Some(FEW), Some(0), None]);
    }

    #[test]
    fn nobody_waits_much_longer_than_it_takes_to_write_to_all() {
        let (mut rush, now) = (Rush::default(), Instant::now());
        assert!((0..FEW).all(|id| admits(&mut rush, id, now)));
        assert!((FEW..1_000).all(|id| !admits(&mut rush, id, now)));
        assert_eq!(rush.next(false, now + FOR_EACH), Some(FEW));
        assert_eq!(rush.next(false, now + FOR_EACH), None);
        let late = now + LONGEST;
        let called = std::iter::from_fn(|| rush.next(false, late));
        assert!(called.eq(FEW + 1..1_000));
    }

    #[test]
    fn one_task_calls_however_many_wait_before_it_runs() {
        let thread = Builder::new_current_thread().build_local(LocalOptions::default());
        let tasks = thread.unwrap().block_on(async {
            (0..3).for_each(|_| have_called());
            Handle::current().metrics().num_alive_tasks()
        });
        assert_eq!(tasks, 1);
    }

    #[test]
    fn what_was_long_ago_is_no_rush() {
        let (mut rush, start) = (Rush::default(), Instant::now());
        let now = (0..).map(|times| start + times * LATELY);
        assert!((0..1_000).zip(now).all(|(id, now)| admits(&mut rush, id, now)));
    }
}
