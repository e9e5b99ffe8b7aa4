//! Whether a condition holds for a message.
//!
//! As in SQL there are three answers: a header that is missing makes the answer unknown, unless the
//! rest of the condition decides alone. Only true selects the message.

use std::borrow::Cow;
use std::cmp::Ordering;

use leveret_protocol::{FieldTable, FieldValue};

use super::condition::{Calculation, Comparison, Condition};

/// A value; where there is none it is unknown.
#[derive(Debug, Clone, PartialEq)]
enum Value<'v> {
    Truth(bool),
    Integer(i64),
    Float(f64),
    Text(Cow<'v, str>),
}

impl Condition {
    pub(super) fn holds(&self, headers: &FieldTable) -> bool {
        self.truth(headers) == Some(true)
    }

    fn value<'v>(&'v self, headers: &'v FieldTable) -> Option<Value<'v>> {
        match self {
            Condition::Integer(number) => Some(Value::Integer(*number)),
            Condition::Float(number) => Some(Value::Float(*number)),
            Condition::Text(text) => Some(Value::Text(Cow::Borrowed(text))),
            Condition::Header(name) => headers.get(name).and_then(Value::of),
            Condition::Negative(operand) => operand.value(headers).and_then(Value::negative),
            Condition::Calculate(calculation, [left, right]) => {
                calculate(*calculation, left.value(headers)?, right.value(headers)?)
            }
            condition => condition.truth(headers).map(Value::Truth),
        }
    }

    fn truth(&self, headers: &FieldTable) -> Option<bool> {
        match self {
            Condition::Truth(truth) => Some(*truth),
            Condition::Not(condition) => condition.truth(headers).map(|truth| !truth),
            Condition::Both([one, two]) => decide(false, one.truth(headers), || two.truth(headers)),
            Condition::Either([one, two]) => decide(true, one.truth(headers), || two.truth(headers)),
            Condition::IsNull(operand) => Some(operand.value(headers).is_none()),
            Condition::Like(operand, pattern) => match operand.value(headers)? {
                Value::Text(text) => Some(pattern.matches(&text)),
                _ => Some(false),
            },
            Condition::Between([value, from, to]) => {
                let (value, from, to) = (value.value(headers)?, from.value(headers)?, to.value(headers)?);
                Some(
                    compare(Comparison::LessOrEqual, &from, &value)
                        && compare(Comparison::LessOrEqual, &value, &to),
                )
            }
            Condition::In(value, members) => {
                let value = value.value(headers)?;
                let is_it = |member: &Condition| member.value(headers).is_some_and(|member| member == value);
                Some(members.iter().any(is_it))
            }
            Condition::Compare(comparison, [left, right]) => Some(compare(
                *comparison,
                &left.value(headers)?,
                &right.value(headers)?,
            )),
            condition => match condition.value(headers)? {
                Value::Truth(truth) => Some(truth),
                _ => None,
            },
        }
    }
}

/// Two answers joined, of which one that is `decisive` decides alone.
fn decide(decisive: bool, one: Option<bool>, two: impl FnOnce() -> Option<bool>) -> Option<bool> {
    match one {
        Some(one) if one == decisive => Some(decisive),
        one => match two() {
            Some(two) if two == decisive => Some(decisive),
            two => one.and(two),
        },
    }
}

impl<'v> Value<'v> {
    /// The value of a header; tables, arrays and the like have none.
    fn of(field: &'v FieldValue) -> Option<Self> {
        match field {
            FieldValue::Bool(truth) => Some(Value::Truth(*truth)),
            FieldValue::F32(number) => Some(Value::Float(f64::from(*number))),
            FieldValue::F64(number) => Some(Value::Float(*number)),
            FieldValue::Timestamp(seconds) => i64::try_from(*seconds).ok().map(Value::Integer),
            FieldValue::LongString(text) | FieldValue::Bytes(text) => {
                Some(Value::Text(String::from_utf8_lossy(text)))
            }
            field => field.as_i64().map(Value::Integer),
        }
    }

    fn negative(self) -> Option<Self> {
        match self {
            Value::Integer(number) => number.checked_neg().map(Value::Integer),
            Value::Float(number) => Some(Value::Float(-number)),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match *self {
            Value::Integer(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        }
    }

    /// Which of two comes first; values of different kinds have no order.
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Value::Integer(one), Value::Integer(two)) => Some(one.cmp(two)),
            (Value::Text(one), Value::Text(two)) => Some(one.cmp(two)),
            (Value::Truth(one), Value::Truth(two)) => Some(one.cmp(two)),
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }
}

fn compare(comparison: Comparison, left: &Value<'_>, right: &Value<'_>) -> bool {
    let order = left.order(right);
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::Unequal => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}

/// Whole numbers stay whole where they fit, but not when they are divided.
fn calculate<'v>(calculation: Calculation, left: Value<'v>, right: Value<'v>) -> Option<Value<'v>> {
    if let (&Value::Integer(one), &Value::Integer(two)) = (&left, &right) {
        let whole = match calculation {
            Calculation::Add => one.checked_add(two),
            Calculation::Subtract => one.checked_sub(two),
            Calculation::Multiply => one.checked_mul(two),
            Calculation::Divide => None,
        };
        if let Some(whole) = whole {
            return Some(Value::Integer(whole));
        }
    }
    let (one, two) = (left.number()?, right.number()?);
    Some(Value::Float(match calculation {
        Calculation::Add => one + two,
        Calculation::Subtract => one - two,
        Calculation::Multiply => one * two,
        Calculation::Divide => one / two,
    }))
}
