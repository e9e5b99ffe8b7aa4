//! Definitions as bytes. `docs/storage.md` describes them for readers of the file.
//!
//! Each value begins with the version of its encoding. Arguments are AMQP field tables, as a client would send them, and the
//! attributes that follow from arguments are read from them again, by the same code that reads a declaration.

mod departing;
mod vhost;

use bytes::{BufMut, BytesMut};
use leveret_protocol::method::{exchange, queue};
use leveret_protocol::{Exception, FieldTable};

use crate::exchange::options::ExchangeOptions;
use crate::id::StoreId;
use crate::name::Name;
use crate::policy::{ApplyTo, InvalidPolicy, Policy};
use crate::queue::options::QueueOptions;

pub(super) use departing::{decode_departing, encode_departing};
pub(super) use vhost::{decode_vhost, encode_vhost};

/// The version of the encoding that is written, and the latest that is read.
pub(super) const VERSION: u8 = 1;

const AUTO_DELETE: u8 = 1;
const INTERNAL: u8 = 2;

/// Why bytes are no definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// A later version wrote it.
    #[error("its format is {0}")]
    Newer(u8),
    /// They end too early, or hold what was never written.
    #[error("it is not whole")]
    Malformed,
    /// They are whole, but a declaration like that would be refused.
    #[error("{0}")]
    Refused(#[from] Exception),
    /// They are whole, but there can't be such a policy.
    #[error("{}", _0.reason())]
    Invalid(#[from] InvalidPolicy),
}

pub(super) fn encode_exchange(id: StoreId, options: &ExchangeOptions) -> BytesMut {
    let mut out = begin(id);
    let auto_delete = if options.auto_delete { AUTO_DELETE } else { 0 };
    let internal = if options.internal { INTERNAL } else { 0 };
    out.put_u8(auto_delete | internal);
    let kind = options.type_name();
    out.put_u8(u8::try_from(kind.len()).unwrap_or_default());
    out.put_slice(kind.as_bytes());
    options.arguments.encode(&mut out);
    out
}

pub(super) fn decode_exchange(
    name: &str,
    vhost: &str,
    raw: &[u8],
) -> Result<(StoreId, ExchangeOptions), Unreadable> {
    let mut input = Input::begin(raw)?;
    let id = StoreId(input.number()?);
    let flags = input.octet()?;
    let declare = exchange::Declare {
        exchange: name,
        kind: input.text()?,
        passive: false,
        durable: true,
        auto_delete: flags & AUTO_DELETE != 0,
        internal: flags & INTERNAL != 0,
        nowait: false,
        arguments: input.table()?,
    };
    Ok((id, ExchangeOptions::parse(&declare, vhost)?))
}

pub(super) fn encode_queue(id: StoreId, options: &QueueOptions) -> BytesMut {
    let mut out = begin(id);
    out.put_u8(if options.auto_delete { AUTO_DELETE } else { 0 });
    options.arguments.encode(&mut out);
    out
}

pub(super) fn decode_queue(
    name: &str,
    vhost: &str,
    raw: &[u8],
) -> Result<(StoreId, QueueOptions), Unreadable> {
    let mut input = Input::begin(raw)?;
    let id = StoreId(input.number()?);
    let flags = input.octet()?;
    let declare = queue::Declare {
        queue: name,
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: flags & AUTO_DELETE != 0,
        nowait: false,
        arguments: input.table()?,
    };
    Ok((id, QueueOptions::parse(&declare, vhost)?))
}

/// What the exchange or queue in `raw` is kept under.
pub(super) fn decode_id(raw: &[u8]) -> Result<StoreId, Unreadable> {
    Input::begin(raw)?.number().map(StoreId)
}

/// What is kept of a policy besides its key.
pub(super) fn encode_policy(policy: &Policy) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(VERSION);
    out.put_i32(policy.priority);
    let apply_to = policy.apply_to.name();
    out.put_u8(u8::try_from(apply_to.len()).unwrap_or_default());
    out.put_slice(apply_to.as_bytes());
    put_long_text(&mut out, &policy.pattern);
    policy.definition.encode(&mut out);
    out
}

pub(super) fn decode_policy(name: &str, raw: &[u8]) -> Result<Policy, Unreadable> {
    let mut input = Input::begin(raw)?;
    let priority = input.take(4)?.try_into().map_err(|_| Unreadable::Malformed)?;
    let apply_to = ApplyTo::parse(input.text()?)?;
    let pattern = input.long_text()?;
    Ok(Policy {
        name: Name::from(name),
        pattern: pattern.to_owned(),
        priority: i32::from_be_bytes(priority),
        apply_to,
        definition: input.table()?,
    })
}

/// What is kept of a binding besides its key.
pub(super) fn encode_arguments(arguments: &FieldTable) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(VERSION);
    arguments.encode(&mut out);
    out
}

pub(super) fn decode_arguments(raw: &[u8]) -> Result<FieldTable, Unreadable> {
    Input::begin(raw)?.table()
}

fn begin(id: StoreId) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(VERSION);
    out.put_u64(id.0);
    out
}

fn put_long_text(out: &mut BytesMut, text: &str) {
    out.put_u64(text.len() as u64);
    out.put_slice(text.as_bytes());
}

/// What is left to read.
struct Input<'i>(&'i [u8]);

impl<'i> Input<'i> {
    fn begin(raw: &'i [u8]) -> Result<Self, Unreadable> {
        Ok(Self::begin_upto(raw, VERSION)?.0)
    }

    /// What has any version up to this one, and which.
    fn begin_upto(raw: &'i [u8], latest: u8) -> Result<(Self, u8), Unreadable> {
        let mut input = Input(raw);
        match input.octet()? {
            0 => Err(Unreadable::Malformed),
            version if version <= latest => Ok((input, version)),
            newer => Err(Unreadable::Newer(newer)),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'i [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Unreadable::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn octet(&mut self) -> Result<u8, Unreadable> {
        let (octet, rest) = self.0.split_first().ok_or(Unreadable::Malformed)?;
        self.0 = rest;
        Ok(*octet)
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Unreadable::Malformed)?;
        self.0 = rest;
        Ok(u64::from_be_bytes(*number))
    }

    fn text(&mut self) -> Result<&'i str, Unreadable> {
        let len = self.octet()?;
        std::str::from_utf8(self.take(len.into())?).map_err(|_| Unreadable::Malformed)
    }

    fn long_text(&mut self) -> Result<&'i str, Unreadable> {
        let len = usize::try_from(self.number()?).map_err(|_| Unreadable::Malformed)?;
        std::str::from_utf8(self.take(len)?).map_err(|_| Unreadable::Malformed)
    }

    /// A table is last: it takes all that is left.
    fn table(self) -> Result<FieldTable, Unreadable> {
        FieldTable::decode(self.0).map_err(|_| Unreadable::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::FieldValue;

    use super::*;
    use crate::exchange::kind::ExchangeKind;

    const ID: StoreId = StoreId(0x0102_0304_0506_0708);

    /// A field of every type a client can send, tables in tables and arrays in arrays among them.
    fn every_type() -> FieldTable {
        let values = [
            FieldValue::Bool(true),
            FieldValue::I8(i8::MIN),
            FieldValue::U8(u8::MAX),
            FieldValue::I16(i16::MIN),
            FieldValue::U16(u16::MAX),
            FieldValue::I32(i32::MIN),
            FieldValue::U32(u32::MAX),
            FieldValue::I64(i64::MIN),
            FieldValue::F32(-0.0),
            FieldValue::F64(f64::INFINITY),
            FieldValue::Decimal {
                scale: 2,
                value: 12_345,
            },
            FieldValue::LongString(bytes::Bytes::from_static(b"\xff not UTF-8")),
            FieldValue::Timestamp(u64::MAX),
            FieldValue::Table(FieldTable::from_iter([("inner", FieldTable::new())])),
            FieldValue::Array(vec![FieldValue::Array(vec![]), FieldValue::Void]),
            FieldValue::Bytes(bytes::Bytes::from_static(&[0, 1, 2])),
            FieldValue::Void,
        ];
        let named = values.into_iter().enumerate();
        FieldTable::from_iter(named.map(|(number, value)| (format!("key{number}"), value)))
    }

    fn queue_with(arguments: FieldTable) -> QueueOptions {
        let declare = queue::Declare {
            queue: "q",
            passive: false,
            durable: true,
            exclusive: false,
            auto_delete: true,
            nowait: false,
            arguments,
        };
        QueueOptions::parse(&declare, "/").unwrap()
    }

    #[test]
    fn arguments_of_every_type_come_back_as_they_were() {
        let raw = encode_arguments(&every_type());
        assert_eq!(decode_arguments(&raw), Ok(every_type()));
        let options = queue_with(every_type());
        assert_eq!(
            decode_queue("q", "/", &encode_queue(ID, &options)),
            Ok((ID, options))
        );
    }

    #[test]
    fn what_follows_from_the_arguments_of_a_queue_is_read_again() {
        let options = queue_with(FieldTable::from_iter([
            ("x-message-ttl", FieldValue::I64(1500)),
            ("x-max-priority", FieldValue::U8(9)),
            ("x-dead-letter-exchange", FieldValue::from("dead")),
        ]));
        let (_, decoded) = decode_queue("q", "/", &encode_queue(ID, &options)).unwrap();
        assert_eq!(
            decoded.terms.message_ttl,
            Some(std::time::Duration::from_millis(1500))
        );
        assert_eq!(decoded, options);
    }

    #[test]
    fn an_exchange_comes_back_with_its_attributes() {
        for (auto_delete, internal) in [(false, false), (false, true), (true, false), (true, true)] {
            let options = ExchangeOptions {
                delayed: false,
                kind: ExchangeKind::Headers,
                durable: true,
                auto_delete,
                internal,
                alternate: Some("other".into()),
                arguments: FieldTable::from_iter([("alternate-exchange", "other")]),
                ..ExchangeOptions::predeclared(ExchangeKind::Headers, internal)
            };
            let raw = encode_exchange(ID, &options);
            assert_eq!(decode_exchange("e", "/", &raw), Ok((ID, options)));
            assert_eq!(decode_id(&raw), Ok(ID));
        }
    }

    fn policy() -> Policy {
        Policy {
            name: "p".into(),
            pattern: "^a|ü".to_owned(),
            definition: FieldTable::from_iter([("max-length", 5)]),
            priority: -3,
            apply_to: ApplyTo::QuorumQueues,
        }
    }

    #[test]
    fn a_policy_comes_back_as_it_was() {
        assert_eq!(decode_policy("p", &encode_policy(&policy())), Ok(policy()));
    }

    #[test]
    fn what_follows_from_the_arguments_of_an_exchange_is_read_again() {
        let declare = exchange::Declare {
            exchange: "e",
            kind: "x-recent-history",
            passive: false,
            durable: true,
            auto_delete: false,
            internal: false,
            nowait: false,
            arguments: FieldTable::from_iter([
                ("x-recent-history-length", FieldValue::I32(7)),
                ("x-message-deduplication", true.into()),
            ]),
        };
        let options = ExchangeOptions::parse(&declare, "/").unwrap();
        let (_, decoded) = decode_exchange("e", "/", &encode_exchange(ID, &options)).unwrap();
        assert_eq!(
            (decoded.history, decoded.deduplication.is_some()),
            (Some(7), true)
        );
        assert_eq!(decoded, options);
    }

    #[test]
    fn a_value_cut_anywhere_is_refused() {
        let options = ExchangeOptions::predeclared(ExchangeKind::Direct, false);
        let exchange = encode_exchange(ID, &options);
        let queue = encode_queue(ID, &queue_with(FieldTable::from_iter([("a", 1)])));
        let policy = encode_policy(&policy());
        for len in 0..policy.len() {
            assert!(decode_policy("p", &policy[..len]).is_err());
        }
        for len in 0..exchange.len() {
            assert_eq!(
                decode_exchange("e", "/", &exchange[..len]),
                Err(Unreadable::Malformed)
            );
        }
        for len in 0..queue.len() {
            assert_eq!(decode_queue("q", "/", &queue[..len]), Err(Unreadable::Malformed));
        }
    }

    #[test]
    fn a_later_encoding_is_told_from_damage() {
        let mut raw = encode_queue(ID, &queue_with(FieldTable::new()));
        raw[0] = VERSION + 1;
        assert_eq!(decode_queue("q", "/", &raw), Err(Unreadable::Newer(VERSION + 1)));
        raw[0] = 0;
        assert_eq!(decode_queue("q", "/", &raw), Err(Unreadable::Malformed));
    }

    #[test]
    fn the_encoding_stays_as_it_was() {
        let queue = encode_queue(ID, &queue_with(FieldTable::from_iter([("a", true)])));
        assert_eq!(
            &queue[..],
            b"\x01\x01\x02\x03\x04\x05\x06\x07\x08\x01\x00\x00\x00\x04\x01at\x01"
        );
        let options = ExchangeOptions::predeclared(ExchangeKind::Topic, true);
        let exchange = encode_exchange(ID, &options);
        assert_eq!(
            &exchange[..],
            b"\x01\x01\x02\x03\x04\x05\x06\x07\x08\x02\x05topic\x00\x00\x00\x00"
        );
    }
}
