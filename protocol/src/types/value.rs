//! One value of a field table.

use super::FieldTable;
use bytes::Bytes;
use std::fmt;

/// A typed value; the letter in brackets is its tag on the wire.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum FieldValue {
    /// `t`: a boolean; any octet but zero is true.
    Bool(bool),
    /// `b`: a signed octet.
    I8(i8),
    /// `B`: an unsigned octet.
    U8(u8),
    /// `s`: a signed 16-bit integer.
    I16(i16),
    /// `u`: an unsigned 16-bit integer.
    U16(u16),
    /// `I`: a signed 32-bit integer.
    I32(i32),
    /// `i`: an unsigned 32-bit integer.
    U32(u32),
    /// `l`: a signed 64-bit integer; `L` is read as one too and written back as `l`.
    I64(i64),
    /// `f`: a 32-bit float.
    F32(f32),
    /// `d`: a 64-bit float.
    F64(f64),
    /// `D`: a decimal, `value` divided by ten to the power of `scale`.
    Decimal {
        /// The number of digits after the point.
        scale: u8,
        /// All digits.
        value: u32,
    },
    /// `S`: a string of any bytes, text by convention.
    LongString(Bytes),
    /// `T`: seconds since 1970 in UTC.
    Timestamp(u64),
    /// `F`: a nested table.
    Table(FieldTable),
    /// `A`: a list of values.
    Array(Vec<FieldValue>),
    /// `x`: bytes that are not text.
    Bytes(Bytes),
    /// `V`: no value.
    #[default]
    Void,
}

impl FieldValue {
    /// The text of a long string that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            FieldValue::LongString(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The bytes of a long string or a byte array.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number, if the value is an integer of any width; a timestamp is not one.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            FieldValue::I8(value) => Some(value.into()),
            FieldValue::U8(value) => Some(value.into()),
            FieldValue::I16(value) => Some(value.into()),
            FieldValue::U16(value) => Some(value.into()),
            FieldValue::I32(value) => Some(value.into()),
            FieldValue::U32(value) => Some(value.into()),
            FieldValue::I64(value) => Some(value),
            _ => None,
        }
    }

    /// The truth of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            FieldValue::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The nested table.
    pub fn as_table(&self) -> Option<&FieldTable> {
        match self {
            FieldValue::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The values of an array.
    pub fn as_array(&self) -> Option<&[FieldValue]> {
        match self {
            FieldValue::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The type's name as error texts give it.
    pub fn type_name(&self) -> &'static str {
        match self {
            FieldValue::Bool(_) => "bool",
            FieldValue::I8(_) => "byte",
            FieldValue::U8(_) => "unsignedbyte",
            FieldValue::I16(_) => "short",
            FieldValue::U16(_) => "unsignedshort",
            FieldValue::I32(_) => "signedint",
            FieldValue::U32(_) => "unsignedint",
            FieldValue::I64(_) => "long",
            FieldValue::F32(_) => "float",
            FieldValue::F64(_) => "double",
            FieldValue::Decimal { .. } => "decimal",
            FieldValue::LongString(_) => "longstr",
            FieldValue::Timestamp(_) => "timestamp",
            FieldValue::Table(_) => "table",
            FieldValue::Array(_) => "array",
            FieldValue::Bytes(_) => "binary",
            FieldValue::Void => "void",
        }
    }

    /// Equality that ignores the order of fields in tables.
    pub fn equivalent(&self, other: &FieldValue) -> bool {
        match (self, other) {
            (FieldValue::Table(one), FieldValue::Table(two)) => one.equivalent(two),
            (FieldValue::Array(one), FieldValue::Array(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.equivalent(two))
            }
            _ => self == other,
        }
    }
}

/// The value as an error text shows it, such as `'60000'` without the quotes.
impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldValue::Bool(value) => value.fmt(f),
            FieldValue::I8(value) => value.fmt(f),
            FieldValue::U8(value) => value.fmt(f),
            FieldValue::I16(value) => value.fmt(f),
            FieldValue::U16(value) => value.fmt(f),
            FieldValue::I32(value) => value.fmt(f),
            FieldValue::U32(value) => value.fmt(f),
            FieldValue::I64(value) => value.fmt(f),
            FieldValue::F32(value) => value.fmt(f),
            FieldValue::F64(value) => value.fmt(f),
            FieldValue::Decimal { scale, value } => write!(f, "{value}e-{scale}"),
            FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => {
                f.write_str(&String::from_utf8_lossy(bytes))
            }
            FieldValue::Timestamp(value) => value.fmt(f),
            FieldValue::Table(table) => table.fmt(f),
            FieldValue::Array(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            FieldValue::Void => f.write_str("undefined"),
        }
    }
}

macro_rules! from {
    ($( $from:ty => $variant:ident; )*) => {
        $(
            impl From<$from> for FieldValue {
                fn from(value: $from) -> Self {
                    FieldValue::$variant(value.into())
                }
            }
        )*
    };
}

from! {
    bool => Bool;
    i8 => I8;
    u8 => U8;
    i16 => I16;
    u16 => U16;
    i32 => I32;
    u32 => U32;
    i64 => I64;
    f32 => F32;
    f64 => F64;
    String => LongString;
    Bytes => LongString;
    FieldTable => Table;
    Vec<FieldValue> => Array;
}

impl From<&str> for FieldValue {
    fn from(value: &str) -> Self {
        FieldValue::LongString(Bytes::copy_from_slice(value.as_bytes()))
    }
}

impl From<&[u8]> for FieldValue {
    fn from(value: &[u8]) -> Self {
        FieldValue::LongString(Bytes::copy_from_slice(value))
    }
}
