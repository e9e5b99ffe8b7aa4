//! What a forwarder does with a message: what the message becomes, and where it is routed. Pure.

use leveret_protocol::properties::rewrite;
use leveret_protocol::{Body, FieldTable, Properties};

use super::death::{Dead, Death, copies_count, first_route, goes_round, text};
use crate::exchange::delay::turn;
use crate::exchange::walk::sender_selected;
use crate::name::Name;
use crate::publication::Publication;
use crate::queue::Reason;
use crate::queue::effective::Effective;

/// Why a queue has a forwarder.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    /// What dies in it goes to its dead-letter exchange.
    DeadLetters,
    /// What has waited in it is routed by this exchange, which delayed it.
    Delayed(Name),
}

/// A message as it is sent on.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The exchange that routes it.
    pub(super) via: Name,
    /// The keys that count for that.
    pub(super) keys: Vec<String>,
    /// The headers that do.
    pub(super) headers: FieldTable,
    /// The exchange it names as that of its publication.
    exchange: Box<[u8]>,
    /// The routing key it has.
    routing_key: Box<[u8]>,
    /// Its properties.
    pub(super) properties: Vec<u8>,
    /// Whether it is persistent.
    pub(super) persistent: bool,
    /// Whether a queue dead-lettered it, now or before.
    dead_lettered: bool,
    /// Whether its headers have a `BCC`.
    blind: bool,
    reason: Option<Reason>,
}

impl Outgoing {
    /// What it is now, with this body.
    #[inline]
    pub(super) fn publication<'b>(&'b self, body: Body<'b>) -> Publication<'b> {
        Publication {
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            properties: &self.properties,
            persistent: self.persistent,
            dead_lettered: self.dead_lettered,
            blind: self.blind,
            body_len: body.len() as u32,
            body,
        }
    }

    /// Whether the message would go round for ever on its way to this queue.
    pub(super) fn goes_round(&self, target: &str) -> bool {
        self.reason
            .is_some_and(|reason| goes_round(&self.headers, reason, target))
    }
}

impl Errand {
    /// Prepares a message; `None` when there is nowhere to send it to.
    pub(super) fn prepare(
        &self,
        publication: &Publication<'_>,
        death: Death<'_>,
        effective: &Effective,
    ) -> Option<Outgoing> {
        match self {
            _ if death.reason == Reason::Redriven => redriven(publication),
            Errand::DeadLetters => dead_letter(publication, death, effective),
            Errand::Delayed(exchange) => Some(delayed(exchange, publication)),
        }
    }
}

fn dead_letter(publication: &Publication<'_>, death: Death<'_>, effective: &Effective) -> Option<Outgoing> {
    let via = effective.dead_letter_exchange.as_ref()?;
    let new_key = effective.dead_letter_routing_key.as_deref();
    let Dead {
        headers,
        properties,
        keys,
    } = Dead::of(publication, death);
    Some(Outgoing {
        via: via.clone(),
        keys: new_key.map_or(keys, |key| vec![key.to_owned()]),
        headers,
        exchange: via.as_bytes().into(),
        routing_key: new_key.map_or(publication.routing_key, str::as_bytes).into(),
        properties: properties.into(),
        persistent: publication.persistent,
        dead_lettered: true,
        blind: publication.blind,
        reason: Some(death.reason),
    })
}

/// A dead letter goes back to the queue in which it first died, as it was published to that, with its history.
fn redriven(publication: &Publication<'_>) -> Option<Outgoing> {
    let properties = Properties::parse(publication.properties).unwrap_or_default();
    let headers = properties.headers().ok().flatten()?;
    let queue = headers.get("x-first-death-queue")?.as_str()?.to_owned();
    let (exchange, routing_key) = first_route(&headers)?;
    Some(Outgoing {
        via: Name::default(),
        keys: vec![queue],
        headers,
        exchange: exchange.into_bytes().into_boxed_slice(),
        routing_key: routing_key.into_bytes().into_boxed_slice(),
        properties: publication.properties.to_vec(),
        persistent: publication.persistent,
        dead_lettered: true,
        blind: publication.blind,
        reason: None,
    })
}

fn delayed(exchange: &Name, publication: &Publication<'_>) -> Outgoing {
    let raw = publication.properties;
    let properties = Properties::parse(raw).unwrap_or_default();
    let mut headers = properties.headers().ok().flatten().unwrap_or_default();
    let mut keys = vec![text(publication.routing_key)];
    if copies_count(publication, &headers) {
        let selected = sender_selected(&headers).unwrap_or_default();
        keys.extend(selected.into_iter().map(str::to_owned));
    }
    turn(&mut headers);
    let rewritten = rewrite::with_headers(raw, &headers);
    Outgoing {
        via: exchange.clone(),
        keys,
        headers,
        exchange: publication.exchange.into(),
        routing_key: publication.routing_key.into(),
        properties: rewritten.map_or_else(|_| raw.to_vec(), Vec::from),
        persistent: publication.persistent,
        dead_lettered: publication.dead_lettered,
        blind: publication.blind,
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::{FieldValue, OwnedProperties};

    use super::*;
    use crate::publication::PageBuilder;

    fn death() -> Death<'static> {
        Death {
            queue: "q",
            reason: Reason::Expired,
            time: 0,
        }
    }

    /// What becomes of a message with these headers: its exchange, routing key and keys that count, and its headers.
    fn prepared(
        errand: &Errand,
        headers: FieldTable,
        effective: &Effective,
    ) -> Option<([String; 2], Vec<String>, FieldTable)> {
        let mut builder = PageBuilder::new();
        let raw = OwnedProperties::new().with_headers(headers).encode();
        let offset = builder.push("x", "key", &raw, true, Body::Slice(b""));
        let page = builder.finish();
        let outgoing = errand.prepare(&page.get(offset), death(), effective)?;
        let properties = Properties::parse(&outgoing.properties).unwrap();
        Some((
            [text(&outgoing.exchange), text(&outgoing.routing_key)],
            outgoing.keys,
            properties.headers().unwrap().unwrap(),
        ))
    }

    fn strings<const N: usize>(keys: [&str; N]) -> FieldValue {
        FieldValue::Array(keys.map(FieldValue::from).to_vec())
    }

    #[test]
    fn a_dead_letter_keeps_its_keys_unless_the_queue_gives_it_another() {
        let headers = || FieldTable::from_iter([("CC", strings(["copy"]))]);
        let mut effective = Effective::default();
        assert!(prepared(&Errand::DeadLetters, headers(), &effective).is_none());
        effective.dead_letter_exchange = Some("dlx".into());
        let (route, keys, _) = prepared(&Errand::DeadLetters, headers(), &effective).unwrap();
        assert_eq!(
            (route, keys),
            (
                ["dlx", "key"].map(str::to_owned),
                vec!["key".into(), "copy".into()]
            )
        );
        effective.dead_letter_routing_key = Some("new".into());
        let (route, keys, after) = prepared(&Errand::DeadLetters, headers(), &effective).unwrap();
        assert_eq!(
            (route, keys),
            (["dlx", "new"].map(str::to_owned), vec!["new".into()])
        );
        assert_eq!(after.get("CC"), headers().get("CC"));
    }

    #[test]
    fn what_was_delayed_is_as_published_but_for_its_delay() {
        let headers = FieldTable::from_iter([
            ("x-delay", FieldValue::I32(500)),
            ("BCC", strings(["blind"])),
            ("CC", strings(["copy"])),
        ]);
        let mut expected = headers.clone();
        expected.insert("x-delay", FieldValue::I32(-500));
        let errand = Errand::Delayed("later".into());
        let (route, keys, after) = prepared(&errand, headers, &Effective::default()).unwrap();
        assert_eq!(route, ["x", "key"]);
        assert_eq!(keys, ["key", "copy", "blind"]);
        assert_eq!(after, expected);
    }
}
