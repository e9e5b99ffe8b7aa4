//! The arguments that exchanges of some types have.

use std::time::Duration;

use leveret_protocol::{Exception, FieldTable, FieldValue, ReplyCode};

use crate::deduplication::{self, Deduplication};
use crate::exchange::history;
use crate::exchange::kind::ExchangeKind;
use crate::name::Name;
use crate::policy::shown;
use crate::queue::terms::LONGEST_TIME;
use crate::vhost::names;

/// The arguments of one declaration, and what it declares, for the refusals.
pub(super) struct Arguments<'d> {
    pub(super) table: &'d FieldTable,
    pub(super) exchange: &'d str,
    pub(super) vhost: &'d str,
}

impl Arguments<'_> {
    /// How many messages are kept for new bindings.
    pub(super) fn history(&self) -> Result<u64, Exception> {
        let key = "x-recent-history-length";
        let Some(value) = self.table.get(key) else {
            return Ok(history::LENGTH);
        };
        let length = value.as_i64().and_then(|length| u64::try_from(length).ok());
        length.filter(|length| *length > 0).ok_or_else(|| {
            let value = shown(value);
            unmet(format!(
                "Invalid argument {value}, '{key}' must be a positive integer"
            ))
        })
    }

    /// Which messages are dropped because they were there before. An exchange of the type for it says so by that.
    pub(super) fn deduplication(&self, kind: ExchangeKind) -> Result<Option<Deduplication>, Exception> {
        let key = "x-message-deduplication";
        let wanted = match self.table.get(key) {
            None => false,
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.unacceptable_type(key, value))?,
        };
        if !wanted && kind != ExchangeKind::Deduplication {
            return Ok(None);
        }
        let header = match self.table.get(deduplication::HEADER) {
            None => deduplication::HEADER,
            Some(value) => value
                .as_str()
                .ok_or_else(|| self.unacceptable_type(deduplication::HEADER, value))?,
        };
        let most = i64::MAX;
        let cache_size = self.above_zero("x-cache-size", most)?;
        let ttl = self.above_zero("x-cache-ttl", LONGEST_TIME)?;
        Ok(Some(Deduplication {
            header: Name::from(header),
            cache_size: cache_size.unwrap_or(deduplication::CACHE_SIZE),
            ttl: ttl.map(Duration::from_millis),
        }))
    }

    /// A number above zero, which clients of the plugin also write in digits.
    fn above_zero(&self, key: &str, most: i64) -> Result<Option<u64>, Exception> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let written = || value.as_str().and_then(|digits| digits.parse().ok());
        let number = value.as_i64().or_else(written).ok_or_else(|| {
            let reason = format!("\"expected integer, got {}\"", value.type_name());
            self.invalid(key, &reason)
        })?;
        match number {
            0 => Err(self.invalid(key, "{value_zero,0}")),
            negative if negative < 0 => Err(self.invalid(key, &format!("{{value_negative,{number}}}"))),
            big if big > most => Err(self.invalid(key, &format!("{{value_too_large,{number}}}"))),
            fit => Ok(Some(fit.unsigned_abs())),
        }
    }

    fn unacceptable_type(&self, key: &str, value: &FieldValue) -> Exception {
        self.invalid(key, &format!("{{unacceptable_type,{}}}", value.type_name()))
    }

    fn invalid(&self, key: &str, reason: &str) -> Exception {
        let exchange = names::exchange(self.exchange, self.vhost);
        unmet(format!("invalid arg '{key}' for {exchange}: {reason}"))
    }
}

fn unmet(text: String) -> Exception {
    Exception::new(ReplyCode::PreconditionFailed, text)
}
