//! The last messages of an exchange, for those that are bound to it later.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use leveret_protocol::{FieldTable, FieldValue};

use crate::publication::{Page, PageBuilder, Publication};

/// How many messages are kept when nobody says.
pub const LENGTH: u64 = 20;

/// Bytes of memory that the messages of one exchange may take, however many it is to keep.
const MOST_BYTES: u64 = 64 << 20;

/// The header with which a message says that it is not to be kept.
const NO_STORE: &str = "x-recent-history-no-store";

/// The last messages of an exchange, as many as it was declared to keep. In memory only.
pub struct History {
    most: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Each in a page of its own.
    messages: VecDeque<(Arc<Page>, u32)>,
    bytes: u64,
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

    /// Keeps a copy of a message; the oldest make room. One too large to be kept at all is left out.
    pub fn keep(&self, publication: Publication<'_>) {
        let mut page = PageBuilder::new();
        let offset = page.copy(publication);
        let page = page.finish();
        if page.bytes() > MOST_BYTES {
            return;
        }
        let mut kept = self.kept();
        kept.bytes += page.bytes();
        kept.messages.push_back((page, offset));
        while kept.messages.len() as u64 > self.most || kept.bytes > MOST_BYTES {
            let Some((oldest, _)) = kept.messages.pop_front() else {
                break;
            };
            kept.bytes -= oldest.bytes();
        }
    }

    /// The messages, the oldest first: each with its place in its page.
    #[must_use]
    pub fn messages(&self) -> Vec<(Arc<Page>, u32)> {
        self.kept().messages.iter().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
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
            blind: false,
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
    fn large_messages_are_kept_only_as_far_as_there_is_room() {
        let history = History::new(u64::MAX);
        let large = "x".repeat(20 << 20);
        for _ in 0..5 {
            keep(&history, &large);
        }
        assert_eq!(history.messages().len(), 3);
        keep(&history, &"x".repeat(65 << 20));
        assert_eq!(history.messages().len(), 3);
    }

    #[test]
    fn a_message_says_that_it_is_not_kept() {
        let with = |value: bool| FieldTable::from_iter([(NO_STORE, value)]);
        assert!(!History::wants(Some(&with(true))));
        assert!(History::wants(Some(&with(false))) && History::wants(None));
    }
}
