//! A table with a field of every type, for both sides.

use amq_protocol::types::{self, AMQPValue, DecimalValue};
use bytes::Bytes;
use leveret_protocol::{FieldTable, FieldValue};

/// Stands for one table of each side, with a field of every type both know.
pub(crate) struct Fields;

impl From<Fields> for FieldTable {
    fn from(_: Fields) -> Self {
        let nested = FieldTable::from_iter([("inner", FieldValue::from("x"))]);
        FieldTable::from_iter([
            ("a-bool", FieldValue::Bool(true)),
            ("b-i8", FieldValue::I8(-8)),
            ("c-u8", FieldValue::U8(8)),
            ("d-i16", FieldValue::I16(-16)),
            ("e-u16", FieldValue::U16(16)),
            ("f-i32", FieldValue::I32(-32)),
            ("g-u32", FieldValue::U32(32)),
            ("h-i64", FieldValue::I64(-64)),
            ("i-f32", FieldValue::F32(1.5)),
            ("j-f64", FieldValue::F64(-2.5)),
            ("k-decimal", FieldValue::Decimal { scale: 2, value: 314 }),
            ("l-string", FieldValue::LongString(Bytes::from_static(b"text"))),
            ("m-timestamp", FieldValue::Timestamp(1_700_000_000)),
            ("n-table", FieldValue::Table(nested)),
            (
                "o-array",
                FieldValue::Array(vec![FieldValue::I32(1), FieldValue::Void]),
            ),
            ("p-bytes", FieldValue::Bytes(Bytes::from_static(&[0, 255]))),
            ("q-void", FieldValue::Void),
        ])
    }
}

impl From<Fields> for types::FieldTable {
    fn from(_: Fields) -> Self {
        let mut nested = types::FieldTable::default();
        nested.insert("inner".into(), AMQPValue::LongString("x".into()));
        let array = vec![AMQPValue::LongInt(1), AMQPValue::Void];
        let fields = [
            ("a-bool", AMQPValue::Boolean(true)),
            ("b-i8", AMQPValue::ShortShortInt(-8)),
            ("c-u8", AMQPValue::ShortShortUInt(8)),
            ("d-i16", AMQPValue::ShortInt(-16)),
            ("e-u16", AMQPValue::ShortUInt(16)),
            ("f-i32", AMQPValue::LongInt(-32)),
            ("g-u32", AMQPValue::LongUInt(32)),
            ("h-i64", AMQPValue::LongLongInt(-64)),
            ("i-f32", AMQPValue::Float(1.5)),
            ("j-f64", AMQPValue::Double(-2.5)),
            (
                "k-decimal",
                AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 314 }),
            ),
            ("l-string", AMQPValue::LongString("text".into())),
            ("m-timestamp", AMQPValue::Timestamp(1_700_000_000)),
            ("n-table", AMQPValue::FieldTable(nested)),
            ("o-array", AMQPValue::FieldArray(array.into())),
            ("p-bytes", AMQPValue::ByteArray(vec![0, 255].into())),
            ("q-void", AMQPValue::Void),
        ];
        let mut table = types::FieldTable::default();
        for (key, value) in fields {
            table.insert(key.into(), value);
        }
        table
    }
}
