//! Looking again before the thread of a log sleeps.
//!
//! A publisher that hears that its message is safe often has the next one ready, and to wake a thread takes a part of the time
//! that a sync does. So the thread looks for more for a while when it has written little, letting any other thread go first
//! that wants its processor, and as long as that pays. What comes in bulk is left to gather.

use std::mem;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use crate::trust::Trust;

/// How long the thread looks.
const LASTS: Duration = Duration::from_micros(60);
/// Bytes from which on a write is one in bulk.
const BULK: u64 = 4096;

/// Whether the thread looks again.
pub(super) struct Patience {
    trust: Trust,
    hopes: bool,
}

impl Patience {
    pub(super) const fn new() -> Self {
        Patience {
            trust: Trust::new(),
            hopes: false,
        }
    }

    /// Somebody was told that something is safe; so many bytes were written for that.
    pub(super) fn told(&mut self, bytes: u64) {
        self.hopes = bytes < BULK;
    }

    /// What comes soon, if there is hope for something.
    pub(super) fn look_again<T>(&mut self, inbox: &Receiver<T>) -> Option<T> {
        if !mem::take(&mut self.hopes) || !self.trust.tries() {
            return None;
        }
        let begin = Instant::now();
        while begin.elapsed() < LASTS {
            if let Ok(mail) = inbox.try_recv() {
                self.trust.paid();
                return Some(mail);
            }
            thread::yield_now();
        }
        self.trust.failed();
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::trust::BEST;

    #[test]
    fn the_thread_looks_once_after_it_told_somebody_of_little() {
        let (sender, inbox) = mpsc::channel();
        (0..3).for_each(|mail| sender.send(mail).unwrap());
        let mut patience = Patience::new();
        assert_eq!(patience.look_again(&inbox), None, "nobody was told");
        patience.told(BULK);
        assert_eq!(patience.look_again(&inbox), None, "there was much");
        patience.told(BULK - 1);
        assert_eq!(patience.look_again(&inbox), Some(0));
        assert_eq!(patience.look_again(&inbox), None, "nobody was told since");
    }

    #[test]
    fn it_does_not_look_where_that_is_in_vain() {
        let (sender, inbox) = mpsc::channel();
        let mut patience = Patience::new();
        for _ in 0..BEST {
            patience.told(1);
            assert_eq!(patience.look_again(&inbox), None);
        }
        sender.send(0).unwrap();
        patience.told(1);
        assert_eq!(patience.look_again(&inbox), None);
    }
}
