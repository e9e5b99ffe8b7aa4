//! The rules about names, and the texts of the refusals that name something.

use std::{
    borrow::Cow,
    hash::{BuildHasher, RandomState},
};

use leveret_protocol::{Exception, ReplyCode};

use crate::{exchange::kind::ExchangeKind, name::Name};

/// An exchange that every virtual host has from the start, durable and never deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predeclared {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ExchangeKind,
    /// Whether clients may not publish to it.
    pub internal: bool,
}

/// The default exchange, named by the empty string.
pub const DEFAULT_EXCHANGE: &str = "";

/// Every predeclared exchange, the default exchange first.
pub const PREDECLARED: [Predeclared; 7] = [
    Predeclared {
        name: DEFAULT_EXCHANGE,
        kind: ExchangeKind::Direct,
        internal: false,
    },
    Predeclared {
        name: "amq.direct",
        kind: ExchangeKind::Direct,
        internal: false,
    },
    Predeclared {
        name: "amq.fanout",
        kind: ExchangeKind::Fanout,
        internal: false,
    },
    Predeclared {
        name: "amq.topic",
        kind: ExchangeKind::Topic,
        internal: false,
    },
    Predeclared {
        name: "amq.headers",
        kind: ExchangeKind::Headers,
        internal: false,
    },
    Predeclared {
        name: "amq.match",
        kind: ExchangeKind::Headers,
        internal: false,
    },
    Predeclared {
        name: "amq.rabbitmq.trace",
        kind: ExchangeKind::Topic,
        internal: true,
    },
];

/// The pseudo-queue a requester consumes its replies from.
pub const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Names that begin so are the broker's to give.
const RESERVED: &str = "amq.";

/// A declared name without the line breaks a client left in it.
#[must_use]
pub fn stripped(name: &str) -> Cow<'_, str> {
    if name.contains(['\r', '\n']) {
        Cow::Owned(name.replace(['\r', '\n'], ""))
    } else {
        Cow::Borrowed(name)
    }
}

/// A new name for a queue declared without one, such as `amq.gen-8gyWqm0J4Z4zdYJ3DsVCvQ`. It begins with `prefix`
/// instead if that is at most 64 bytes long and not the broker's own.
#[must_use]
pub fn generated_queue(prefix: Option<&str>) -> Name {
    let fit = |prefix: &&str| prefix.len() <= 64 && !prefix.starts_with(RESERVED);
    generated(prefix.filter(fit).unwrap_or("amq.gen-"))
}

/// A new tag for a consumer subscribed without one, such as `amq.ctag-8gyWqm0J4Z4zdYJ3DsVCvQ`.
#[must_use]
pub fn generated_consumer_tag() -> Name {
    generated("amq.ctag-")
}

/// A new address for direct replies; it begins with [`DIRECT_REPLY_TO`].
#[must_use]
pub fn generated_reply_address() -> Name {
    generated("amq.rabbitmq.reply-to.")
}

/// # Errors
///
/// 403 when a queue that does not exist yet may not be called so.
pub fn check_new_queue(name: &str) -> Result<(), Exception> {
    check_not_reserved("queue", name)
}

/// # Errors
///
/// 403 when an exchange that does not exist yet may not be called so.
pub fn check_new_exchange(name: &str) -> Result<(), Exception> {
    check_not_reserved("exchange", name)
}

/// # Errors
///
/// 403 when the exchange is the default exchange, which cannot be declared, bound or deleted.
pub fn check_not_default_exchange(name: &str) -> Result<(), Exception> {
    if name == DEFAULT_EXCHANGE {
        return Err(refused("operation not permitted on the default exchange"));
    }
    Ok(())
}

/// # Errors
///
/// 403 when the exchange is one of the broker's own.
pub fn check_deletable_exchange(name: &str, vhost: &str) -> Result<(), Exception> {
    check_not_default_exchange(name)?;
    if name.starts_with(RESERVED) {
        return Err(refused(format!(
            "deletion of system {} not allowed",
            exchange(name, vhost)
        )));
    }
    Ok(())
}

/// # Errors
///
/// 403 when the queue is the pseudo-queue of direct replies, or one of its channels'.
pub fn check_bindable_queue(name: &str) -> Result<(), Exception> {
    if name.starts_with(DIRECT_REPLY_TO) {
        return Err(refused(
            "cannot bind or unbind to a volatile (direct reply-to) queue",
        ));
    }
    Ok(())
}

/// How texts name a queue: `queue 'q' in vhost '/'`.
#[must_use]
pub fn queue(name: &str, vhost: &str) -> String {
    format!("queue '{name}' in vhost '{vhost}'")
}

/// How texts name an exchange: `exchange 'e' in vhost '/'`.
#[must_use]
pub fn exchange(name: &str, vhost: &str) -> String {
    format!("exchange '{name}' in vhost '{vhost}'")
}

/// 404: there is no such queue.
#[must_use]
pub fn no_queue(name: &str, vhost: &str) -> Exception {
    Exception::new(ReplyCode::NotFound, format!("no {}", queue(name, vhost)))
}

/// 404: the queue crashed again and again, and is not there for now.
#[must_use]
pub fn queue_down(name: &str, vhost: &str) -> Exception {
    let text = format!(
        "{} has crashed and failed to restart; the broker's log says why, and how to go on",
        queue(name, vhost)
    );
    Exception::new(ReplyCode::NotFound, text)
}

/// 404: there is no such exchange.
#[must_use]
pub fn no_exchange(name: &str, vhost: &str) -> Exception {
    Exception::new(ReplyCode::NotFound, format!("no {}", exchange(name, vhost)))
}

/// Whether a refusal says that something does not exist.
#[must_use]
pub fn is_not_found(refused: &Exception) -> bool {
    refused.code == ReplyCode::NotFound
}

/// 404: the queue was left out, which means the last one declared on the channel, but none was.
#[must_use]
pub fn no_previous_queue() -> Exception {
    Exception::new(ReplyCode::NotFound, "no previously declared queue")
}

/// 406: the queue to be deleted if unused has consumers.
#[must_use]
pub fn queue_in_use(name: &str, vhost: &str) -> Exception {
    unmet(format!("{} in use", queue(name, vhost)))
}

/// 406: the queue to be deleted if empty has ready messages.
#[must_use]
pub fn queue_not_empty(name: &str, vhost: &str) -> Exception {
    unmet(format!("{} not empty", queue(name, vhost)))
}

/// 406: the exchange to be deleted if unused has bindings.
#[must_use]
pub fn exchange_in_use(name: &str, vhost: &str) -> Exception {
    unmet(format!("{} in use", exchange(name, vhost)))
}

/// 406: the virtual host has as many queues as it may have.
#[must_use]
pub fn queue_limit_reached(name: &str, vhost: &str, limit: u32) -> Exception {
    unmet(format!(
        "cannot declare queue '{name}': queue limit in vhost '{vhost}' ({limit}) is reached"
    ))
}

/// 403: clients may not publish to this exchange.
#[must_use]
pub fn internal_exchange(name: &str, vhost: &str) -> Exception {
    refused(format!("cannot publish to internal {}", exchange(name, vhost)))
}

fn check_not_reserved(entity: &str, name: &str) -> Result<(), Exception> {
    if name.starts_with(RESERVED) {
        return Err(refused(format!(
            "{entity} name '{name}' contains reserved prefix '{RESERVED}*'"
        )));
    }
    Ok(())
}

fn refused(text: impl Into<String>) -> Exception {
    Exception::new(ReplyCode::AccessRefused, text)
}

fn unmet(text: String) -> Exception {
    Exception::new(ReplyCode::PreconditionFailed, text)
}

/// The prefix and 128 random bits in 22 characters.
fn generated(prefix: &str) -> Name {
    // The standard library seeds these hashers from the system's randomness.
    let random = || u128::from(RandomState::new().hash_one(()));
    let mut bits = random() << 64 | random();
    let mut name = String::with_capacity(prefix.len() + 22);
    name.push_str(prefix);
    for _ in 0..22 {
        name.push(base64url((bits & 63) as u8));
        bits >>= 6;
    }
    Name::from(name)
}

fn base64url(six_bits: u8) -> char {
    char::from(match six_bits {
        0..26 => b'A' + six_bits,
        26..52 => b'a' + six_bits - 26,
        52..62 => b'0' + six_bits - 52,
        62 => b'-',
        _ => b'_',
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn line_breaks_are_stripped_and_nothing_else() {
        assert_eq!(stripped("a\r\nb\n"), "ab");
        assert!(matches!(stripped(" a\t"), Cow::Borrowed(" a\t")));
    }

    #[test]
    fn new_names_may_not_begin_like_the_brokers_own() {
        assert_eq!(
            check_new_queue("amq.x").unwrap_err().reply_text(),
            "ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'"
        );
        assert_eq!(
            check_new_exchange("amq.x").unwrap_err().text,
            "exchange name 'amq.x' contains reserved prefix 'amq.*'"
        );
        assert!(check_new_queue("amq").is_ok());
        assert!(check_new_exchange("amqp.x").is_ok());
    }

    #[test]
    fn the_default_exchange_is_left_alone() {
        assert_eq!(
            check_not_default_exchange("").unwrap_err().reply_text(),
            "ACCESS_REFUSED - operation not permitted on the default exchange"
        );
        assert!(check_not_default_exchange("amq.direct").is_ok());
    }

    #[test]
    fn system_exchanges_are_not_deleted() {
        assert_eq!(
            check_deletable_exchange("amq.direct", "/")
                .unwrap_err()
                .reply_text(),
            "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed"
        );
        assert!(check_deletable_exchange("", "/").is_err());
        assert!(check_deletable_exchange("mine", "/").is_ok());
    }

    #[test]
    fn direct_replies_are_not_bound() {
        for name in [DIRECT_REPLY_TO, "amq.rabbitmq.reply-to.g1h2"] {
            assert_eq!(
                check_bindable_queue(name).unwrap_err().text,
                "cannot bind or unbind to a volatile (direct reply-to) queue"
            );
        }
        assert!(check_bindable_queue("amq.gen-x").is_ok());
    }

    #[test]
    fn missing_things_are_named() {
        assert_eq!(
            no_queue("q", "/").reply_text(),
            "NOT_FOUND - no queue 'q' in vhost '/'"
        );
        assert_eq!(
            no_exchange("e", "v").reply_text(),
            "NOT_FOUND - no exchange 'e' in vhost 'v'"
        );
        assert_eq!(
            no_previous_queue().reply_text(),
            "NOT_FOUND - no previously declared queue"
        );
    }

    #[test]
    fn what_is_in_use_or_not_empty_is_named() {
        let failed = |exception: Exception| exception.reply_text();
        assert_eq!(
            failed(queue_in_use("q", "/")),
            "PRECONDITION_FAILED - queue 'q' in vhost '/' in use"
        );
        assert_eq!(
            failed(queue_not_empty("q", "/")),
            "PRECONDITION_FAILED - queue 'q' in vhost '/' not empty"
        );
        assert_eq!(
            failed(exchange_in_use("e", "/")),
            "PRECONDITION_FAILED - exchange 'e' in vhost '/' in use"
        );
        assert_eq!(
            failed(queue_limit_reached("q", "v", 9)),
            "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in vhost 'v' (9) is reached"
        );
        assert_eq!(
            failed(internal_exchange("e", "/")),
            "ACCESS_REFUSED - cannot publish to internal exchange 'e' in vhost '/'"
        );
    }

    #[test]
    fn generated_names_are_long_printable_and_never_the_same() {
        let names: HashSet<Name> = (0..1_000).map(|_| generated_queue(None)).collect();
        assert_eq!(names.len(), 1_000);
        for name in names {
            let random = name.strip_prefix("amq.gen-").unwrap();
            assert_eq!(random.len(), 22);
            assert!(
                random
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            );
        }
        assert!(generated_consumer_tag().starts_with("amq.ctag-"));
        assert!(generated_queue(Some("mine-")).starts_with("mine-"));
        assert!(generated_queue(Some("amq.mine-")).starts_with("amq.gen-"));
        assert!(generated_queue(Some(&"x".repeat(65))).starts_with("amq.gen-"));
    }

    #[test]
    fn only_the_trace_exchange_is_internal() {
        let internal: Vec<&str> = PREDECLARED
            .iter()
            .filter(|e| e.internal)
            .map(|e| e.name)
            .collect();
        assert_eq!(internal, ["amq.rabbitmq.trace"]);
    }
}
