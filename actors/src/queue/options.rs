//! What a queue was declared as.

use leveret_protocol::{Exception, FieldTable, ReplyCode, method::queue::Declare};

pub use crate::queue::kind::QueueKind;
use crate::{
    deduplication::Deduplication,
    name::Name,
    queue::{
        arguments::Arguments,
        terms::{DeliveryLimit, Overflow, RetryType, Terms},
    },
    vhost::{
        equivalence::{check_argument, check_attribute},
        names,
    },
};

const QUEUE_TYPE: &str = "x-queue-type";

/// The attributes of a queue, read once from its declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueOptions {
    /// Its type.
    pub kind: QueueKind,
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
    /// How it keeps its messages, as far as the declaration says.
    pub terms: Terms,
    /// Which messages are dropped because they were here before.
    pub deduplication: Option<Deduplication>,
    /// The exchange whose delayed messages wait in it; clients know nothing of such a queue.
    pub waiting_room_of: Option<Name>,
    /// The arguments, as declared.
    pub arguments: FieldTable,
}

impl QueueOptions {
    /// Reads the attributes of `queue.declare`; the queue is called by the name in it.
    ///
    /// # Errors
    ///
    /// 406 when an argument has the wrong type or value, or belongs to another type of queue, or when a queue of this type
    /// can't be what else was asked for. Arguments this broker does not know are kept and mean nothing.
    pub fn parse(declare: &Declare<'_>, vhost: &str) -> Result<Self, Exception> {
        let arguments = Arguments {
            table: &declare.arguments,
            queue: declare.queue,
            vhost,
        };
        let kind = kind(&arguments)?;
        check_named(declare, kind)?;
        arguments.check_known(kind.foreign(), kind)?;
        let options = Self {
            kind,
            durable: declare.durable && !declare.exclusive,
            exclusive: declare.exclusive,
            auto_delete: declare.auto_delete,
            terms: terms(&arguments)?,
            max_priority: arguments.small_number("x-max-priority", u8::MAX)?,
            single_active_consumer: arguments.truth("x-single-active-consumer")?.unwrap_or_default(),
            deduplication: arguments.deduplication()?,
            waiting_room_of: None,
            arguments: declare.arguments.clone(),
        };
        check_without_effect(&arguments)?;
        if kind == QueueKind::Quorum {
            check_quorum(&arguments, declare, &options)?;
        }
        Ok(options)
    }

    /// The queue in which delayed messages of an exchange wait.
    #[must_use]
    pub fn waiting_room(exchange: Name, durable: bool) -> Self {
        Self {
            kind: QueueKind::Classic,
            durable,
            exclusive: false,
            auto_delete: false,
            terms: Terms::default(),
            max_priority: None,
            single_active_consumer: false,
            deduplication: None,
            waiting_room_of: Some(exchange),
            arguments: FieldTable::new(),
        }
    }

    /// A queue that is deleted, and of which there is something to be carried away.
    #[must_use]
    pub(crate) fn departing() -> Self {
        Self {
            waiting_room_of: None,
            ..Self::waiting_room(Name::default(), true)
        }
    }

    /// Whether a declaration with the attributes `wanted` may stand for this existing queue. Whose an
    /// exclusive queue is must have been looked at before: see [`locked`].
    ///
    /// # Errors
    ///
    /// 406 that names the first attribute that differs: durable, auto_delete, the type, then the arguments this
    /// type of queue has. Integers are equal by value; leaving out `x-queue-type` means classic.
    pub fn check_equivalent(&self, wanted: &Self, name: &str, vhost: &str) -> Result<(), Exception> {
        let entity = names::queue(name, vhost);
        check_attribute("durable", &entity, wanted.durable, self.durable)?;
        check_attribute("auto_delete", &entity, wanted.auto_delete, self.auto_delete)?;
        if wanted.kind != self.kind {
            check_argument(QUEUE_TYPE, &entity, &wanted.arguments, &self.arguments)?;
        }
        self.kind
            .compared()
            .try_for_each(|key| check_argument(key, &entity, &wanted.arguments, &self.arguments))
    }
}

/// A declaration with the type it gets if it asks for none: `default`, where a queue like that can be of that type.
#[must_use]
pub fn with_default_type(mut declare: Declare<'_>, default: QueueKind) -> Declare<'_> {
    let lasts = declare.durable && !declare.exclusive && !declare.auto_delete;
    let fits = lasts && !declare.queue.is_empty();
    if fits && default != QueueKind::Classic && declare.arguments.get(QUEUE_TYPE).is_none() {
        declare.arguments.insert(QUEUE_TYPE, default.name());
    }
    declare
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

fn kind(arguments: &Arguments<'_>) -> Result<QueueKind, Exception> {
    let Some(name) = arguments.text(QUEUE_TYPE)? else {
        return Ok(QueueKind::Classic);
    };
    QueueKind::parse(name).ok_or_else(|| match name {
        "stream" | "rabbit_stream_queue" => arguments.invalid(
            QUEUE_TYPE,
            &format!("\"queue type '{name}' is not available yet\""),
        ),
        other => arguments.invalid(QUEUE_TYPE, &format!("\"unsupported queue type '{other}'\"")),
    })
}

fn check_named(declare: &Declare<'_>, kind: QueueKind) -> Result<(), Exception> {
    if declare.queue.is_empty() && kind != QueueKind::Classic {
        let kind = kind.long_name();
        let text = format!("Cannot declare a server-named queue for type {kind}");
        return Err(Exception::new(ReplyCode::PreconditionFailed, text));
    }
    Ok(())
}

fn terms(arguments: &Arguments<'_>) -> Result<Terms, Exception> {
    let expires = arguments.time_above_zero("x-expires")?;
    let message_ttl = arguments.time("x-message-ttl")?;
    let dead_letter_exchange = arguments.exchange("x-dead-letter-exchange")?;
    Ok(Terms {
        message_ttl,
        expires,
        dead_letter_routing_key: dead_letter_key(arguments, dead_letter_exchange.is_some())?,
        dead_letter_exchange,
        max_length: arguments.number("x-max-length")?,
        max_length_bytes: arguments.number("x-max-length-bytes")?,
        overflow: arguments.word("x-overflow", Overflow::parse, "invalid_overflow")?,
        delivery_limit: arguments.integer("x-delivery-limit")?.map(DeliveryLimit::of),
        retry: arguments.word(
            "x-delayed-retry-type",
            RetryType::parse,
            "invalid_delayed_retry_type",
        )?,
        retry_min: arguments.time("x-delayed-retry-min")?,
        retry_max: arguments.time("x-delayed-retry-max")?,
        consumer_timeout: arguments.time("x-consumer-timeout")?,
    })
}

fn dead_letter_key(arguments: &Arguments<'_>, has_exchange: bool) -> Result<Option<Name>, Exception> {
    let key = "x-dead-letter-routing-key";
    match arguments.text(key)? {
        Some(_) if !has_exchange => Err(arguments.invalid(key, "routing_key_but_no_dlx_defined")),
        routing_key => Ok(routing_key.map(Name::from)),
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
        None | Some("client-local" | "balanced" | "random" | "least-leaders" | "min-masters") => {}
        Some(_) => return Err(arguments.invalid("x-queue-leader-locator", "invalid_queue_locator_arg")),
    }
    arguments.text("x-queue-master-locator").map(|_| ())
}

/// What a quorum queue does not do, and the arguments only it has. They tell how it is kept on several nodes and
/// change nothing on one; dead letters never leave before they are safe, whatever the strategy.
fn check_quorum(
    arguments: &Arguments<'_>,
    declare: &Declare<'_>,
    options: &QueueOptions,
) -> Result<(), Exception> {
    let strategy = |word: &str| matches!(word, "at-most-once" | "at-least-once").then_some(());
    arguments.word("x-dead-letter-strategy", strategy, "invalid_dlx_strategy")?;
    for key in ["x-quorum-initial-group-size", "x-quorum-target-group-size"] {
        if arguments.number(key)? == Some(0) {
            return Err(arguments.invalid(key, "{value_zero,0}"));
        }
    }
    for key in ["x-max-in-memory-length", "x-max-in-memory-bytes"] {
        arguments.number(key)?;
    }
    arguments.time("x-consumer-disconnected-timeout")?;
    if options.terms.overflow == Some(Overflow::RejectPublishDlx) {
        return Err(arguments.unfit_value("x-overflow", "reject-publish-dlx"));
    }
    let unfit = [
        (declare.auto_delete, "auto-delete"),
        (declare.exclusive, "exclusive-owner"),
        (!declare.durable, "non-durable"),
    ];
    match unfit.into_iter().find(|(unfit, _)| *unfit) {
        Some((_, property)) => Err(arguments.unfit_property(property)),
        None => Ok(()),
    }
}
