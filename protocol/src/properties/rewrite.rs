//! Changing one property of raw properties and leaving every other byte as it is.

use super::{Properties, flag, view};
use crate::{
    exception::Exception,
    text,
    types::{FieldTable, decode::skip_value},
    wire::{Fault, Parsed, longstr, octet, shortstr},
};
use bytes::{BufMut, Bytes, BytesMut};
use std::ops::Range;

/// Properties without any header called `key`; `None` when there is none, so that nothing changes.
///
/// A headers table that becomes empty stays, empty.
///
/// # Errors
///
/// 502 when the properties, or the headers as far as they must be read, are malformed.
pub fn without_header(raw: &[u8], key: &str) -> Result<Option<Bytes>, Exception> {
    let Some(headers) = Properties::parse(raw)?.headers_raw else {
        return Ok(None);
    };
    let kept = other_fields(headers, key.as_bytes()).map_err(|fault| fault.raise("header fields"))?;
    let Some(kept) = kept else { return Ok(None) };
    replace(raw, flag::HEADERS, Some(&kept)).map(Some)
}

/// Properties with these headers in place of any others.
///
/// # Errors
///
/// 502 when the properties are malformed.
pub fn with_headers(raw: &[u8], headers: &FieldTable) -> Result<Bytes, Exception> {
    let mut value = BytesMut::new();
    headers.encode(&mut value);
    replace(raw, flag::HEADERS, Some(&value))
}

/// Properties with this `reply_to`, cut at 255 bytes, in place of any other.
///
/// # Errors
///
/// 502 when the properties are malformed.
pub fn with_reply_to(raw: &[u8], reply_to: &str) -> Result<Bytes, Exception> {
    let reply_to = text::short(reply_to);
    let mut value = Vec::with_capacity(1 + reply_to.len());
    value.push(reply_to.len() as u8);
    value.extend_from_slice(reply_to.as_bytes());
    replace(raw, flag::REPLY_TO, Some(&value))
}

/// Properties without `expiration`.
///
/// # Errors
///
/// 502 when the properties are malformed.
pub fn without_expiration(raw: &[u8]) -> Result<Bytes, Exception> {
    replace(raw, flag::EXPIRATION, None)
}

/// Writes properties to `out`, in place of what was there: with these headers, as they are encoded with the four octets of
/// their length, in place of any others, and with or without `expiration`.
///
/// # Errors
///
/// 502 when the properties are malformed.
pub fn with_encoded_headers(
    raw: &[u8],
    headers: &[u8],
    expires: bool,
    out: &mut Vec<u8>,
) -> Result<(), Exception> {
    let place = |flag| place(raw, flag).map_err(|fault| fault.raise("content properties"));
    let (before, expiration) = (place(flag::HEADERS)?, place(flag::EXPIRATION)?);
    let mut flags = view::flags(raw) | flag::HEADERS;
    let mut after = expiration.end;
    if expires {
        after = expiration.start;
    } else {
        flags &= !flag::EXPIRATION;
    }
    out.clear();
    out.put_u16(flags);
    out.extend_from_slice(raw.get(2..before.start).unwrap_or_default());
    out.extend_from_slice(headers);
    out.extend_from_slice(raw.get(before.end..expiration.start).unwrap_or_default());
    out.extend_from_slice(raw.get(after..).unwrap_or_default());
    Ok(())
}

/// Replaces, inserts or removes the property of `flag`; `value` is what stands in the property list.
fn replace(raw: &[u8], flag: u16, value: Option<&[u8]>) -> Result<Bytes, Exception> {
    Properties::parse(raw)?;
    let Range { start, end } = place(raw, flag).map_err(|fault| fault.raise("content properties"))?;
    let flags = match value {
        Some(_) => view::flags(raw) | flag,
        None => view::flags(raw) & !flag,
    };
    let value = value.unwrap_or_default();
    let mut out = BytesMut::with_capacity(raw.len() - (end - start) + value.len());
    out.put_u16(flags);
    out.extend_from_slice(raw.get(2..start).unwrap_or_default());
    out.extend_from_slice(value);
    out.extend_from_slice(raw.get(end..).unwrap_or_default());
    Ok(out.freeze())
}

/// Where the property of `flag` is, or would be: then the range is empty.
fn place(raw: &[u8], flag: u16) -> Result<Range<usize>, Fault> {
    let (mut rest, flags) = view::words(raw)?;
    for before in (0..16)
        .rev()
        .map(|bit| 1 << bit)
        .take_while(|before| *before > flag)
    {
        (rest, _) = view::optional(flags, before, |input| skip_property(before, input), rest)?;
    }
    let start = raw.len() - rest.len();
    (rest, _) = view::optional(flags, flag, |input| skip_property(flag, input), rest)?;
    Ok(start..raw.len() - rest.len())
}

fn skip_property(flag: u16, input: &[u8]) -> Parsed<'_, ()> {
    let (rest, _) = match flag {
        flag::HEADERS => longstr(input)?,
        flag::DELIVERY_MODE | flag::PRIORITY => octet(input).map(|(rest, _)| (rest, input))?,
        flag::TIMESTAMP => crate::wire::bytes(input, 8)?,
        _ => shortstr(input)?,
    };
    Ok((rest, ()))
}

/// A copy of the table `raw` without the fields called `key`, or nothing when it has none.
fn other_fields(raw: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let (_, body) = longstr(raw)?;
    let (mut rest, mut kept, mut found) = (body, vec![0; 4], false);
    while !rest.is_empty() {
        let (value, name) = shortstr(rest)?;
        let (behind, ()) = skip_value(value)?;
        if name == key {
            found = true;
        } else {
            let (field, _) = rest.split_at(rest.len() - behind.len());
            kept.extend_from_slice(field);
        }
        rest = behind;
    }
    let length = (kept.len() - 4) as u32;
    if let Some(place) = kept.first_chunk_mut() {
        *place = length.to_be_bytes();
    }
    Ok(found.then_some(kept))
}
