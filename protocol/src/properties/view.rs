//! A borrowed view of raw properties.

use super::flag;
use crate::{
    exception::Exception,
    types::FieldTable,
    wire::{Fault, Parsed, fail, longlong, longstr, octet, short, shortstr},
};

/// The first word of flags; 0 when `raw` is too short to have one.
#[inline]
pub fn flags(raw: &[u8]) -> u16 {
    raw.first_chunk().map_or(0, |flags| u16::from_be_bytes(*flags))
}

/// The delivery mode, without looking at the properties behind it; `None` if absent or cut.
#[inline]
pub fn delivery_mode(raw: &[u8]) -> Option<u8> {
    let flags = flags(raw);
    if flags & flag::DELIVERY_MODE == 0 {
        return None;
    }
    let before = flag::CONTENT_TYPE | flag::CONTENT_ENCODING | flag::HEADERS | flag::CONTINUATION;
    if flags & before == 0 {
        return raw.get(2).copied();
    }
    let read = || -> Parsed<'_, u8> {
        let (rest, flags) = words(raw)?;
        let (rest, _) = optional(flags, flag::CONTENT_TYPE, shortstr, rest)?;
        let (rest, _) = optional(flags, flag::CONTENT_ENCODING, shortstr, rest)?;
        let (rest, _) = optional(flags, flag::HEADERS, longstr, rest)?;
        octet(rest)
    };
    read().ok().map(|(_, mode)| mode)
}

/// The priority, without looking at the properties behind it; `None` if absent or cut.
#[inline]
pub fn priority(raw: &[u8]) -> Option<u8> {
    if flags(raw) & flag::PRIORITY == 0 {
        return None;
    }
    let read = || -> Parsed<'_, u8> {
        let (rest, flags) = words(raw)?;
        let (rest, _) = optional(flags, flag::CONTENT_TYPE, shortstr, rest)?;
        let (rest, _) = optional(flags, flag::CONTENT_ENCODING, shortstr, rest)?;
        let (rest, _) = optional(flags, flag::HEADERS, longstr, rest)?;
        let (rest, _) = optional(flags, flag::DELIVERY_MODE, octet, rest)?;
        octet(rest)
    };
    read().ok().map(|(_, priority)| priority)
}

/// The properties of one message where they lie on the wire.
///
/// Strings may hold any bytes. The headers' fields are read by [`headers`](Properties::headers) only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct Properties<'a> {
    pub content_type: Option<&'a [u8]>,
    pub content_encoding: Option<&'a [u8]>,
    /// The headers table, its four octets of length included.
    pub headers_raw: Option<&'a [u8]>,
    /// 2 for a persistent message.
    pub delivery_mode: Option<u8>,
    pub priority: Option<u8>,
    pub correlation_id: Option<&'a [u8]>,
    pub reply_to: Option<&'a [u8]>,
    /// Milliseconds to live, in decimal digits.
    pub expiration: Option<&'a [u8]>,
    pub message_id: Option<&'a [u8]>,
    /// Seconds since 1970 in UTC.
    pub timestamp: Option<u64>,
    /// The property called `type`.
    pub kind: Option<&'a [u8]>,
    pub user_id: Option<&'a [u8]>,
    pub app_id: Option<&'a [u8]>,
    pub cluster_id: Option<&'a [u8]>,
}

impl<'a> Properties<'a> {
    /// Reads raw properties: flags and property list.
    ///
    /// # Errors
    ///
    /// 502 when they are cut, have bytes behind their end or an undefined flag.
    pub fn parse(raw: &'a [u8]) -> Result<Self, Exception> {
        let read = || -> Result<Self, Fault> {
            match properties(raw)? {
                ([], properties) => Ok(properties),
                _ => Err(Fault::Trailing),
            }
        };
        read().map_err(|fault| fault.raise("content properties"))
    }

    /// The headers' fields.
    ///
    /// # Errors
    ///
    /// Those of [`FieldTable::decode`].
    pub fn headers(&self) -> Result<Option<FieldTable>, Exception> {
        self.headers_raw.map(FieldTable::decode).transpose()
    }
}

fn properties(raw: &[u8]) -> Parsed<'_, Properties<'_>> {
    let (rest, flags) = words(raw)?;
    let (rest, content_type) = optional(flags, flag::CONTENT_TYPE, shortstr, rest)?;
    let (rest, content_encoding) = optional(flags, flag::CONTENT_ENCODING, shortstr, rest)?;
    let (rest, headers_raw) = optional(flags, flag::HEADERS, raw_table, rest)?;
    let (rest, delivery_mode) = optional(flags, flag::DELIVERY_MODE, octet, rest)?;
    let (rest, priority) = optional(flags, flag::PRIORITY, octet, rest)?;
    let (rest, correlation_id) = optional(flags, flag::CORRELATION_ID, shortstr, rest)?;
    let (rest, reply_to) = optional(flags, flag::REPLY_TO, shortstr, rest)?;
    let (rest, expiration) = optional(flags, flag::EXPIRATION, shortstr, rest)?;
    let (rest, message_id) = optional(flags, flag::MESSAGE_ID, shortstr, rest)?;
    let (rest, timestamp) = optional(flags, flag::TIMESTAMP, longlong, rest)?;
    let (rest, kind) = optional(flags, flag::TYPE, shortstr, rest)?;
    let (rest, user_id) = optional(flags, flag::USER_ID, shortstr, rest)?;
    let (rest, app_id) = optional(flags, flag::APP_ID, shortstr, rest)?;
    let (rest, cluster_id) = optional(flags, flag::CLUSTER_ID, shortstr, rest)?;
    let properties = Properties {
        content_type,
        content_encoding,
        headers_raw,
        delivery_mode,
        priority,
        correlation_id,
        reply_to,
        expiration,
        message_id,
        timestamp,
        kind,
        user_id,
        app_id,
        cluster_id,
    };
    Ok((rest, properties))
}

/// All words of flags; the first is the value, the others must be empty.
pub(super) fn words(raw: &[u8]) -> Parsed<'_, u16> {
    let (mut rest, first) = short(raw)?;
    let mut word = first;
    if word & flag::UNDEFINED != 0 {
        return fail(Fault::PropertyFlag);
    }
    while word & flag::CONTINUATION != 0 {
        (rest, word) = short(rest)?;
        if word & !flag::CONTINUATION != 0 {
            return fail(Fault::PropertyFlag);
        }
    }
    Ok((rest, first))
}

/// A table with its length, unread.
pub(super) fn raw_table(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, _) = longstr(input)?;
    let (table, _) = input.split_at(input.len() - rest.len());
    Ok((rest, table))
}

#[inline]
pub(super) fn optional<'a, T>(
    flags: u16,
    flag: u16,
    parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
    input: &'a [u8],
) -> Parsed<'a, Option<T>> {
    if flags & flag == 0 {
        return Ok((input, None));
    }
    parser(input).map(|(rest, value)| (rest, Some(value)))
}
