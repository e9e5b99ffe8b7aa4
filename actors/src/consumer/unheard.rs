//! What was written of a consumer's deliveries, and the consumer has not heard of.
//!
//! A mail for each delivery is more work than the delivery. Whoever drops the receipts counts here, and sends one when the
//! consumer could grant its queue more for it.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::rc::Rc;

use super::messages::Written;

/// Hears of what was written: a consumer.
pub(crate) trait Hears: Debug {
    /// So much was written.
    fn hear(&self, written: Written);
}

/// The count of one consumer, shared on its thread.
#[derive(Debug)]
#[repr(C)]
pub struct Unheard {
    /// Nobody before the client knows the consumer, and after it is off the books.
    pub(super) hearer: RefCell<Option<Rc<dyn Hears>>>,
    messages: Cell<u32>,
    bytes: Cell<u64>,
    worth: Cell<Written>,
    /// What was delivered past the consumer, which it has not heard of either.
    delivered: Cell<Written>,
    /// What its queue may still deliver, as far as it has heard.
    granted: Cell<Written>,
}

/// Whatever is written is worth to be heard of.
const EVERYTHING: Written = Written {
    messages: 1,
    bytes: 1,
};

impl Default for Unheard {
    /// Everything is worth to be heard until the consumer says otherwise.
    fn default() -> Self {
        Unheard {
            hearer: RefCell::default(),
            messages: Cell::default(),
            bytes: Cell::default(),
            worth: Cell::new(EVERYTHING),
            delivered: Cell::default(),
            granted: Cell::default(),
        }
    }
}

impl Unheard {
    /// Who hears of it from here on.
    pub(super) fn set_hearer(&self, hearer: Option<Rc<dyn Hears>>) {
        drop(self.hearer.replace(hearer));
    }

    /// Whether somebody does.
    pub(super) fn has_hearer(&self) -> bool {
        self.hearer.borrow().is_some()
    }

    /// Lets whoever hears of it hear this.
    pub(super) fn say(&self, written: Written) {
        if let Some(hearer) = &*self.hearer.borrow() {
            hearer.hear(written);
        }
    }

    /// The consumer wants to hear of so many messages or so many bytes.
    pub(super) fn set_worth(&self, worth: Written) {
        self.worth.set(worth);
    }

    /// So much its queue may still deliver, all in all.
    pub(super) fn set_granted(&self, granted: Written) {
        self.granted.set(granted);
    }

    /// Adds what was delivered past the consumer; returns what was written if the consumer is to hear of it.
    pub(super) fn delivered(&self, messages: u32, bytes: u64) -> Option<Written> {
        let (before, granted) = (self.delivered.get(), self.granted.get());
        let delivered = Written {
            messages: before.messages.saturating_add(messages),
            bytes: before.bytes.saturating_add(bytes),
        };
        self.delivered.set(delivered);
        if delivered.messages >= granted.messages || delivered.bytes >= granted.bytes {
            self.worth.set(EVERYTHING);
        }
        self.is_worth().then(|| self.take())
    }

    /// All that was delivered past the consumer; it counts as heard.
    pub(super) fn take_delivered(&self) -> Written {
        self.delivered.take()
    }

    /// Adds what was written; returns all of it if the consumer is to hear of it.
    pub(super) fn add(&self, messages: u32, bytes: u64) -> Option<Written> {
        self.messages.set(self.messages.get().saturating_add(messages));
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        self.is_worth().then(|| self.take())
    }

    /// Whether so much is written that the consumer is to hear of it.
    pub(super) fn is_worth(&self) -> bool {
        let worth = self.worth.get();
        self.messages.get() >= worth.messages || self.bytes.get() >= worth.bytes
    }

    /// All that was written; it counts as heard.
    pub(super) fn take(&self) -> Written {
        Written {
            messages: self.messages.take(),
            bytes: self.bytes.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_gathers_until_it_is_worth_a_mail() {
        let unheard = Unheard::default();
        assert_eq!(
            unheard.add(1, 10),
            Some(Written {
                messages: 1,
                bytes: 10
            })
        );
        unheard.set_worth(Written {
            messages: 100,
            bytes: 50,
        });
        assert_eq!((unheard.add(1, 20), unheard.add(1, 20)), (None, None));
        assert_eq!(
            unheard.add(1, 20),
            Some(Written {
                messages: 3,
                bytes: 60
            })
        );
        assert_eq!(unheard.add(99, 0), None);
        assert_eq!(
            unheard.take(),
            Written {
                messages: 99,
                bytes: 0
            }
        );
    }

    #[test]
    fn a_consumer_hears_of_what_was_written_once_all_that_it_granted_is_delivered_past_it() {
        let unheard = Unheard::default();
        let much = Written {
            messages: 100,
            bytes: 1_000,
        };
        unheard.set_worth(much);
        unheard.set_granted(much);
        assert_eq!(unheard.delivered(60, 60), None);
        assert_eq!(unheard.add(60, 60), None);
        let written = unheard.delivered(40, 40).map(|written| written.messages);
        assert_eq!(written, Some(60));
        assert_eq!(unheard.add(40, 40).map(|written| written.messages), Some(40));
        assert_eq!(unheard.take_delivered().messages, 100);
        assert_eq!(unheard.take_delivered(), Written::default());
    }
}
