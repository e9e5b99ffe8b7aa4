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
