//! The log, written to standard error.

mod quota;

use std::io::{self, IsTerminal};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use quota::Quota;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A checked log filter: a level, or directives such as `info,leveret_actors=debug`.
#[derive(Debug, Clone)]
pub(crate) struct LogFilter(String);

impl LogFilter {
    /// Reads a filter as given on the command line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // A lone word is taken for a target by the filter, which would hide a misspelt level.
        let bare = text.split(',').map(str::trim).find(|directive| {
            let level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(directive));
            !level && !directive.contains(['=', '['])
        });
        if let Some(word) = bare {
            return Err(format!(
                "'{word}' is not a level; use one of {} or TARGET=LEVEL, separated by commas",
                LEVELS.join(", ")
            ));
        }
        EnvFilter::try_new(text).map_err(|error| error.to_string())?;
        Ok(Self(text.to_owned()))
    }
}

/// Sends everything the filter lets through to standard error, as far as the quota goes.
pub(crate) fn start(filter: &LogFilter) {
    let LogFilter(directives) = filter;
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    registry()
        .with(EnvFilter::new(directives))
        .with(Quota::new())
        .with(lines)
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_are_filters() {
        for filter in [
            "info",
            "WARN",
            "off",
            "info,leveret_actors=debug",
            "leveret[connection]=trace",
        ] {
            assert!(LogFilter::parse(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn a_misspelt_level_is_named_together_with_the_right_ones() {
        let error = LogFilter::parse("info,debgu").unwrap_err();
        assert!(error.contains("'debgu'") && error.contains("debug"), "{error}");
        assert!(LogFilter::parse("leveret=loud").is_err());
        assert!(LogFilter::parse("").is_err());
    }
}
