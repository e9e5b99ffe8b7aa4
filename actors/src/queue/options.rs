//! What a queue was declared as.

use std::time::Duration;

use leveret_protocol::{Exception, FieldTable, ReplyCode, method::queue::Declare};

use crate::{
    name::Name,
    queue::arguments::Arguments,
    vhost::{
        equivalence::{check_argument, check_attribute},
        names,
    },
};

/// The arguments of a classic queue, in the order in which two declarations are compared.
const COMPARED: [&str; 14] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
    "x-queue-leader-locator",
];

/// Arguments that only quorum queues or streams have.
const FOREIGN: [&str; 10] = [
    "x-delivery-limit",
    "x-dead-letter-strategy",
    "x-quorum-initial-group-size",
    "x-quorum-target-group-size",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-stream-filter-size-bytes",
    "x-initial-cluster-size",
];

/// Arguments that are read but change nothing yet.
const UNENFORCED: [&str; 8] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
];

/// The attributes of a queue, read once from its declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueOptions {
    /// Whether it survives a restart; an exclusive queue never does.
    pub durable: bool,
    /// Whether only the declaring connection may use it, and it goes with that connection.
    pub exclusive: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// Whether one consumer at a time gets its messages.
    pub single_active_consumer: bool,
    /// The highest priority a message can have; `None` for a queue without priorities.
    pub max_priority: Option<u8>,
    /// How long a message may wait.
    pub message_ttl: Option<Duration>,
    /// How long the queue lives unused; never zero.
    pub expires: Option<Duration>,
    /// How many ready messages it holds.
    pub max_length: Option<u64>,
    /// How many bytes the bodies of its ready messages may be together.
    pub max_length_bytes: Option<u64>,
    /// What happens to the message that would be one too many.
    pub overflow: Overflow,
    /// Where messages go that expire, are rejected or are one too many; it need not exist.
    pub dead_letter_exchange: Option<Name>,
    /// The routing key they get; `None` keeps theirs.
    pub dead_letter_routing_key: Option<Name>,
    /// The arguments, as declared.
    pub arguments: FieldTable,
}

/// What happens when a queue of limited length is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest message makes room.
    #[default]
    DropHead,
    /// The new message is refused.
    RejectPublish,
    /// The new message is refused and dead-lettered.
    RejectPublishDlx,
}

impl QueueOptions {
    /// Reads the attributes of `queue.declare`; the queue is called by the name in it.
    ///
    /// # Errors
    ///
    /// 406 when an argument has the wrong type or value, or belongs to another type of queue. Arguments
    /// this broker does not know are kept and mean nothing.
    pub fn parse(declare: &Declare<'_>, vhost: &str) -> Result<Self, Exception> {
        let table = &declare.arguments;
        let arguments = Arguments {
            table,
            queue: declare.queue,
            vhost,
        };
        check_type(&arguments)?;
        let expires = arguments.time_above_zero("x-expires")?;
        let message_ttl = arguments.time("x-message-ttl")?;
        let dead_letter_exchange = arguments.exchange("x-dead-letter-exchange")?;
        let options = Self {
            durable: declare.durable && !declare.exclusive,
            exclusive: declare.exclusive,
            auto_delete: declare.auto_delete,
            expires,
            message_ttl,
            dead_letter_routing_key: dead_letter_key(&arguments, dead_letter_exchange.is_some())?,
            dead_letter_exchange,
            max_length: arguments.number("x-max-length")?,
            max_length_bytes: arguments.number("x-max-length-bytes")?,
            max_priority: arguments.small_number("x-max-priority", u8::MAX)?,
            overflow: overflow(&arguments)?,
            single_active_consumer: arguments.truth("x-single-active-consumer")?.unwrap_or_default(),
            arguments: table.clone(),
        };
        check_without_effect(&arguments)?;
        match FOREIGN.iter().find(|key| table.get(key).is_some()) {
            Some(key) => Err(arguments.foreign(key)),
            None => Ok(options),
        }
    }

    /// Whether a declaration with the attributes `wanted` may stand for this existing queue. Whose an
    /// exclusive queue is must have been looked at before: see [`locked`].
    ///
    /// # Errors
    ///
    /// 406 that names the first attribute that differs: durable, auto_delete, then the arguments this
    /// type of queue has. Integers are equal by value; leaving out `x-queue-type` means classic.
    pub fn check_equivalent(&self, wanted: &Self, name: &str, vhost: &str) -> Result<(), Exception> {
        let entity = names::queue(name, vhost);
        check_attribute("durable", &entity, wanted.durable, self.durable)?;
        check_attribute("auto_delete", &entity, wanted.auto_delete, self.auto_delete)?;
        COMPARED
            .iter()
            // Both are classic, said or unsaid: other types are refused when they are declared.
            .filter(|key| **key != "x-queue-type")
            .try_for_each(|key| check_argument(key, &entity, &wanted.arguments, &self.arguments))
    }

    /// The arguments given that this broker accepts and does not act on yet.
    #[must_use]
    pub fn unenforced(&self) -> Vec<&'static str> {
        UNENFORCED
            .into_iter()
            .filter(|key| self.arguments.get(key).is_some())
            .collect()
    }
}

/// 405: the queue belongs to another connection, or is shared and was asked for exclusively.
#[must_use]
pub fn locked(name: &str, vhost: &str) -> Exception {
    Exception::new(
        ReplyCode::ResourceLocked,
        format!(
            "cannot obtain exclusive access to locked {}. It could be originally declared on another \
             connection or the exclusive property value does not match that of the original declaration.",
            names::queue(name, vhost)
        ),
    )
}

fn check_type(arguments: &Arguments<'_>) -> Result<(), Exception> {
    let key = "x-queue-type";
    match arguments.text(key)? {
        None | Some("classic") => Ok(()),
        Some(kind @ ("quorum" | "stream")) => {
            Err(arguments.invalid(key, &format!("\"queue type '{kind}' is not available yet\"")))
        }
        Some(other) => Err(arguments.invalid(key, &format!("\"unsupported queue type '{other}'\""))),
    }
}

fn dead_letter_key(arguments: &Arguments<'_>, has_exchange: bool) -> Result<Option<Name>, Exception> {
    let key = "x-dead-letter-routing-key";
    match arguments.text(key)? {
        Some(_) if !has_exchange => Err(arguments.invalid(key, "routing_key_but_no_dlx_defined")),
        routing_key => Ok(routing_key.map(Name::from)),
    }
}

fn overflow(arguments: &Arguments<'_>) -> Result<Overflow, Exception> {
    let key = "x-overflow";
    match arguments.text(key)? {
        None | Some("drop-head") => Ok(Overflow::DropHead),
        Some("reject-publish") => Ok(Overflow::RejectPublish),
        Some("reject-publish-dlx") => Ok(Overflow::RejectPublishDlx),
        Some(_) => Err(arguments.invalid(key, "invalid_overflow")),
    }
}

/// Checks the arguments that choose what this broker has only one of.
fn check_without_effect(arguments: &Arguments<'_>) -> Result<(), Exception> {
    match arguments.text("x-queue-mode")? {
        None | Some("default" | "lazy") => {}
        Some(mode) => {
            return Err(arguments.invalid("x-queue-mode", &format!("\"unsupported queue mode '{mode}'\"")));
        }
    }
    match arguments.number("x-queue-version")? {
        None | Some(1 | 2) => {}
        Some(version) => {
            let reason = format!("\"unsupported queue version '{version}'\"");
            return Err(arguments.invalid("x-queue-version", &reason));
        }
    }
    match arguments.text("x-queue-leader-locator")? {
        None | Some("client-local" | "balanced" | "random" | "least-leaders") => {}
        Some(_) => return Err(arguments.invalid("x-queue-leader-locator", "invalid_queue_locator_arg")),
    }
    arguments.text("x-queue-master-locator").map(|_| ())
}

#[cfg(test)]
mod tests {
    use leveret_protocol::FieldValue;

    use super::*;

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
}
