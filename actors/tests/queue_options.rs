//! What `queue.declare` may ask for, and the texts of its refusals.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that is wrong about its own data should fail"
)]

use std::time::Duration;

use leveret_actors::{
    name::Name,
    queue::{
        options::{QueueKind, QueueOptions, locked},
        terms::{DeliveryLimit, Overflow, RetryKind, RetryType, Terms},
    },
};
use leveret_protocol::{FieldTable, FieldValue, method::queue::Declare};

fn declare(arguments: FieldTable) -> Declare<'static> {
    Declare {
        queue: "q",
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments,
    }
}

fn parsed<V: Into<FieldValue>, const N: usize>(arguments: [(&str, V); N]) -> QueueOptions {
    QueueOptions::parse(&declare(FieldTable::from_iter(arguments)), "/").unwrap()
}

/// What follows `invalid arg 'key' for queue 'q' in vhost '/'`.
fn refusal(key: &str, value: impl Into<FieldValue>) -> String {
    let declare = declare(FieldTable::from_iter([(key, value.into())]));
    let text = QueueOptions::parse(&declare, "/").unwrap_err().reply_text();
    let begin = format!("PRECONDITION_FAILED - invalid arg '{key}' for queue 'q' in vhost '/'");
    text.strip_prefix(&begin)
        .unwrap_or_else(|| panic!("{text}"))
        .to_owned()
}

fn mismatch(current: &QueueOptions, wanted: &QueueOptions) -> String {
    current
        .check_equivalent(wanted, "q", "/")
        .unwrap_err()
        .reply_text()
}

#[test]
fn every_argument_is_read() {
    let options = parsed([
        ("x-message-ttl", FieldValue::I32(0)),
        ("x-expires", 1_i64.into()),
        ("x-max-length", 0_u8.into()),
        ("x-max-length-bytes", 1_000.into()),
        ("x-max-priority", 255_u8.into()),
        ("x-overflow", "reject-publish".into()),
        ("x-dead-letter-exchange", "dlx".into()),
        ("x-dead-letter-routing-key", "dead".into()),
        ("x-single-active-consumer", true.into()),
        ("x-queue-type", "classic".into()),
        ("x-queue-mode", "lazy".into()),
        ("x-queue-version", 2.into()),
        ("x-delivery-limit", FieldValue::I32(-1)),
        ("x-delayed-retry-type", "failed".into()),
        ("x-delayed-retry-min", 10.into()),
        ("x-delayed-retry-max", 100.into()),
        ("x-consumer-timeout", 60_000.into()),
        ("x-message-deduplication", true.into()),
        ("x-deduplication-header", "id".into()),
        ("x-cache-size", 7.into()),
        ("x-cache-ttl", 1_000.into()),
    ]);
    let expected = Terms {
        message_ttl: Some(Duration::ZERO),
        expires: Some(Duration::from_millis(1)),
        max_length: Some(0),
        max_length_bytes: Some(1_000),
        overflow: Some(Overflow::RejectPublish),
        dead_letter_exchange: Some(Name::from("dlx")),
        dead_letter_routing_key: Some(Name::from("dead")),
        delivery_limit: Some(DeliveryLimit::Unlimited),
        retry: Some(RetryType::Delayed(RetryKind::Failed)),
        retry_min: Some(Duration::from_millis(10)),
        retry_max: Some(Duration::from_millis(100)),
        consumer_timeout: Some(Duration::from_secs(60)),
    };
    assert_eq!(options.terms, expected);
    assert_eq!(options.max_priority, Some(255));
    assert!(options.single_active_consumer);
    assert_eq!(options.kind, QueueKind::Classic);
    let deduplication = options.deduplication.unwrap();
    assert_eq!(deduplication.header, Name::from("id"));
    assert_eq!(deduplication.cache_size, 7);
    assert_eq!(deduplication.ttl, Some(Duration::from_secs(1)));
}

#[test]
fn without_arguments_nothing_is_limited() {
    let options = parsed::<FieldValue, 0>([]);
    assert_eq!(options.terms, Terms::default());
    assert_eq!((options.max_priority, options.deduplication), (None, None));
    assert!(!options.single_active_consumer);
}

#[test]
fn an_exclusive_queue_is_not_durable() {
    let exclusive = Declare {
        exclusive: true,
        ..declare(FieldTable::new())
    };
    let options = QueueOptions::parse(&exclusive, "/").unwrap();
    assert!(options.exclusive && !options.durable);
}

#[test]
fn numbers_of_the_wrong_type_are_refused() {
    for key in [
        "x-message-ttl",
        "x-expires",
        "x-max-length",
        "x-max-length-bytes",
        "x-max-priority",
        "x-delayed-retry-min",
        "x-delayed-retry-max",
        "x-consumer-timeout",
        "x-cache-size",
        "x-cache-ttl",
    ] {
        assert_eq!(refusal(key, "5"), ": \"expected integer, got longstr\"");
        assert_eq!(refusal(key, 1.5), ": \"expected integer, got double\"");
        assert_eq!(refusal(key, -1), ": {value_negative,-1}");
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    for key in ["x-expires", "x-cache-size", "x-cache-ttl"] {
        assert_eq!(refusal(key, 0), ": {value_zero,0}");
    }
    let endless = parsed([("x-consumer-timeout", 0)]).terms.consumer_timeout;
    assert_eq!(endless, Some(Duration::ZERO));
    assert_eq!(
        refusal("x-delivery-limit", "5"),
        ": \"expected integer, got longstr\""
    );
    assert_eq!(
        refusal("x-message-ttl", 315_360_000_001_i64),
        ": {value_too_large,315360000001}"
    );
    assert_eq!(refusal("x-max-priority", 256), ": {max_value_exceeded,256}");
    let longest = parsed([("x-message-ttl", 315_360_000_000_i64)]);
    assert_eq!(
        longest.terms.message_ttl,
        Some(Duration::from_millis(315_360_000_000))
    );
}

#[test]
fn words_are_checked() {
    assert_eq!(refusal("x-overflow", "drop-tail"), ": invalid_overflow");
    assert_eq!(refusal("x-overflow", 1), ": {unacceptable_type,signedint}");
    assert_eq!(
        refusal("x-delayed-retry-type", "some"),
        ": invalid_delayed_retry_type"
    );
    assert_eq!(
        refusal("x-message-deduplication", "yes"),
        ": {unacceptable_type,longstr}"
    );
    assert_eq!(
        refusal("x-single-active-consumer", "yes"),
        ": {unacceptable_type,longstr}"
    );
    assert_eq!(
        refusal("x-queue-mode", "eager"),
        ": \"unsupported queue mode 'eager'\""
    );
    assert_eq!(
        refusal("x-queue-version", 3),
        ": \"unsupported queue version '3'\""
    );
    assert_eq!(
        refusal("x-queue-leader-locator", "near"),
        ": invalid_queue_locator_arg"
    );
}

#[test]
fn a_dead_letter_key_needs_a_dead_letter_exchange() {
    assert_eq!(
        refusal("x-dead-letter-routing-key", "k"),
        ": routing_key_but_no_dlx_defined"
    );
    assert_eq!(
        refusal("x-dead-letter-routing-key", 5),
        ": {unacceptable_type,signedint}"
    );
    let declare = declare(FieldTable::from_iter([("x-dead-letter-exchange", 5)]));
    assert_eq!(
        QueueOptions::parse(&declare, "/").unwrap_err().text,
        "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"
    );
}

#[test]
fn streams_and_unknown_types_are_not_to_be_had() {
    assert_eq!(
        refusal("x-queue-type", "stream"),
        ": \"queue type 'stream' is not available yet\""
    );
    assert_eq!(
        refusal("x-queue-type", "mirrored"),
        ": \"unsupported queue type 'mirrored'\""
    );
    assert_eq!(refusal("x-queue-type", 1), ": {unacceptable_type,signedint}");
}

#[test]
fn arguments_of_other_queue_types_are_refused_and_unknown_ones_kept() {
    for key in [
        "x-max-age",
        "x-dead-letter-strategy",
        "x-quorum-initial-group-size",
    ] {
        assert_eq!(refusal(key, 5), " of queue type rabbit_classic_queue");
    }
    let options = parsed([("x-mine", 5)]);
    assert_eq!(options.arguments.get("x-mine"), Some(&FieldValue::I32(5)));
}

/// The text with which a quorum queue is refused that is declared so and with one more argument.
fn quorum_refusal(mut declare: Declare<'_>, further: Option<(&str, FieldValue)>) -> String {
    let arguments = [("x-queue-type", "quorum".into())].into_iter().chain(further);
    declare.arguments = FieldTable::from_iter(arguments);
    QueueOptions::parse(&declare, "/").unwrap_err().text
}

#[test]
fn a_quorum_queue_is_durable_shared_lasting_and_named() {
    let refused = |declare| quorum_refusal(declare, None);
    let plain = || declare(FieldTable::new());
    assert_eq!(
        refused(Declare {
            durable: false,
            ..plain()
        }),
        "invalid property 'non-durable' for queue 'q' in vhost '/'"
    );
    assert_eq!(
        refused(Declare {
            exclusive: true,
            ..plain()
        }),
        "invalid property 'exclusive-owner' for queue 'q' in vhost '/'"
    );
    assert_eq!(
        refused(Declare {
            auto_delete: true,
            ..plain()
        }),
        "invalid property 'auto-delete' for queue 'q' in vhost '/'"
    );
    assert_eq!(
        refused(Declare { queue: "", ..plain() }),
        "Cannot declare a server-named queue for type rabbit_quorum_queue"
    );
}

#[test]
fn a_quorum_queue_has_arguments_of_its_own() {
    let options = parsed([
        ("x-queue-type", FieldValue::from("quorum")),
        ("x-dead-letter-strategy", "at-least-once".into()),
        ("x-quorum-initial-group-size", 3.into()),
        ("x-quorum-target-group-size", 3.into()),
        ("x-max-in-memory-length", 0.into()),
        ("x-max-in-memory-bytes", 0.into()),
        ("x-consumer-disconnected-timeout", 60_000.into()),
        ("x-queue-master-locator", "min-masters".into()),
        ("x-delivery-limit", 5.into()),
    ]);
    assert_eq!(options.kind, QueueKind::Quorum);
    assert_eq!(options.terms.delivery_limit, Some(DeliveryLimit::Returns(5)));
}

#[test]
fn a_quorum_queue_lacks_arguments_of_classic_ones() {
    let refused = |key, value| quorum_refusal(declare(FieldTable::new()), Some((key, value)));
    for (key, value) in [
        ("x-max-priority", FieldValue::I32(5)),
        ("x-queue-mode", "lazy".into()),
        ("x-queue-version", 2.into()),
        ("x-max-age", "1D".into()),
    ] {
        assert_eq!(
            refused(key, value),
            format!("invalid arg '{key}' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue")
        );
    }
    assert_eq!(
        refused("x-overflow", "reject-publish-dlx".into()),
        "invalid arg 'x-overflow' with value 'reject-publish-dlx' for queue 'q' in vhost '/'"
    );
    assert_eq!(
        refused("x-dead-letter-strategy", "never".into()),
        "invalid arg 'x-dead-letter-strategy' for queue 'q' in vhost '/': invalid_dlx_strategy"
    );
    assert_eq!(
        refused("x-quorum-initial-group-size", 0.into()),
        "invalid arg 'x-quorum-initial-group-size' for queue 'q' in vhost '/': {value_zero,0}"
    );
}

#[test]
fn durability_is_compared_before_auto_delete_and_that_before_arguments() {
    let current = parsed([("x-max-length", 1)]);
    let mut wanted = QueueOptions {
        durable: false,
        auto_delete: true,
        ..parsed([("x-expires", 1)])
    };
    let begin = "PRECONDITION_FAILED - inequivalent arg ";
    let end = "for queue 'q' in vhost '/': received ";
    assert_eq!(
        mismatch(&current, &wanted),
        format!("{begin}'durable' {end}'false' but current is 'true'")
    );
    wanted.durable = true;
    assert_eq!(
        mismatch(&current, &wanted),
        format!("{begin}'auto_delete' {end}'true' but current is 'false'")
    );
    wanted.auto_delete = false;
    assert_eq!(
        mismatch(&current, &wanted),
        format!("{begin}'x-expires' {end}the value '1' of type 'signedint' but current is none")
    );
}

#[test]
fn a_missing_argument_is_shown_as_none() {
    let current = parsed([("x-message-ttl", 1_000_i64)]);
    assert_eq!(
        mismatch(&current, &parsed::<FieldValue, 0>([])),
        "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': \
         received none but current is the value '1000' of type 'long'"
    );
}

#[test]
fn integers_are_equal_by_value_and_unknown_arguments_are_not_compared() {
    let current = parsed([("x-message-ttl", FieldValue::I64(5)), ("x-mine", 1.into())]);
    let wanted = parsed([("x-message-ttl", FieldValue::U8(5)), ("x-mine", "other".into())]);
    assert!(current.check_equivalent(&wanted, "q", "/").is_ok());
}

#[test]
fn leaving_out_the_type_means_classic() {
    let plain = parsed::<FieldValue, 0>([]);
    let classic = parsed([("x-queue-type", "classic")]);
    assert!(plain.check_equivalent(&classic, "q", "/").is_ok());
    assert!(classic.check_equivalent(&plain, "q", "/").is_ok());
    let quorum = parsed([("x-queue-type", "quorum")]);
    let begin = "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received";
    assert_eq!(
        mismatch(&quorum, &classic),
        format!("{begin} 'classic' but current is 'quorum'")
    );
    assert_eq!(
        mismatch(&quorum, &plain),
        format!("{begin} none but current is the value 'quorum' of type 'longstr'")
    );
    let alias = parsed([("x-queue-type", "rabbit_quorum_queue")]);
    assert!(quorum.check_equivalent(&alias, "q", "/").is_ok());
}

#[test]
fn a_locked_queue_is_explained() {
    assert_eq!(
        locked("q", "/").to_string(),
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be \
         originally declared on another connection or the exclusive property value does not match that \
         of the original declaration."
    );
}
