//! What an exchange was declared as.

use leveret_protocol::{Exception, FieldTable, FieldValue, ReplyCode, method::exchange::Declare};

use crate::{
    deduplication::Deduplication,
    exchange::{arguments::Arguments, delay, hashing::HashBy, kind::ExchangeKind},
    name::Name,
    vhost::{
        equivalence::{check_argument, check_attribute},
        names,
    },
};

/// The argument that names the exchange for what nothing else matches.
const ALTERNATE: &str = "alternate-exchange";

/// The attributes of an exchange, read once from its declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeOptions {
    /// How it chooses among its bindings: its type, or the inner one if it is delayed.
    pub kind: ExchangeKind,
    /// Whether messages can wait before they are routed: then its type is `x-delayed-message`.
    pub delayed: bool,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with the last binding it is the source of.
    pub auto_delete: bool,
    /// Whether clients may not publish to it.
    pub internal: bool,
    /// The exchange that takes what no binding matches; it need not exist.
    pub alternate: Option<Name>,
    /// What of a message a consistent-hash exchange chooses by.
    pub hash_by: HashBy,
    /// How many of its last messages it keeps for new bindings.
    pub history: Option<u64>,
    /// Which messages it drops because they were there before.
    pub deduplication: Option<Deduplication>,
    /// The arguments, as declared.
    pub arguments: FieldTable,
}

impl ExchangeOptions {
    /// Reads the attributes of `exchange.declare`.
    ///
    /// # Errors
    ///
    /// 406 when the type is unknown, the alternate exchange is not named by a string, or an argument of the type does not fit.
    pub fn parse(declare: &Declare<'_>, vhost: &str) -> Result<Self, Exception> {
        let delayed = declare.kind == delay::DELAYED;
        let kind = match delayed {
            true => Some(delay::inner(declare)?),
            false => ExchangeKind::parse(declare.kind),
        };
        let Some(kind) = kind else {
            return Err(Exception::new(
                ReplyCode::PreconditionFailed,
                format!("unknown exchange type '{}'", declare.kind),
            ));
        };
        let alternate = declare.arguments.get(ALTERNATE);
        let arguments = Arguments {
            table: &declare.arguments,
            exchange: declare.exchange,
            vhost,
        };
        Ok(Self {
            kind,
            delayed,
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            internal: declare.internal,
            alternate: alternate
                .map(|value| named(value, declare.exchange, vhost))
                .transpose()?,
            hash_by: match kind {
                ExchangeKind::ConsistentHash => HashBy::parse(&declare.arguments)?,
                _ => HashBy::RoutingKey,
            },
            history: match kind {
                ExchangeKind::RecentHistory => Some(arguments.history()?),
                _ => None,
            },
            deduplication: arguments.deduplication(kind)?,
            arguments: declare.arguments.clone(),
        })
    }

    /// A durable exchange without arguments, like those every virtual host begins with.
    #[must_use]
    pub fn predeclared(kind: ExchangeKind, internal: bool) -> Self {
        Self {
            kind,
            delayed: false,
            durable: true,
            auto_delete: false,
            internal,
            alternate: None,
            hash_by: HashBy::RoutingKey,
            history: None,
            deduplication: None,
            arguments: FieldTable::new(),
        }
    }

    /// Whether a declaration with the attributes `wanted` may stand for this existing exchange. Of the
    /// arguments only the alternate exchange counts, and the inner type of one that is delayed.
    ///
    /// # Errors
    ///
    /// 406 that names the first attribute that differs: type, durable, auto_delete, internal, then the
    /// alternate exchange.
    pub fn check_equivalent(&self, wanted: &Self, name: &str, vhost: &str) -> Result<(), Exception> {
        let entity = names::exchange(name, vhost);
        check_attribute("type", &entity, wanted.type_name(), self.type_name())?;
        check_attribute("durable", &entity, wanted.durable, self.durable)?;
        check_attribute("auto_delete", &entity, wanted.auto_delete, self.auto_delete)?;
        check_attribute("internal", &entity, wanted.internal, self.internal)?;
        check_argument(ALTERNATE, &entity, &wanted.arguments, &self.arguments)?;
        match self.delayed {
            true => check_argument(delay::INNER, &entity, &wanted.arguments, &self.arguments),
            false => Ok(()),
        }
    }

    /// The name of the type that it was declared with.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.delayed {
            true => delay::DELAYED,
            false => self.kind.name(),
        }
    }
}

fn named(value: &FieldValue, exchange: &str, vhost: &str) -> Result<Name, Exception> {
    value.as_str().map(Name::from).ok_or_else(|| {
        Exception::new(
            ReplyCode::PreconditionFailed,
            format!(
                "invalid type '{}' for arg '{ALTERNATE}' in {}",
                value.type_name(),
                names::exchange(exchange, vhost)
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declare<'a>(kind: &'a str, arguments: FieldTable) -> Declare<'a> {
        Declare {
            exchange: "e",
            kind,
            passive: false,
            durable: true,
            auto_delete: false,
            internal: false,
            nowait: false,
            arguments,
        }
    }

    fn parsed(declare: &Declare<'_>) -> ExchangeOptions {
        ExchangeOptions::parse(declare, "/").unwrap()
    }

    fn mismatch(current: &ExchangeOptions, wanted: &ExchangeOptions) -> String {
        current
            .check_equivalent(wanted, "e", "/")
            .unwrap_err()
            .reply_text()
    }

    #[test]
    fn an_unknown_type_is_refused() {
        let refusal = ExchangeOptions::parse(&declare("x-hash", FieldTable::new()), "/").unwrap_err();
        assert_eq!(
            refusal.reply_text(),
            "PRECONDITION_FAILED - unknown exchange type 'x-hash'"
        );
    }

    #[test]
    fn the_alternate_exchange_is_named_by_a_string() {
        let options = parsed(&declare("topic", FieldTable::from_iter([(ALTERNATE, "ae")])));
        assert_eq!(options.alternate, Some(Name::from("ae")));
        let wrong = declare("topic", FieldTable::from_iter([(ALTERNATE, 5)]));
        assert_eq!(
            ExchangeOptions::parse(&wrong, "/").unwrap_err().reply_text(),
            "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' \
             in exchange 'e' in vhost '/'"
        );
    }

    #[test]
    fn attributes_are_compared_in_order() {
        let current = parsed(&declare("direct", FieldTable::new()));
        let mut wanted = ExchangeOptions {
            kind: ExchangeKind::Fanout,
            delayed: false,
            durable: false,
            auto_delete: true,
            internal: true,
            alternate: Some(Name::from("ae")),
            hash_by: HashBy::RoutingKey,
            history: None,
            deduplication: None,
            arguments: FieldTable::from_iter([(ALTERNATE, "ae")]),
        };
        let begin = "PRECONDITION_FAILED - inequivalent arg ";
        let end = "for exchange 'e' in vhost '/': received ";
        assert_eq!(
            mismatch(&current, &wanted),
            format!("{begin}'type' {end}'fanout' but current is 'direct'")
        );
        wanted.kind = ExchangeKind::Direct;
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
            format!("{begin}'internal' {end}'true' but current is 'false'")
        );
        wanted.internal = false;
        assert_eq!(
            mismatch(&current, &wanted),
            format!("{begin}'alternate-exchange' {end}the value 'ae' of type 'longstr' but current is none")
        );
        wanted.arguments = FieldTable::from_iter([("anything", "else")]);
        assert!(current.check_equivalent(&wanted, "e", "/").is_ok());
    }

    #[test]
    fn a_predeclared_exchange_may_be_declared_as_it_is() {
        let current = ExchangeOptions::predeclared(ExchangeKind::Topic, false);
        let wanted = parsed(&declare("topic", FieldTable::new()));
        assert!(current.check_equivalent(&wanted, "amq.topic", "/").is_ok());
    }
}
