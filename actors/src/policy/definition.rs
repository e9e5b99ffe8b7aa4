//! What a policy says, read and checked.

use std::time::Duration;

use leveret_protocol::{FieldTable, FieldValue};

use super::PolicyClass;
use crate::name::Name;
use crate::queue::terms::{DeliveryLimit, LONGEST_TIME, Overflow, RetryType, Terms};

/// Why there can't be such a policy, in words for whoever wants to set it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Validation failed\n\n{0}\n")]
pub struct InvalidPolicy(String);

impl InvalidPolicy {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        InvalidPolicy(reason.into())
    }

    /// The reason alone.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0
    }
}

/// What a definition means.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Meaning {
    /// To queues.
    pub(super) terms: Terms,
    /// To exchanges: the one that takes what no binding matches.
    pub(super) alternate: Option<Name>,
}

/// What an operator may bound.
const OF_OPERATORS: [&str; 9] = [
    "expires",
    "message-ttl",
    "max-length",
    "max-length-bytes",
    "max-in-memory-length",
    "max-in-memory-bytes",
    "delivery-limit",
    "overflow",
    "target-group-size",
];

impl Meaning {
    /// Reads a definition; its keys are checked before their values.
    ///
    /// # Errors
    ///
    /// Says which keys a policy of this class does not have, or the first value that does not fit.
    pub(super) fn read(definition: &FieldTable, class: PolicyClass) -> Result<Self, InvalidPolicy> {
        if definition.is_empty() {
            return Err(InvalidPolicy::new("no policy provided"));
        }
        let allowed = |key: &str| {
            key_kind(key).is_some() && (class == PolicyClass::Ordinary || OF_OPERATORS.contains(&key))
        };
        let unknown: Vec<String> = fields(definition)
            .filter(|(key, _)| !allowed(key))
            .map(|(key, value)| format!("{{<<\"{key}\">>,{}}}", shown(value)))
            .collect();
        if !unknown.is_empty() {
            let unknown = unknown.join(",");
            return Err(InvalidPolicy::new(format!(
                "[{unknown}] are not recognised policy settings"
            )));
        }
        let mut meaning = Meaning::default();
        for (key, value) in fields(definition) {
            let fits = key_kind(key).is_some_and(|kind| meaning.take(key, kind, value).is_some());
            if !fits {
                let (value, what) = (shown(value), what(key));
                return Err(InvalidPolicy::new(format!("{value} is not a valid {what}")));
            }
        }
        Ok(meaning)
    }

    /// `None` when the value does not fit the key.
    fn take(&mut self, key: &str, kind: KeyKind, value: &FieldValue) -> Option<()> {
        let terms = &mut self.terms;
        match kind {
            KeyKind::Number { least, into } => {
                let number = value.as_i64().filter(|number| *number >= least)?;
                if let Some(into) = into {
                    *into(terms) = Some(u64::try_from(number).ok()?);
                }
            }
            KeyKind::Time { least, into } => {
                let number = value.as_i64().filter(|ms| (least..=LONGEST_TIME).contains(ms))?;
                if let Some(into) = into {
                    *into(terms) = Some(Duration::from_millis(u64::try_from(number).ok()?));
                }
            }
            KeyKind::Name => {
                let name = Name::from(value.as_str()?);
                match key {
                    "dead-letter-exchange" => terms.dead_letter_exchange = Some(name),
                    "dead-letter-routing-key" => terms.dead_letter_routing_key = Some(name),
                    "alternate-exchange" => self.alternate = Some(name),
                    _ => {}
                }
            }
            KeyKind::DeliveryLimit => terms.delivery_limit = Some(DeliveryLimit::of(value.as_i64()?)),
            KeyKind::Overflow => terms.overflow = Some(Overflow::parse(value.as_str()?)?),
            KeyKind::RetryType => terms.retry = Some(RetryType::parse(value.as_str()?)?),
            KeyKind::OneOf(words) => words.contains(&value.as_str()?).then_some(())?,
        }
        Some(())
    }
}

/// What comes of an ordinary definition and an operator's: of two numbers the smaller one, else what the operator says. No
/// limit to deliveries is no number.
pub(super) fn merged(policy: &FieldTable, operator: &FieldTable) -> FieldTable {
    let mut merged = policy.clone();
    for (key, value) in fields(operator) {
        let said = policy.get(key).and_then(FieldValue::as_i64);
        let smaller = said
            .zip(value.as_i64())
            .is_some_and(|(policy, operator)| limit(key, policy) <= limit(key, operator));
        if !smaller {
            merged.insert(key, value.clone());
        }
    }
    merged
}

fn limit(key: &str, number: i64) -> i64 {
    let unlimited = key == "delivery-limit" && number < 0;
    if unlimited { i64::MAX } else { number }
}

fn fields(definition: &FieldTable) -> impl Iterator<Item = (&str, &FieldValue)> {
    definition
        .iter()
        .map(|(key, value)| (std::str::from_utf8(key).unwrap_or_default(), value))
}

/// What kind of value a key has, and where it goes.
enum KeyKind {
    Number {
        least: i64,
        into: Option<fn(&mut Terms) -> &mut Option<u64>>,
    },
    Time {
        least: i64,
        into: Option<fn(&mut Terms) -> &mut Option<Duration>>,
    },
    Name,
    DeliveryLimit,
    Overflow,
    RetryType,
    OneOf(&'static [&'static str]),
}

/// `None` for a key that no policy has. What goes nowhere chooses something of which this broker has one kind only.
fn key_kind(key: &str) -> Option<KeyKind> {
    let number = |least, into| Some(KeyKind::Number { least, into });
    let time = |least, into| Some(KeyKind::Time { least, into });
    match key {
        "message-ttl" => time(0, Some(|terms| &mut terms.message_ttl)),
        "expires" => time(1, Some(|terms| &mut terms.expires)),
        "consumer-timeout" => time(0, Some(|terms| &mut terms.consumer_timeout)),
        "delayed-retry-min" => time(0, Some(|terms| &mut terms.retry_min)),
        "delayed-retry-max" => time(0, Some(|terms| &mut terms.retry_max)),
        "consumer-disconnected-timeout" => time(0, None),
        "max-length" => number(0, Some(|terms| &mut terms.max_length)),
        "max-length-bytes" => number(0, Some(|terms| &mut terms.max_length_bytes)),
        "max-in-memory-length" | "max-in-memory-bytes" => number(0, None),
        "stream-max-segment-size-bytes" | "stream-filter-size-bytes" => number(0, None),
        "target-group-size" | "initial-cluster-size" => number(1, None),
        "queue-version" => number(1, None),
        "dead-letter-exchange" | "dead-letter-routing-key" | "alternate-exchange" => Some(KeyKind::Name),
        "federation-upstream" | "federation-upstream-set" | "federation-upstream-pattern" => {
            Some(KeyKind::Name)
        }
        "max-age" => Some(KeyKind::Name),
        "delivery-limit" => Some(KeyKind::DeliveryLimit),
        "overflow" => Some(KeyKind::Overflow),
        "delayed-retry-type" => Some(KeyKind::RetryType),
        "dead-letter-strategy" => Some(KeyKind::OneOf(&["at-most-once", "at-least-once"])),
        "queue-mode" => Some(KeyKind::OneOf(&["default", "lazy"])),
        "queue-leader-locator" | "queue-master-locator" => Some(KeyKind::OneOf(&[
            "client-local",
            "balanced",
            "random",
            "least-leaders",
            "min-masters",
        ])),
        _ => None,
    }
}

/// What a key is called in refusals.
fn what(key: &str) -> String {
    match key {
        "message-ttl" => "message TTL",
        "expires" => "queue expiry",
        "max-length" => "maximum length",
        "max-length-bytes" => "maximum length in bytes",
        "dead-letter-exchange" => "dead letter exchange name",
        "dead-letter-routing-key" => "dead letter routing key",
        "dead-letter-strategy" => "dead letter strategy",
        "alternate-exchange" => "alternate exchange name",
        "delivery-limit" => "delivery limit",
        "overflow" => "overflow value",
        "queue-mode" => "queue-mode value",
        "queue-version" => "queue version",
        other => return other.replace('-', " "),
    }
    .to_owned()
}

/// A value as refusals show it: text in double angle brackets, as the tools for RabbitMQ do.
pub(crate) fn shown(value: &FieldValue) -> String {
    match value.as_str() {
        Some(text) => format!("<<\"{text}\">>"),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table<V: Into<FieldValue>, const N: usize>(fields: [(&str, V); N]) -> FieldTable {
        FieldTable::from_iter(fields)
    }

    fn refusal(key: &str, value: impl Into<FieldValue>) -> String {
        let refused = Meaning::read(&table([(key, value.into())]), PolicyClass::Ordinary);
        refused.unwrap_err().reason().to_owned()
    }

    #[test]
    fn every_key_is_read() {
        let definition = table([
            ("message-ttl", FieldValue::I32(0)),
            ("expires", 1.into()),
            ("max-length", 2.into()),
            ("max-length-bytes", 3.into()),
            ("overflow", "reject-publish".into()),
            ("dead-letter-exchange", "dlx".into()),
            ("dead-letter-routing-key", "dead".into()),
            ("delivery-limit", FieldValue::I64(-1)),
            ("delayed-retry-type", "disabled".into()),
            ("delayed-retry-min", 4.into()),
            ("delayed-retry-max", 5.into()),
            ("consumer-timeout", 6.into()),
            ("alternate-exchange", "ae".into()),
            ("queue-mode", "lazy".into()),
            ("dead-letter-strategy", "at-least-once".into()),
            ("max-age", "7D".into()),
        ]);
        let meaning = Meaning::read(&definition, PolicyClass::Ordinary).unwrap();
        let ms = |ms| Some(Duration::from_millis(ms));
        let expected = Terms {
            message_ttl: ms(0),
            expires: ms(1),
            max_length: Some(2),
            max_length_bytes: Some(3),
            overflow: Some(Overflow::RejectPublish),
            dead_letter_exchange: Some(Name::from("dlx")),
            dead_letter_routing_key: Some(Name::from("dead")),
            delivery_limit: Some(DeliveryLimit::Unlimited),
            retry: Some(RetryType::Disabled),
            retry_min: ms(4),
            retry_max: ms(5),
            consumer_timeout: ms(6),
        };
        assert_eq!(meaning.terms, expected);
        assert_eq!(meaning.alternate, Some(Name::from("ae")));
    }

    #[test]
    fn unknown_keys_are_named_with_their_values() {
        let refused = Meaning::read(&table([("foo", "bar")]), PolicyClass::Ordinary).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Validation failed\n\n[{<<\"foo\">>,<<\"bar\">>}] are not recognised policy settings\n"
        );
        assert_eq!(
            refusal("ha-mode", 5),
            "[{<<\"ha-mode\">>,5}] are not recognised policy settings"
        );
        let empty = Meaning::read(&FieldTable::new(), PolicyClass::Ordinary).unwrap_err();
        assert_eq!(empty.to_string(), "Validation failed\n\nno policy provided\n");
    }

    #[test]
    fn an_operator_bounds_only_some_things() {
        let refused = Meaning::read(&table([("dead-letter-exchange", "x")]), PolicyClass::Operator);
        assert_eq!(
            refused.unwrap_err().reason(),
            "[{<<\"dead-letter-exchange\">>,<<\"x\">>}] are not recognised policy settings"
        );
        for key in OF_OPERATORS {
            let value = if key == "overflow" {
                "drop-head".into()
            } else {
                FieldValue::I32(1)
            };
            assert!(Meaning::read(&table([(key, value)]), PolicyClass::Operator).is_ok());
        }
    }

    #[test]
    fn values_that_do_not_fit_are_shown() {
        assert_eq!(refusal("message-ttl", -1), "-1 is not a valid message TTL");
        assert_eq!(
            refusal("message-ttl", "5"),
            "<<\"5\">> is not a valid message TTL"
        );
        assert_eq!(refusal("expires", 0), "0 is not a valid queue expiry");
        assert_eq!(refusal("max-length", -1), "-1 is not a valid maximum length");
        assert_eq!(
            refusal("max-length-bytes", 1.5),
            "1.5 is not a valid maximum length in bytes"
        );
        assert_eq!(
            refusal("overflow", "drop-tail"),
            "<<\"drop-tail\">> is not a valid overflow value"
        );
        assert_eq!(
            refusal("dead-letter-exchange", 5),
            "5 is not a valid dead letter exchange name"
        );
        assert_eq!(
            refusal("delayed-retry-type", "some"),
            "<<\"some\">> is not a valid delayed retry type"
        );
        assert_eq!(
            refusal("delivery-limit", "5"),
            "<<\"5\">> is not a valid delivery limit"
        );
    }

    proptest! {
        #[test]
        fn merged_definitions_mean_what_their_merged_terms_mean(
            policy in (proptest::option::of(0_i32..9), proptest::option::of(-2_i32..3), any::<bool>()),
            operator in (proptest::option::of(0_i32..9), proptest::option::of(-2_i32..3), any::<bool>()),
        ) {
            let written = |(length, limit, rejects): (Option<i32>, Option<i32>, bool)| {
                let overflow = if rejects { "reject-publish" } else { "drop-head" };
                let mut definition = table([("overflow", overflow)]);
                if let Some(length) = length {
                    definition.insert("max-length", length);
                }
                if let Some(limit) = limit {
                    definition.insert("delivery-limit", limit);
                }
                definition
            };
            let (policy, operator) = (written(policy), written(operator));
            let meaning = |definition: &FieldTable| Meaning::read(definition, PolicyClass::Operator).unwrap().terms;
            prop_assert_eq!(
                meaning(&merged(&policy, &operator)),
                meaning(&operator).before(&meaning(&policy))
            );
        }
    }
}
