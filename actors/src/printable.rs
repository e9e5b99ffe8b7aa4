//! What peers say, as it may stand in the log: on one line, and not too long.

use std::fmt::{self, Write};

/// Characters shown; an exception's text has fewer.
const MOST: usize = 300;

/// Text from a peer. Control characters are shown escaped, so that nobody can write lines of the log.
pub(crate) struct Printable<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line { f, left: MOST };
        match write!(line, "{}", self.0) {
            Err(fmt::Error) if line.left == 0 => f.write_str("..."),
            written => written,
        }
    }
}

struct Line<'l, 'f> {
    f: &'l mut fmt::Formatter<'f>,
    left: usize,
}

impl fmt::Write for Line<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            if c.is_control() {
                write!(self.f, "{}", c.escape_default())?;
            } else {
                self.f.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_is_shown_and_not_made() {
        let text = Printable("guest'\n2026 INFO all is \u{1b}[32mwell").to_string();
        assert_eq!(text, "guest'\\n2026 INFO all is \\u{1b}[32mwell");
    }

    #[test]
    fn ordinary_text_is_shown_as_it_is() {
        let text = "NOT_FOUND - no queue 'straße' in vhost '/'";
        assert_eq!(Printable(text).to_string(), text);
    }

    #[test]
    fn long_text_is_cut() {
        let text = Printable("x".repeat(100_000)).to_string();
        assert_eq!(text, format!("{}...", "x".repeat(MOST)));
    }
}
