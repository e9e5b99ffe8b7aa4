//! Exchanges of the type `x-delayed-message`: a message waits for as long as it says in `x-delay`, then it is routed.
//!
//! What waits is in a queue of the exchange's own, which clients know nothing of.

use leveret_protocol::{Exception, FieldTable, FieldValue, ReplyCode, method::exchange::Declare};

use crate::exchange::kind::ExchangeKind;
use crate::name::Name;

/// The name clients declare the type by.
pub const DELAYED: &str = "x-delayed-message";
/// The argument that says how the exchange chooses among its bindings when a message is due.
pub const INNER: &str = "x-delayed-type";
const DELAY: &str = "x-delay";
/// 2³² − 1 ms, almost 50 days.
const LONGEST: u64 = u32::MAX as u64;

/// The name of the queue in which messages of an exchange wait.
#[must_use]
pub fn waiting_room(exchange: &str) -> Name {
    Name::from(format!("amq.delayed.{exchange}"))
}

/// How long a message with these headers is to wait, in milliseconds; `None` for one that is routed at once. Whoever asks
/// for more than the longest time gets that.
#[must_use]
pub fn delay(headers: &FieldTable) -> Option<u64> {
    let said = said(headers)?;
    let delay = u64::try_from(said).ok().filter(|delay| *delay > 0)?;
    Some(delay.min(LONGEST))
}

/// The delay of a message that has waited is negated, so that its consumers can tell and no exchange delays it again.
pub fn turn(headers: &mut FieldTable) {
    if let Some(said) = said(headers)
        && said > 0
    {
        let turned = i32::try_from(-said).map_or(FieldValue::I64(-said), FieldValue::I32);
        headers.insert(DELAY, turned);
    }
}

/// The delay in the headers: an integer of any width or, as clients of RabbitMQ's plugin say it too, a float or digits.
fn said(headers: &FieldTable) -> Option<i64> {
    match headers.get(DELAY)? {
        FieldValue::F32(delay) => Some(*delay as i64),
        FieldValue::F64(delay) => Some(*delay as i64),
        value => value.as_i64().or_else(|| value.as_str()?.parse().ok()),
    }
}

/// The inner type that a declaration asks for.
pub(super) fn inner(declare: &Declare<'_>) -> Result<ExchangeKind, Exception> {
    let said = declare.arguments.get(INNER).and_then(FieldValue::as_str);
    said.and_then(ExchangeKind::parse).ok_or_else(|| {
        let text = format!("Invalid argument, '{INNER}' must be an existing exchange type");
        Exception::new(ReplyCode::PreconditionFailed, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(delay: impl Into<FieldValue>) -> FieldTable {
        FieldTable::from_iter([(DELAY, delay.into())])
    }

    #[test]
    fn a_positive_number_delays_and_nothing_else_does() {
        assert_eq!(delay(&headers(1)), Some(1));
        assert_eq!(delay(&headers(u32::MAX)), Some(LONGEST));
        assert_eq!(delay(&headers(i64::MAX)), Some(LONGEST));
        assert_eq!(delay(&headers("250")), Some(250));
        assert_eq!(delay(&headers(250.9)), Some(250));
        let void = headers(FieldValue::Void);
        for none in [
            headers(0),
            headers(-5),
            headers("soon"),
            headers("-5"),
            headers(f64::NAN),
            void,
            FieldTable::new(),
        ] {
            assert_eq!(delay(&none), None);
        }
    }

    #[test]
    fn what_has_waited_does_not_wait_again() {
        let seven = || FieldValue::I32(-7);
        for (said, turned) in [
            (FieldValue::I64(7), seven()),
            ("7".into(), seven()),
            (7.5.into(), seven()),
            (i64::MAX.into(), FieldValue::I64(-i64::MAX)),
        ] {
            let mut table = headers(said);
            turn(&mut table);
            assert_eq!(table, headers(turned));
            assert_eq!(delay(&table), None);
            let once = table.clone();
            turn(&mut table);
            assert_eq!(table, once);
        }
    }
}
