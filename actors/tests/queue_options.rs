//! What `queue.declare` may ask for, and the texts of its refusals.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that is wrong about its own data should fail"
)]

use std::time::Duration;

use leveret_actors::{
    name::Name,
    queue::options::{Overflow, QueueOptions, locked},
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
    ]);
    assert_eq!(options.message_ttl, Some(Duration::ZERO));
    assert_eq!(options.expires, Some(Duration::from_millis(1)));
    assert_eq!(
        (options.max_length, options.max_length_bytes),
        (Some(0), Some(1_000))
    );
    assert_eq!(options.max_priority, Some(255));
    assert_eq!(options.overflow, Overflow::RejectPublish);
    assert_eq!(options.dead_letter_exchange, Some(Name::from("dlx")));
    assert_eq!(options.dead_letter_routing_key, Some(Name::from("dead")));
    assert!(options.single_active_consumer);
}

#[test]
fn without_arguments_nothing_is_limited() {
    let options = parsed::<FieldValue, 0>([]);
    assert_eq!((options.message_ttl, options.expires), (None, None));
    assert_eq!(options.overflow, Overflow::DropHead);
    assert!(!options.single_active_consumer);
    assert!(options.unenforced().is_empty());
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
    ] {
        assert_eq!(refusal(key, "5"), ": \"expected integer, got longstr\"");
        assert_eq!(refusal(key, 1.5), ": \"expected integer, got double\"");
        assert_eq!(refusal(key, -1), ": {value_negative,-1}");
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert_eq!(refusal("x-expires", 0), ": {value_zero,0}");
    assert_eq!(
        refusal("x-message-ttl", 315_360_000_001_i64),
        ": {value_too_big,315360000001}"
    );
    assert_eq!(refusal("x-max-priority", 256), ": {max_value_exceeded,256}");
    let longest = parsed([("x-message-ttl", 315_360_000_000_i64)]);
    assert_eq!(longest.message_ttl, Some(Duration::from_millis(315_360_000_000)));
}

#[test]
fn words_are_checked() {
    assert_eq!(refusal("x-overflow", "drop-tail"), ": invalid_overflow");
    assert_eq!(refusal("x-overflow", 1), ": {unacceptable_type,signedint}");
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
fn only_classic_queues_are_to_be_had() {
    for kind in ["quorum", "stream"] {
        assert_eq!(
            refusal("x-queue-type", kind),
            format!(": \"queue type '{kind}' is not available yet\"")
        );
    }
    assert_eq!(
        refusal("x-queue-type", "mirrored"),
        ": \"unsupported queue type 'mirrored'\""
    );
    assert_eq!(refusal("x-queue-type", 1), ": {unacceptable_type,signedint}");
}

#[test]
fn arguments_of_other_queue_types_are_refused_and_unknown_ones_kept() {
    assert_eq!(
        refusal("x-delivery-limit", 5),
        " of queue type rabbit_classic_queue"
    );
    let options = parsed([("x-mine", 5)]);
    assert_eq!(options.arguments.get("x-mine"), Some(&FieldValue::I32(5)));
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
}

#[test]
fn what_is_not_acted_on_yet_is_told() {
    let options = parsed([("x-max-length", 5), ("x-queue-version", 2), ("x-mine", 1)]);
    assert_eq!(options.unenforced(), ["x-max-length"]);
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
