//! Reading the arguments of a queue declaration, with the refusals clients know.

use std::time::Duration;

use leveret_protocol::{Exception, FieldTable, FieldValue, ReplyCode};

use crate::{
    deduplication::{self, Deduplication},
    name::Name,
    queue::{kind::QueueKind, terms::LONGEST_TIME},
    vhost::names,
};

/// The arguments of one declaration, and what it declares, for the refusals.
pub(super) struct Arguments<'d> {
    pub(super) table: &'d FieldTable,
    pub(super) queue: &'d str,
    pub(super) vhost: &'d str,
}

/// Why a queue of one type does not have an argument, a property or a value.
impl Arguments<'_> {
    /// 406 if there is one of the arguments that only queues of other types have.
    pub(super) fn check_known(
        &self,
        foreign: impl IntoIterator<Item = &'static str>,
        kind: QueueKind,
    ) -> Result<(), Exception> {
        let mut foreign = foreign.into_iter();
        match foreign.find(|key| self.table.get(key).is_some()) {
            None => Ok(()),
            Some(key) => Err(unmet(format!(
                "invalid arg '{key}' for {} of queue type {}",
                names::queue(self.queue, self.vhost),
                kind.long_name()
            ))),
        }
    }

    /// 406: queues of this type do not have the property `name`.
    pub(super) fn unfit_property(&self, name: &str) -> Exception {
        let queue = names::queue(self.queue, self.vhost);
        unmet(format!("invalid property '{name}' for {queue}"))
    }

    /// 406: queues of this type have the argument `key`, but not with this value.
    pub(super) fn unfit_value(&self, key: &str, value: &str) -> Exception {
        let queue = names::queue(self.queue, self.vhost);
        unmet(format!("invalid arg '{key}' with value '{value}' for {queue}"))
    }
}

impl<'d> Arguments<'d> {
    /// An integer of any width that is not negative.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, Exception> {
        let Some(number) = self.integer(key)? else {
            return Ok(None);
        };
        match u64::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(self.invalid(key, &format!("{{value_negative,{number}}}"))),
        }
    }

    /// A number no larger than `most`.
    pub(super) fn small_number(&self, key: &str, most: u8) -> Result<Option<u8>, Exception> {
        let Some(number) = self.number(key)? else {
            return Ok(None);
        };
        match u8::try_from(number) {
            Ok(small) if small <= most => Ok(Some(small)),
            _ => Err(self.invalid(key, &format!("{{max_value_exceeded,{number}}}"))),
        }
    }

    /// Milliseconds of at most ten years.
    pub(super) fn time(&self, key: &str) -> Result<Option<Duration>, Exception> {
        match self.integer(key)? {
            Some(number) if number > LONGEST_TIME => {
                Err(self.invalid(key, &format!("{{value_too_large,{number}}}")))
            }
            _ => Ok(self.number(key)?.map(Duration::from_millis)),
        }
    }

    /// Like [`time`](Self::time), but not zero.
    pub(super) fn time_above_zero(&self, key: &str) -> Result<Option<Duration>, Exception> {
        match self.time(key)? {
            Some(Duration::ZERO) => Err(self.invalid(key, "{value_zero,0}")),
            time => Ok(time),
        }
    }

    pub(super) fn truth(&self, key: &str) -> Result<Option<bool>, Exception> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        value
            .as_bool()
            .map(Some)
            .ok_or_else(|| self.unacceptable_type(key, value))
    }

    /// A long string; bytes that are not UTF-8 are refused like another type.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'d str>, Exception> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        value
            .as_str()
            .map(Some)
            .ok_or_else(|| self.unacceptable_type(key, value))
    }

    /// One word of a few, which `parse` knows; any other is refused for `reason`.
    pub(super) fn word<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Option<T>,
        reason: &str,
    ) -> Result<Option<T>, Exception> {
        let word = self.text(key)?;
        word.map(|word| parse(word).ok_or_else(|| self.invalid(key, reason)))
            .transpose()
    }

    /// Which messages are dropped because they were here before.
    pub(super) fn deduplication(&self) -> Result<Option<Deduplication>, Exception> {
        let wanted = self.truth("x-message-deduplication")?;
        let cache_size = self.number("x-cache-size")?;
        let ttl = self.time_above_zero("x-cache-ttl")?;
        let header = self.text(deduplication::HEADER)?;
        if cache_size == Some(0) {
            return Err(self.invalid("x-cache-size", "{value_zero,0}"));
        }
        Ok(wanted.unwrap_or_default().then(|| Deduplication {
            header: Name::from(header.unwrap_or(deduplication::HEADER)),
            cache_size: cache_size.unwrap_or(deduplication::CACHE_SIZE),
            ttl,
        }))
    }

    /// The name of an exchange, which clients see refused in words of their own.
    pub(super) fn exchange(&self, key: &str) -> Result<Option<Name>, Exception> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        value.as_str().map(|name| Some(Name::from(name))).ok_or_else(|| {
            unmet(format!(
                "invalid type '{}' for arg '{key}' in {}",
                value.type_name(),
                names::queue(self.queue, self.vhost)
            ))
        })
    }

    /// 406: the value of `key` is out of the question, for this reason.
    pub(super) fn invalid(&self, key: &str, reason: &str) -> Exception {
        unmet(format!(
            "invalid arg '{key}' for {}: {reason}",
            names::queue(self.queue, self.vhost)
        ))
    }

    /// An integer of any width.
    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, Exception> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        value
            .as_i64()
            .map(Some)
            .ok_or_else(|| self.invalid(key, &format!("\"expected integer, got {}\"", value.type_name())))
    }

    fn unacceptable_type(&self, key: &str, value: &FieldValue) -> Exception {
        self.invalid(key, &format!("{{unacceptable_type,{}}}", value.type_name()))
    }
}

fn unmet(text: String) -> Exception {
    Exception::new(ReplyCode::PreconditionFailed, text)
}
