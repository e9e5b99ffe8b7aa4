//! Waking a worker from other threads, once for all that they woke.
//!
//! The runtime makes a system call for each task that another thread wakes, whether the task's thread sleeps or not. Where
//! a thousand queues and their clients live on two threads, that is one for each few messages. So actors that hear from
//! other threads are woken through the [`Bell`] of their worker: a list of them, and a task that wakes them on their own
//! thread, where it is cheap. That task comes along each time round while actors run, so nobody has to call it then.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};

thread_local! {
    /// The bell of this thread.
    static HERE: RefCell<Option<Arc<Bell>>> = const { RefCell::new(None) };
    /// How often actors of this thread were polled, or told something.
    static POLLS: Cell<u64> = const { Cell::new(0) };
    /// The row of flags that was begun, and how many of it are taken.
    static ROW: RefCell<(Arc<Row>, u8)> = RefCell::default();
}

/// How often actors of this thread were polled, or told something.
pub(crate) fn polls() -> u64 {
    POLLS.get()
}

/// Counts one more.
pub(super) fn count() {
    POLLS.set(POLLS.get().wrapping_add(1));
}

/// Gives this thread its bell, and answers it: a task of the thread, spawned before any actor, that never ends.
pub(super) async fn answer() {
    let bell = Arc::new(Bell::default());
    HERE.set(Some(Arc::clone(&bell)));
    let (mut lines, mut polls) = (Vec::new(), 0);
    poll_fn(|cx| {
        let before = mem::replace(&mut polls, POLLS.get());
        let comes_again = bell.take(&mut lines, polls != before, cx.waker());
        lines.drain(..).for_each(|line| line.task.wake_by_ref());
        if comes_again {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// Who was woken by other threads, and has not been told yet.
#[derive(Debug, Default)]
struct Bell(Mutex<Rung>);

#[derive(Debug, Default)]
struct Rung {
    lines: Vec<Arc<Line>>,
    /// Whether the task that answers comes without being called.
    comes: bool,
    /// Calls it.
    answer: Option<Waker>,
}

impl Bell {
    fn ring(&self, line: Arc<Line>) {
        let mut rung = self.lock();
        rung.lines.push(line);
        if !mem::replace(&mut rung.comes, true) {
            let answer = rung.answer.clone();
            drop(rung);
            answer.iter().for_each(Waker::wake_by_ref);
        }
    }

    /// Moves all that are to be woken to `lines`, which is empty. Whoever answers says whether it `comes` again anyway,
    /// and has to if this returns true.
    fn take(&self, lines: &mut Vec<Arc<Line>>, comes: bool, answer: &Waker) -> bool {
        let mut rung = self.lock();
        mem::swap(&mut rung.lines, lines);
        rung.answer.get_or_insert_with(|| answer.clone());
        rung.comes = comes || !lines.is_empty();
        rung.comes
    }

    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody has woken a task, which has not been polled since. It is looked at whenever the actor is told something, so
/// those of many actors stand side by side: one by one they would be fetched from memory each time.
#[derive(Debug, Clone)]
pub(super) struct Flag {
    row: Arc<Row>,
    place: u8,
}

/// As many flags as a line of memory has room for.
#[derive(Debug)]
#[repr(align(64))]
struct Row([AtomicBool; FLAGS]);

const FLAGS: usize = 64;

impl Default for Row {
    fn default() -> Self {
        Row([const { AtomicBool::new(false) }; FLAGS])
    }
}

impl Flag {
    /// A new one beside those before it of this thread, not raised.
    fn next() -> Self {
        ROW.with_borrow_mut(|(row, taken)| {
            if usize::from(*taken) == FLAGS {
                (*row, *taken) = Default::default();
            }
            let (row, place) = (Arc::clone(row), *taken);
            *taken += 1;
            Flag { row, place }
        })
    }

    /// Whether it is raised.
    pub(super) fn is_raised(&self) -> bool {
        let flag = self.row.0.get(usize::from(self.place));
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    fn set(&self, raised: bool) {
        if let Some(flag) = self.row.0.get(usize::from(self.place)) {
            flag.store(raised, Ordering::Relaxed);
        }
    }
}

/// From whoever wakes a task to the bell of its thread.
#[derive(Debug)]
pub(super) struct Line {
    /// None if the thread has none: the task is woken at once then.
    bell: Option<Arc<Bell>>,
    task: Waker,
    rang: Flag,
}

impl Line {
    /// To a task of this thread.
    pub(super) fn to(task: &Waker) -> Arc<Line> {
        Arc::new(Line {
            bell: HERE.with_borrow(Clone::clone),
            task: task.clone(),
            rang: Flag::next(),
        })
    }

    /// Raised from when somebody wakes the task until that is polled.
    pub(super) fn flag(&self) -> Flag {
        self.rang.clone()
    }

    /// The task is polled.
    pub(super) fn answered(&self) {
        count();
        self.rang.set(false);
    }

    /// Wakes the task from its own thread, though nobody rang.
    pub(super) fn wake_here(&self) {
        self.task.wake_by_ref();
    }

    fn other_thread(&self) -> Option<&Arc<Bell>> {
        let bell = self.bell.as_ref()?;
        let is_here = |here: &RefCell<Option<Arc<Bell>>>| {
            let here = here.borrow();
            here.as_ref().is_some_and(|here| Arc::ptr_eq(here, bell))
        };
        (!HERE.try_with(is_here).unwrap_or(false)).then_some(bell)
    }
}

impl Wake for Line {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.set(true);
        match self.other_thread() {
            Some(bell) => bell.ring(Arc::clone(self)),
            None => self.task.wake_by_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Debug, Default)]
    struct Calls(AtomicUsize);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Thread {
        bell: Arc<Bell>,
        calls: Arc<Calls>,
        lines: Vec<Arc<Line>>,
    }

    impl Thread {
        fn new() -> Self {
            let thread = Thread {
                bell: Arc::default(),
                calls: Arc::default(),
                lines: Vec::new(),
            };
            assert!(
                !thread
                    .bell
                    .take(&mut Vec::new(), false, &thread.calls.clone().into())
            );
            thread
        }

        /// Another thread wakes a task of this one.
        fn ring(&self) {
            let line = Line {
                bell: Some(Arc::clone(&self.bell)),
                task: Waker::noop().clone(),
                rang: Flag::next(),
            };
            Waker::from(Arc::new(line)).wake();
        }

        /// How many are woken then, and whether the task that answers comes again by itself.
        fn answer(&mut self, comes: bool) -> (usize, bool) {
            self.lines.clear();
            let again = self.bell.take(&mut self.lines, comes, &self.calls.clone().into());
            (self.lines.len(), again)
        }

        fn calls(&self) -> usize {
            self.calls.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_thread_that_sleeps_is_called_once_for_all_who_are_woken() {
        let mut thread = Thread::new();
        for _ in 0..3 {
            thread.ring();
        }
        assert_eq!(thread.calls(), 1);
        assert_eq!(thread.answer(false), (3, true));
    }

    #[test]
    fn each_of_any_number_of_flags_is_its_own() {
        let flags: Vec<Flag> = (0..3 * FLAGS).map(|_| Flag::next()).collect();
        let raised = |flags: &[Flag]| flags.iter().filter(|flag| flag.is_raised()).count();
        for (count, flag) in flags.iter().enumerate() {
            assert!(!flag.is_raised());
            flag.set(true);
            assert_eq!(raised(&flags), count + 1);
        }
        flags.iter().for_each(|flag| flag.set(false));
        assert_eq!(raised(&flags), 0);
    }

    #[test]
    fn a_thread_that_is_busy_is_not_called() {
        let mut thread = Thread::new();
        thread.ring();
        assert_eq!(thread.answer(true), (1, true));
        thread.ring();
        assert_eq!(thread.calls(), 1, "for the first, when it slept");
        assert_eq!(thread.answer(true), (1, true));
    }

    #[test]
    fn a_thread_that_has_nothing_left_to_do_is_called_again() {
        let mut thread = Thread::new();
        thread.ring();
        assert_eq!(thread.answer(false), (1, true));
        assert_eq!(thread.answer(false), (0, false), "it sleeps");
        thread.ring();
        assert_eq!(thread.calls(), 2);
    }
}
