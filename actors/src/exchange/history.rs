//! The last messages of an exchange, for those that are bound to it later.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use leveret_protocol::{FieldTable, FieldValue};

use crate::publication::{Page, PageBuilder, Publication};

/// How many messages are kept when nobody says.
pub const LENGTH: u64 = 20;

/// The header with which a message says that it is not to be kept.
const NO_STORE: &str = "x-recent-history-no-store";

/// The last messages of an exchange, as many as it was declared to keep. In memory only.
pub struct History {
    most: u64,
    /// Each in a page of its own.
    kept: Mutex<VecDeque<(Arc<Page>, u32)>>,
}

impl History {
    /// Nothing yet, and at most so many.
    #[must_use]
    pub fn new(most: u64) -> Self {
        History {
            most,
            kept: Mutex::default(),
        }
    }

    /// Whether a message with these headers is kept.
    #[must_use]
    pub fn wants(headers: Option<&FieldTable>) -> bool {
        let no_store = headers.and_then(|headers| headers.get(NO_STORE));
        no_store.and_then(FieldValue::as_bool) != Some(true)
    }

    /// Keeps a copy of a message; the oldest makes room.
    pub fn keep(&self, publication: Publication<'_>) {
        let mut page = PageBuilder::new();
        let offset = page.copy(publication);
        let page = page.finish();
        let mut kept = self.kept();
        kept.push_back((page, offset));
        while kept.len() as u64 > self.most {
            kept.pop_front();
        }
    }

    /// The messages, the oldest first: each with its place in its page.
    #[must_use]
    pub fn messages(&self) -> Vec<(Arc<Page>, u32)> {
        self.kept().iter().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(Arc<Page>, u32)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::Body;

    use super::*;

    fn keep(history: &History, body: &str) {
        history.keep(Publication {
            exchange: b"e",
            routing_key: b"k",
            properties: &[0, 0],
            body: Body::Slice(body.as_bytes()),
            persistent: false,
            dead_lettered: false,
            body_len: 0,
        });
    }

    #[test]
    fn the_last_messages_are_kept_in_their_order() {
        let history = History::new(2);
        for body in ["one", "two", "three"] {
            keep(&history, body);
        }
        let messages = history.messages();
        let bodies: Vec<&[u8]> = messages
            .iter()
            .map(|(page, offset)| match page.get(*offset).body {
                Body::Slice(body) => body,
                Body::Shared(_) => panic!("they are small"),
            })
            .collect();
        assert_eq!(bodies, [b"two".as_slice(), b"three"]);
    }

    #[test]
    fn a_message_says_that_it_is_not_kept() {
        let with = |value: bool| FieldTable::from_iter([(NO_STORE, value)]);
        assert!(!History::wants(Some(&with(true))));
        assert!(History::wants(Some(&with(false))) && History::wants(None));
    }
}
