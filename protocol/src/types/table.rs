//! An ordered map of short strings to values.

use super::{FieldValue, ShortString};
use std::fmt;

/// The fields of an arguments or headers table, in the order they were sent.
///
/// A peer may repeat a key: all of its fields are kept, and [`get`](FieldTable::get) finds the first.
/// `==` compares the order too; [`equivalent`](FieldTable::equivalent) does not.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldTable {
    fields: Vec<(ShortString, FieldValue)>,
}

impl FieldTable {
    /// A table without fields; allocates nothing.
    pub fn new() -> Self {
        FieldTable::default()
    }

    /// The value of the first field called `key`; takes time linear in the number of fields.
    pub fn get(&self, key: &str) -> Option<&FieldValue> {
        self.fields
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// Replaces the first field called `key` or appends one; the value replaced is returned.
    /// A key of more than 255 bytes is cut.
    pub fn insert(&mut self, key: &str, value: impl Into<FieldValue>) -> Option<FieldValue> {
        let (key, value) = (ShortString::from(key), value.into());
        match self.fields.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.fields.push((key, value));
                None
            }
        }
    }

    /// Appends a field without looking for another of the same key.
    pub fn push(&mut self, key: ShortString, value: FieldValue) {
        self.fields.push((key, value));
    }

    /// Removes every field called `key`; the first value is returned.
    pub fn remove(&mut self, key: &str) -> Option<FieldValue> {
        let mut first = None;
        self.fields.retain_mut(|(name, value)| {
            let keep = name != key;
            if !keep && first.is_none() {
                first = Some(std::mem::take(value));
            }
            keep
        });
        first
    }

    /// The fields in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ShortString, &FieldValue)> {
        self.fields.iter().map(|(key, value)| (key, value))
    }

    /// How many fields there are, repeated keys included.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// True when there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Equality that ignores the order of fields, in nested tables too.
    pub fn equivalent(&self, other: &FieldTable) -> bool {
        if self.len() != other.len() {
            return false;
        }
        let (one, two) = (self.by_key(), other.by_key());
        one.iter()
            .zip(&two)
            .all(|(one, two)| one.0 == two.0 && one.1.equivalent(&two.1))
    }

    /// The fields sorted by key; fields of one key keep their order.
    fn by_key(&self) -> Vec<&(ShortString, FieldValue)> {
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort_by(|one, two| one.0.cmp(&two.0));
        fields
    }
}

impl<K: Into<ShortString>, V: Into<FieldValue>> FromIterator<(K, V)> for FieldTable {
    /// Collects the fields as they come, repeated keys included.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(fields: I) -> Self {
        FieldTable {
            fields: fields
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        }
    }
}

impl IntoIterator for FieldTable {
    type Item = (ShortString, FieldValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

impl fmt::Display for FieldTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (key, value)) in self.iter().enumerate() {
            write!(f, "{}{key}: {value}", if index == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> FieldTable {
        FieldTable::from_iter([("a", 1), ("b", 2), ("a", 3)])
    }

    #[test]
    fn the_first_of_repeated_keys_is_found_and_replaced() {
        let mut table = table();
        assert_eq!(table.get("a"), Some(&FieldValue::I32(1)));
        assert_eq!(table.insert("a", 9), Some(FieldValue::I32(1)));
        assert_eq!(table, FieldTable::from_iter([("a", 9), ("b", 2), ("a", 3)]));
    }

    #[test]
    fn removing_a_key_removes_all_its_fields() {
        let mut table = table();
        assert_eq!(table.remove("a"), Some(FieldValue::I32(1)));
        assert_eq!(table, FieldTable::from_iter([("b", 2)]));
        assert_eq!(table.remove("a"), None);
    }

    #[test]
    fn equivalence_ignores_order_but_not_values_or_number() {
        let one = FieldTable::from_iter([("a", FieldValue::from(table())), ("b", "x".into())]);
        let nested = FieldTable::from_iter([("b", 2), ("a", 1), ("a", 3)]);
        let two = FieldTable::from_iter([("b", FieldValue::from("x")), ("a", nested.into())]);
        assert_ne!(one, two);
        assert!(one.equivalent(&two));
        assert!(!one.equivalent(&FieldTable::from_iter([("b", "x")])));
        assert!(!table().equivalent(&FieldTable::from_iter([("a", 1), ("b", 2), ("a", 4)])));
    }
}
