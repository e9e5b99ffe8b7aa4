//! What was written of a consumer's deliveries, and the consumer has not heard of.
//!
//! A mail for each delivery is more work than the delivery. Whoever drops the receipts counts here, and sends one when the
//! consumer could grant its queue more for it.

use std::cell::Cell;

use super::messages::Written;

/// The count of one consumer, shared on its thread.
#[derive(Debug)]
pub struct Unheard {
    messages: Cell<u32>,
    bytes: Cell<u64>,
    worth: Cell<Written>,
}

impl Default for Unheard {
    /// Everything is worth to be heard until the consumer says otherwise.
    fn default() -> Self {
        Unheard {
            messages: Cell::default(),
            bytes: Cell::default(),
            worth: Cell::new(Written {
                messages: 1,
                bytes: 1,
            }),
        }
    }
}

impl Unheard {
    /// The consumer wants to hear of so many messages or so many bytes.
    pub(super) fn set_worth(&self, worth: Written) {
        self.worth.set(worth);
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
}
