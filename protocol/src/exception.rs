//! What goes wrong, and how much it ends.

use crate::{reply_code::ReplyCode, text};
use thiserror::Error;

/// How much an exception ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The channel: `channel.close`.
    Channel,
    /// The whole connection: `connection.close`.
    Connection,
}

/// A refusal or an error in AMQP's terms.
///
/// ```
/// use leveret_protocol::{Exception, ReplyCode, Scope};
///
/// let exception = Exception::new(ReplyCode::NotFound, "no queue 'q' in vhost '/'").on((50, 20));
/// assert_eq!(exception.scope, Scope::Channel);
/// assert_eq!(exception.reply_text(), "NOT_FOUND - no queue 'q' in vhost '/'");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} - {text}", code.name())]
pub struct Exception {
    /// Why.
    pub code: ReplyCode,
    /// What it ends.
    pub scope: Scope,
    /// The detail, without the name of the code.
    pub text: String,
    /// Class and method id of the offending method; zeros when there is none.
    pub method: (u16, u16),
}

impl Exception {
    /// An exception of the code's own scope that names no method yet.
    pub fn new(code: ReplyCode, text: impl Into<String>) -> Self {
        Exception {
            code,
            scope: code.scope(),
            text: text.into(),
            method: (0, 0),
        }
    }

    /// Names the offending method unless one is named already.
    #[must_use]
    pub fn on(mut self, ids: (u16, u16)) -> Self {
        if self.method == (0, 0) {
            self.method = ids;
        }
        self
    }

    /// Replaces the scope.
    #[must_use]
    pub fn at(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The reply text `NAME - detail`, cut to the 255 bytes a short string carries.
    pub fn reply_text(&self) -> String {
        let whole = self.to_string();
        text::short(&whole).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reply_text_is_cut_between_characters() {
        let exception = Exception::new(ReplyCode::NotFound, "é".repeat(200));
        let text = exception.reply_text();
        // "NOT_FOUND - " is twelve bytes long, so 243 are left for two-byte characters.
        assert_eq!(text.len(), 12 + 242);
        assert!(text.ends_with('é'));
    }

    #[test]
    fn the_first_method_named_stays() {
        let exception = Exception::new(ReplyCode::SyntaxError, "x")
            .on((50, 10))
            .on((60, 40));
        assert_eq!(exception.method, (50, 10));
    }

    #[test]
    fn the_scope_can_be_widened() {
        let exception = Exception::new(ReplyCode::AccessRefused, "login refused").at(Scope::Connection);
        assert_eq!(
            (exception.code.scope(), exception.scope),
            (Scope::Channel, Scope::Connection)
        );
    }
}
