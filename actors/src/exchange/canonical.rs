//! A byte form of field values, so that they can be compared and looked up without their types.

use leveret_protocol::{FieldTable, FieldValue, ShortString};

/// Appends a form that two values share when they are equal whatever their width: integers and
/// timestamps by number, floats by number, strings and bytes by content. A float is never an integer.
pub(crate) fn by_value(value: &FieldValue, out: &mut Vec<u8>) {
    Form { out, typed: false }.value(value);
}

/// A form that two tables share when they hold the same fields of the same types in any order. The store of definitions keeps
/// bindings under it: to change it is to change the format of that store.
pub(crate) fn by_field(table: &FieldTable) -> Box<[u8]> {
    let mut out = Vec::new();
    if !table.is_empty() {
        Form {
            out: &mut out,
            typed: true,
        }
        .table(table);
    }
    out.into_boxed_slice()
}

struct Form<'o> {
    out: &'o mut Vec<u8>,
    /// Whether values of different types stay different.
    typed: bool,
}

impl Form<'_> {
    fn value(&mut self, value: &FieldValue) {
        if self.typed {
            self.run(value.type_name().as_bytes());
        }
        match value {
            FieldValue::Bool(truth) => self.fixed(b't', [u8::from(*truth)]),
            FieldValue::Timestamp(seconds) => self.integer(i128::from(*seconds)),
            FieldValue::F32(number) => self.float(f64::from(*number)),
            FieldValue::F64(number) => self.float(*number),
            FieldValue::Decimal { scale, value } => {
                self.fixed(b'D', [*scale]);
                self.out.extend(value.to_be_bytes());
            }
            FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => {
                self.out.push(b'S');
                self.run(bytes);
            }
            FieldValue::Table(table) => self.table(table),
            FieldValue::Array(values) => {
                self.fixed(b'A', values.len().to_be_bytes());
                values.iter().for_each(|value| self.value(value));
            }
            FieldValue::Void => self.out.push(b'V'),
            integer => self.integer(integer.as_i64().unwrap_or_default().into()),
        }
    }

    fn table(&mut self, table: &FieldTable) {
        let mut fields: Vec<(&ShortString, &FieldValue)> = table.iter().collect();
        fields.sort_by_key(|(name, _)| *name);
        self.fixed(b'F', fields.len().to_be_bytes());
        for (name, value) in fields {
            self.run(name);
            self.value(value);
        }
    }

    fn integer(&mut self, number: i128) {
        self.fixed(b'i', number.to_be_bytes());
    }

    fn float(&mut self, number: f64) {
        // Zero has two signs but is one number.
        self.fixed(b'd', (number + 0.0).to_bits().to_be_bytes());
    }

    fn fixed<const N: usize>(&mut self, tag: u8, bytes: [u8; N]) {
        self.out.push(tag);
        self.out.extend(bytes);
    }

    fn run(&mut self, bytes: &[u8]) {
        self.out.extend(bytes.len().to_be_bytes());
        self.out.extend(bytes);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn same(one: impl Into<FieldValue>, two: impl Into<FieldValue>) -> bool {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        by_value(&one.into(), &mut left);
        by_value(&two.into(), &mut right);
        left == right
    }

    #[test]
    fn integers_are_equal_whatever_their_width() {
        assert!(same(7_i8, 7_i64));
        assert!(same(7_u32, 7_i16));
        assert!(same(FieldValue::Timestamp(7), 7));
        assert!(!same(7, 8));
        assert!(!same(-1_i8, 255_u8));
    }

    #[test]
    fn floats_are_equal_whatever_their_width_but_are_no_integers() {
        assert!(same(1.5_f32, 1.5_f64));
        assert!(same(0.0, -0.0));
        assert!(!same(1.0, 1));
    }

    #[test]
    fn truth_is_no_number_and_a_string_no_name_of_one() {
        assert!(!same(true, 1));
        assert!(!same("1", 1));
        assert!(same("a", FieldValue::Bytes(Bytes::from_static(b"a"))));
    }

    #[test]
    fn nested_tables_are_equal_in_any_order() {
        let one = FieldTable::from_iter([("a", 1), ("b", 2)]);
        let two = FieldTable::from_iter([("b", 2), ("a", 1)]);
        assert!(same(one, two));
        assert!(!same(
            FieldValue::Array(vec![1.into(), 2.into()]),
            FieldValue::Array(vec![2.into(), 1.into()])
        ));
    }

    #[test]
    fn fields_of_other_types_make_another_table() {
        let one = FieldTable::from_iter([("a", FieldValue::I32(1)), ("b", "x".into())]);
        let turned = FieldTable::from_iter([("b", FieldValue::from("x")), ("a", 1.into())]);
        let wider = FieldTable::from_iter([("a", FieldValue::I64(1)), ("b", "x".into())]);
        assert_eq!(by_field(&one), by_field(&turned));
        assert_ne!(by_field(&one), by_field(&wider));
        assert!(by_field(&FieldTable::new()).is_empty());
    }
}
