//! Writing field tables.

use super::{FieldTable, FieldValue, ShortString};
use bytes::{BufMut, BytesMut};

impl FieldTable {
    /// Appends the table behind its four octets of length.
    pub fn encode(&self, out: &mut BytesMut) {
        behind_length(out, |out| {
            for (key, value) in self.iter() {
                key.encode(out);
                value.encode(out);
            }
        });
    }
}

impl FieldValue {
    /// Appends the value behind its tag.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.tag());
        match self {
            FieldValue::Bool(value) => out.put_u8((*value).into()),
            FieldValue::I8(value) => out.put_i8(*value),
            FieldValue::U8(value) => out.put_u8(*value),
            FieldValue::I16(value) => out.put_i16(*value),
            FieldValue::U16(value) => out.put_u16(*value),
            FieldValue::I32(value) => out.put_i32(*value),
            FieldValue::U32(value) => out.put_u32(*value),
            FieldValue::I64(value) => out.put_i64(*value),
            FieldValue::F32(value) => out.put_u32(value.to_bits()),
            FieldValue::F64(value) => out.put_u64(value.to_bits()),
            FieldValue::Decimal { scale, value } => {
                out.put_u8(*scale);
                out.put_u32(*value);
            }
            FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => {
                behind_length(out, |out| out.extend_from_slice(bytes));
            }
            FieldValue::Timestamp(value) => out.put_u64(*value),
            FieldValue::Table(table) => table.encode(out),
            FieldValue::Array(values) => {
                behind_length(out, |out| values.iter().for_each(|value| value.encode(out)));
            }
            FieldValue::Void => {}
        }
    }

    fn tag(&self) -> u8 {
        match self {
            FieldValue::Bool(_) => b't',
            FieldValue::I8(_) => b'b',
            FieldValue::U8(_) => b'B',
            FieldValue::I16(_) => b's',
            FieldValue::U16(_) => b'u',
            FieldValue::I32(_) => b'I',
            FieldValue::U32(_) => b'i',
            FieldValue::I64(_) => b'l',
            FieldValue::F32(_) => b'f',
            FieldValue::F64(_) => b'd',
            FieldValue::Decimal { .. } => b'D',
            FieldValue::LongString(_) => b'S',
            FieldValue::Timestamp(_) => b'T',
            FieldValue::Table(_) => b'F',
            FieldValue::Array(_) => b'A',
            FieldValue::Bytes(_) => b'x',
            FieldValue::Void => b'V',
        }
    }
}

impl ShortString {
    /// Appends the bytes behind one octet of length.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u8(u8::try_from(self.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(self);
    }
}

/// Appends what `write` writes behind four octets of its length.
fn behind_length(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32(0);
    write(out);
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}
