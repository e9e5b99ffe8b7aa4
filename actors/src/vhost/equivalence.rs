//! Whether what is declared again is what was declared before.

use std::fmt::Display;

use leveret_protocol::{Exception, FieldTable, FieldValue, ReplyCode};

/// Refuses a declaration whose attribute `arg` differs from that of the existing `entity`.
///
/// # Errors
///
/// 406 `inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'`.
pub fn check_attribute<T: PartialEq + Display>(
    arg: &str,
    entity: &str,
    received: T,
    current: T,
) -> Result<(), Exception> {
    if received == current {
        return Ok(());
    }
    Err(inequivalent(
        arg,
        entity,
        &format!("'{received}'"),
        &format!("'{current}'"),
    ))
}

/// Refuses a declaration whose argument `arg` differs from that of the existing `entity`. Integers are
/// equal by value, whatever their width.
///
/// # Errors
///
/// 406, like [`check_attribute`]; an argument given on one side only is shown with its type.
pub fn check_argument(
    arg: &str,
    entity: &str,
    received: &FieldTable,
    current: &FieldTable,
) -> Result<(), Exception> {
    let (received, current) = match (received.get(arg), current.get(arg)) {
        (None, None) => return Ok(()),
        (Some(received), Some(current)) => {
            if same(received, current) {
                return Ok(());
            }
            (format!("'{received}'"), format!("'{current}'"))
        }
        (received, current) => (with_type(received), with_type(current)),
    };
    Err(inequivalent(arg, entity, &received, &current))
}

fn same(one: &FieldValue, two: &FieldValue) -> bool {
    match (one.as_i64(), two.as_i64()) {
        (Some(one), Some(two)) => one == two,
        _ => one.equivalent(two),
    }
}

fn with_type(value: Option<&FieldValue>) -> String {
    match value {
        None => "none".to_owned(),
        Some(value) => format!("the value '{value}' of type '{}'", value.type_name()),
    }
}

fn inequivalent(arg: &str, entity: &str, received: &str, current: &str) -> Exception {
    Exception::new(
        ReplyCode::PreconditionFailed,
        format!("inequivalent arg '{arg}' for {entity}: received {received} but current is {current}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(received: Option<FieldValue>, current: Option<FieldValue>) -> Result<(), String> {
        let table =
            |value: Option<FieldValue>| FieldTable::from_iter(value.map(|value| ("x-message-ttl", value)));
        check_argument(
            "x-message-ttl",
            "queue 'q' in vhost '/'",
            &table(received),
            &table(current),
        )
        .map_err(|exception| exception.text)
    }

    #[test]
    fn an_argument_on_one_side_only_is_shown_with_its_type() {
        assert_eq!(
            checked(None, Some(1000_i64.into())).unwrap_err(),
            "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': \
             received none but current is the value '1000' of type 'long'"
        );
        assert_eq!(
            checked(Some(2000.into()), None).unwrap_err(),
            "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': \
             received the value '2000' of type 'signedint' but current is none"
        );
    }

    #[test]
    fn two_values_are_shown_without_types() {
        assert_eq!(
            checked(Some(2.into()), Some(1.into())).unwrap_err(),
            "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '2' but current is '1'"
        );
    }

    #[test]
    fn integers_are_equal_by_value() {
        assert_eq!(checked(Some(FieldValue::I64(5)), Some(FieldValue::U8(5))), Ok(()));
        assert!(checked(Some(FieldValue::F64(5.0)), Some(FieldValue::U8(5))).is_err());
    }

    #[test]
    fn an_attribute_is_shown_with_both_values() {
        let exception = check_attribute("durable", "queue 'q' in vhost '/'", false, true).unwrap_err();
        assert_eq!(
            exception.reply_text(),
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': \
             received 'false' but current is 'true'"
        );
        assert!(check_attribute("durable", "queue 'q' in vhost '/'", true, true).is_ok());
    }
}
