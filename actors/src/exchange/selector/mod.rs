//! Selectors: what a binding of an `x-jms-topic` exchange asks of a message's headers. Pure.
//!
//! A JMS client makes an Erlang term of the SQL that its user wrote, and binds with the text of that
//! term. It is read once, when the binding is made.

mod condition;
mod evaluation;
mod pattern;
mod term;

use std::hash::{Hash, Hasher};

use leveret_protocol::{Exception, FieldTable, ReplyCode};

use self::condition::Condition;
use super::binding::Destination;

/// The argument of a binding that holds the term.
const ARGUMENT: &str = "rjms_erlang_selector";

/// The longest text of a term, in bytes.
const LEN_MAX: usize = 16 * 1024;

/// A selector that was understood. Two are the same when their texts are.
pub(super) struct Selector {
    text: Box<str>,
    condition: Condition,
}

impl Selector {
    /// Reads the selector among the arguments of a binding to `destination`.
    ///
    /// # Errors
    ///
    /// 406 when there is none, or one that is not understood; the text says why.
    pub(super) fn of(arguments: &FieldTable, destination: &Destination) -> Result<Self, Exception> {
        let value = arguments.get(ARGUMENT);
        let text = value.and_then(|value| value.as_str()).unwrap_or_default();
        let condition = match text.len() {
            0 => Err(format!("{ARGUMENT} is no text")),
            1..=LEN_MAX => term::parse(text).and_then(Condition::try_from),
            len => Err(format!("it has {len} bytes, and {LEN_MAX} are the most")),
        };
        match condition {
            Ok(condition) => Ok(Self {
                text: text.into(),
                condition,
            }),
            Err(reason) => Err(Exception::new(
                ReplyCode::PreconditionFailed,
                // The text comes last, since a reply has room for 255 bytes.
                format!(
                    "cannot parse selector binding destination '{}': {reason}: {text:?}",
                    destination.name()
                ),
            )),
        }
    }

    /// Whether a message with these headers is wanted.
    pub(super) fn holds(&self, headers: &FieldTable) -> bool {
        self.condition.holds(headers)
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Selector {}

impl Hash for Selector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

#[cfg(test)]
mod tests;
