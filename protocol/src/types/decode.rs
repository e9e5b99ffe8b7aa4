//! Reading field tables.

use super::{FieldTable, FieldValue, MAX_DEPTH, ShortString};
use crate::{
    exception::Exception,
    wire::{Fault, Parsed, bytes, fail, long, longlong, longstr, octet, short, shortstr},
};
use bytes::Bytes;

impl FieldTable {
    /// Reads a whole table, its four octets of length included.
    ///
    /// # Errors
    ///
    /// 502 when it is cut, has bytes behind its end, holds an unknown type or is nested deeper than
    /// [`MAX_DEPTH`].
    pub fn decode(raw: &[u8]) -> Result<FieldTable, Exception> {
        let read = || -> Result<FieldTable, Fault> {
            match longstr(raw)? {
                ([], body) => table_body(body),
                _ => Err(Fault::Trailing),
            }
        };
        read().map_err(|fault| fault.raise("table fields"))
    }
}

/// A table behind its length.
pub(crate) fn table(input: &[u8]) -> Parsed<'_, FieldTable> {
    let (rest, body) = longstr(input)?;
    Ok((rest, table_body(body).map_err(nom::Err::Failure)?))
}

/// The fields of a table whose length has been read; `body` is all of it.
pub(crate) fn table_body(body: &[u8]) -> Result<FieldTable, Fault> {
    if body.is_empty() {
        return Ok(FieldTable::new());
    }
    // One copy for the whole table: its keys and strings are slices of it.
    let shared = Bytes::copy_from_slice(body);
    Ok(Fields { shared: &shared }.table(&shared, 1)?)
}

/// The end of the field that `input` begins with: the value behind a key.
pub(crate) fn skip_value(input: &[u8]) -> Parsed<'_, ()> {
    let (rest, tag) = octet(input)?;
    let (rest, size) = match tag {
        b't' | b'b' | b'B' => (rest, 1),
        b's' | b'u' => (rest, 2),
        b'I' | b'i' | b'f' => (rest, 4),
        b'D' => (rest, 5),
        b'l' | b'L' | b'd' | b'T' => (rest, 8),
        b'S' | b'x' | b'F' | b'A' => long(rest).map(|(rest, size)| (rest, size as usize))?,
        b'V' => (rest, 0),
        other => return fail(Fault::ValueType(other)),
    };
    bytes(rest, size).map(|(rest, _)| (rest, ()))
}

/// A parser of fields whose strings share one copy of the input.
struct Fields<'s> {
    shared: &'s Bytes,
}

impl Fields<'_> {
    fn table(&self, mut input: &[u8], depth: usize) -> Result<FieldTable, nom::Err<Fault>> {
        if depth > MAX_DEPTH {
            return fail(Fault::Depth);
        }
        let mut table = FieldTable::new();
        while !input.is_empty() {
            let (rest, key) = shortstr(input)?;
            let (rest, value) = self.value(rest, depth)?;
            table.push(ShortString::shared(self.shared.slice_ref(key)), value);
            input = rest;
        }
        Ok(table)
    }

    fn array(&self, mut input: &[u8], depth: usize) -> Result<Vec<FieldValue>, nom::Err<Fault>> {
        if depth > MAX_DEPTH {
            return fail(Fault::Depth);
        }
        let mut values = Vec::new();
        while !input.is_empty() {
            let (rest, value) = self.value(input, depth)?;
            values.push(value);
            input = rest;
        }
        Ok(values)
    }

    fn value<'i>(&self, input: &'i [u8], depth: usize) -> Parsed<'i, FieldValue> {
        use FieldValue as V;
        let (input, tag) = octet(input)?;
        match tag {
            b't' => octet(input).map(|(rest, value)| (rest, V::Bool(value != 0))),
            b'b' => octet(input).map(|(rest, value)| (rest, V::I8(value.cast_signed()))),
            b'B' => octet(input).map(|(rest, value)| (rest, V::U8(value))),
            b's' => short(input).map(|(rest, value)| (rest, V::I16(value.cast_signed()))),
            b'u' => short(input).map(|(rest, value)| (rest, V::U16(value))),
            b'I' => long(input).map(|(rest, value)| (rest, V::I32(value.cast_signed()))),
            b'i' => long(input).map(|(rest, value)| (rest, V::U32(value))),
            b'l' | b'L' => longlong(input).map(|(rest, value)| (rest, V::I64(value.cast_signed()))),
            b'f' => long(input).map(|(rest, value)| (rest, V::F32(f32::from_bits(value)))),
            b'd' => longlong(input).map(|(rest, value)| (rest, V::F64(f64::from_bits(value)))),
            b'D' => {
                let (rest, scale) = octet(input)?;
                long(rest).map(|(rest, value)| (rest, V::Decimal { scale, value }))
            }
            b'S' => longstr(input).map(|(rest, value)| (rest, V::LongString(self.shared.slice_ref(value)))),
            b'T' => longlong(input).map(|(rest, value)| (rest, V::Timestamp(value))),
            b'F' => {
                let (rest, body) = longstr(input)?;
                Ok((rest, V::Table(self.table(body, depth + 1)?)))
            }
            b'A' => {
                let (rest, body) = longstr(input)?;
                Ok((rest, V::Array(self.array(body, depth + 1)?)))
            }
            b'x' => longstr(input).map(|(rest, value)| (rest, V::Bytes(self.shared.slice_ref(value)))),
            b'V' => Ok((input, V::Void)),
            other => fail(Fault::ValueType(other)),
        }
    }
}
