//! What a death does to a message: its history in the headers, and the rule against endless cycles.
//!
//! `x-death` has one table for each queue and reason, the latest death first. It counts as history only when a broker wrote
//! it; what a client put there is a header like any other, and gives way.

use bytes::Bytes;
use leveret_protocol::properties::rewrite;
use leveret_protocol::{FieldTable, FieldValue, Properties};

use crate::publication::Publication;
use crate::queue::Reason;

const HISTORY: &str = "x-death";
/// Deaths that are remembered, so that headers don't grow without end.
const MOST_DEATHS: usize = 128;
/// What is told of the first and of the last death besides.
const FIRST: [&str; 3] = [
    "x-first-death-reason",
    "x-first-death-queue",
    "x-first-death-exchange",
];
const LAST: [&str; 3] = [
    "x-last-death-reason",
    "x-last-death-queue",
    "x-last-death-exchange",
];

/// How a message died.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death<'a> {
    /// In which queue.
    pub(crate) queue: &'a str,
    /// Why.
    pub(crate) reason: Reason,
    /// When, in seconds since 1970.
    pub(crate) time: u64,
}

/// A message after its death.
#[derive(Clone, Debug)]
pub(crate) struct Dead {
    /// Its headers, with the history.
    pub(crate) headers: FieldTable,
    /// Its properties: with these headers, and without `expiration`, for it is not to expire again.
    pub(crate) properties: Bytes,
    /// The routing keys it had: that of its publication, then those of `CC`, then those of `BCC`, which its history keeps to
    /// itself.
    pub(crate) keys: Vec<String>,
}

impl Dead {
    /// Notes the death of a message. Headers that can't be read are replaced by the history.
    pub(crate) fn of(publication: &Publication<'_>, death: Death<'_>) -> Self {
        let properties = Properties::parse(publication.properties).unwrap_or_default();
        let mut headers = properties.headers().ok().flatten().unwrap_or_default();
        let mut deaths = match headers.remove(HISTORY) {
            Some(FieldValue::Array(deaths)) if publication.dead_lettered => deaths,
            _ => Vec::new(),
        };
        let exchange = text(publication.exchange);
        let mut keys = vec![text(publication.routing_key)];
        let mut blind = Vec::new();
        if has_own_key(publication, deaths.first()) {
            keys.extend(copies(&headers, "CC"));
            if publication.blind {
                blind.extend(copies(&headers, "BCC"));
            }
        }
        note(&mut deaths, death, || {
            let mut entry = FieldTable::from_iter([
                ("count", FieldValue::I64(1)),
                ("reason", death.reason.name().into()),
                ("queue", death.queue.into()),
                ("time", FieldValue::Timestamp(death.time)),
                ("exchange", exchange.as_str().into()),
            ]);
            let keys = keys.iter().map(|key| key.as_str().into());
            entry.insert("routing-keys", FieldValue::Array(keys.collect()));
            if let Some(expiration) = properties.expiration {
                entry.insert("original-expiration", text(expiration));
            }
            entry
        });
        keys.extend(blind);
        headers.insert(HISTORY, FieldValue::Array(deaths));
        let told = [death.reason.name(), death.queue, exchange.as_str()];
        let known = publication.dead_lettered && headers.get(FIRST[0]).is_some();
        for (first, told) in FIRST.into_iter().zip(told).filter(|_| !known) {
            headers.insert(first, told);
        }
        for (last, told) in LAST.into_iter().zip(told) {
            headers.insert(last, told);
        }
        Dead {
            properties: with(publication.properties, &headers),
            headers,
            keys,
        }
    }
}

/// Whether a message with these headers would go round for ever on its way to a queue: it died there before, for whatever
/// reason, and nobody has rejected it since.
pub(super) fn goes_round(headers: &FieldTable, reason: Reason, target: &str) -> bool {
    if reason == Reason::Rejected {
        return false;
    }
    let deaths = headers.get(HISTORY).and_then(FieldValue::as_array);
    let deaths = deaths.unwrap_or_default();
    let died_there = |death: &FieldValue| field(death, "queue") == Some(target);
    let Some(before) = deaths.iter().position(died_there) else {
        return false;
    };
    let mut since = deaths.iter().take(before + 1);
    since.all(|death| field(death, "reason") != Some(Reason::Rejected.name()))
}

/// With which exchange and routing key a message was published that has these headers: those of its first death.
pub(super) fn first_route(headers: &FieldTable) -> Option<(String, String)> {
    let queue = headers.get(FIRST[1])?.as_str()?;
    let reason = headers.get(FIRST[0])?.as_str()?;
    let deaths = headers.get(HISTORY)?.as_array()?;
    let first =
        |death: &&FieldValue| field(death, "queue") == Some(queue) && field(death, "reason") == Some(reason);
    let death = deaths.iter().find(first)?;
    let keys = death.as_table()?.get("routing-keys")?.as_array()?;
    let key = keys.first()?.as_str()?;
    Some((field(death, "exchange")?.to_owned(), key.to_owned()))
}

/// Puts a death to the front: a known one that is counted again, or a new one.
fn note(deaths: &mut Vec<FieldValue>, death: Death<'_>, new: impl FnOnce() -> FieldTable) {
    let same = |entry: &FieldValue| {
        field(entry, "queue") == Some(death.queue) && field(entry, "reason") == Some(death.reason.name())
    };
    let known = deaths.iter().position(same).map(|at| deaths.remove(at));
    let entry = match known {
        Some(FieldValue::Table(mut entry)) => {
            let count = entry.get("count").and_then(FieldValue::as_i64).unwrap_or(0);
            entry.insert("count", FieldValue::I64(count.saturating_add(1)));
            entry
        }
        _ => new(),
    };
    deaths.insert(0, FieldValue::Table(entry));
    deaths.truncate(MOST_DEATHS);
}

/// Whether the `CC` and `BCC` among the headers of a message count beside its key.
pub(super) fn copies_count(publication: &Publication<'_>, headers: &FieldTable) -> bool {
    let deaths = headers.get(HISTORY).and_then(FieldValue::as_array);
    !publication.dead_lettered || has_own_key(publication, deaths.and_then(<[_]>::first))
}

/// Whether a message still has the key it was published with. `CC` and `BCC` stay in the headers of one that was
/// dead-lettered with another, but don't count any more: then its last death tells of another key than it has.
fn has_own_key(publication: &Publication<'_>, last: Option<&FieldValue>) -> bool {
    let before = last.and_then(FieldValue::as_table).and_then(|death| {
        let keys = death.get("routing-keys")?.as_array()?;
        keys.first()?.as_str()
    });
    before.is_none_or(|before| before.as_bytes() == publication.routing_key)
}

/// The keys in the header `CC` or `BCC`.
fn copies(headers: &FieldTable, header: &str) -> impl Iterator<Item = String> {
    let keys = headers.get(header).and_then(FieldValue::as_array);
    let keys = keys.unwrap_or_default().iter();
    keys.filter_map(FieldValue::as_str).map(str::to_owned)
}

fn with(raw: &[u8], headers: &FieldTable) -> Bytes {
    let timeless = rewrite::without_expiration(raw);
    let rewritten = timeless.and_then(|raw| rewrite::with_headers(&raw, headers));
    // Properties are read when they are published, so this can't fail.
    rewritten.unwrap_or_else(|_| Bytes::copy_from_slice(raw))
}

fn field<'a>(death: &'a FieldValue, key: &str) -> Option<&'a str> {
    death.as_table()?.get(key)?.as_str()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use leveret_protocol::{Body, OwnedProperties};
    use proptest::prelude::*;

    use super::*;
    use crate::publication::PageBuilder;

    /// Lets a message die as often as this tells, each time in a queue for a reason, and returns what it is then.
    fn dead(properties: &OwnedProperties, deaths: &[(&str, Reason)]) -> Dead {
        let mut builder = PageBuilder::new();
        builder.push("x", "key", &properties.encode(), true, Body::Slice(b"body"));
        let mut page = builder.finish();
        // The route of the only publication: two lengths, "x" and "key".
        let mut offset = 2 + 4;
        let mut dead = None;
        for (time, &(queue, reason)) in deaths.iter().enumerate() {
            let death = Death {
                queue,
                reason,
                time: time as u64,
            };
            let after = Dead::of(&page.get(offset), death);
            offset = builder.copy(Publication {
                exchange: b"dlx",
                properties: &after.properties,
                dead_lettered: true,
                ..page.get(offset)
            });
            page = builder.finish();
            dead = Some(after);
        }
        dead.expect("it dies at least once")
    }

    fn headers(dead: &Dead) -> FieldTable {
        let properties = Properties::parse(&dead.properties).unwrap();
        properties.headers().unwrap().unwrap()
    }

    fn history(dead: &Dead) -> Vec<(String, String, i64, u64)> {
        let headers = headers(dead);
        let deaths = headers.get(HISTORY).unwrap().as_array().unwrap();
        let read = |death: &FieldValue| {
            let &FieldValue::Timestamp(time) = death.as_table().unwrap().get("time").unwrap() else {
                panic!("no time")
            };
            let &FieldValue::I64(count) = death.as_table().unwrap().get("count").unwrap() else {
                panic!("no count")
            };
            let [queue, reason] = ["queue", "reason"].map(|key| field(death, key).unwrap().to_owned());
            (queue, reason, count, time)
        };
        deaths.iter().map(read).collect()
    }

    #[test]
    fn a_first_death_is_told_in_full() {
        let properties = OwnedProperties::new()
            .with_headers(FieldTable::from_iter([(
                "CC",
                FieldValue::Array(vec!["copy".into()]),
            )]))
            .with_delivery_mode(2)
            .with_expiration("5000")
            .with_message_id("7");
        let dead = dead(&properties, &[("q", Reason::Expired)]);
        let keys = FieldValue::Array(vec!["key".into(), "copy".into()]);
        let death = FieldTable::from_iter([
            ("count", FieldValue::I64(1)),
            ("reason", "expired".into()),
            ("queue", "q".into()),
            ("time", FieldValue::Timestamp(0)),
            ("exchange", "x".into()),
            ("routing-keys", keys.clone()),
            ("original-expiration", "5000".into()),
        ]);
        let expected = FieldTable::from_iter([
            ("CC", FieldValue::Array(vec!["copy".into()])),
            (HISTORY, FieldValue::Array(vec![death.into()])),
            (FIRST[0], "expired".into()),
            (FIRST[1], "q".into()),
            (FIRST[2], "x".into()),
            (LAST[0], "expired".into()),
            (LAST[1], "q".into()),
            (LAST[2], "x".into()),
        ]);
        assert_eq!(headers(&dead), expected);
        let after = Properties::parse(&dead.properties).unwrap();
        assert_eq!((after.expiration, after.delivery_mode), (None, Some(2)));
        assert_eq!(after.message_id, Some(&b"7"[..]));
        assert_eq!(dead.keys, ["key", "copy"]);
    }

    #[test]
    fn what_a_client_calls_history_is_none() {
        let made_up = FieldTable::from_iter([
            ("queue", FieldValue::from("q")),
            ("reason", "expired".into()),
            ("count", FieldValue::I64(41)),
        ]);
        let properties = OwnedProperties::new().with_headers(FieldTable::from_iter([
            (HISTORY, FieldValue::Array(vec![made_up.into()])),
            (FIRST[1], "made up".into()),
        ]));
        let dead = dead(&properties, &[("q", Reason::Expired)]);
        assert_eq!(history(&dead), [("q".into(), "expired".into(), 1, 0)]);
        assert_eq!(headers(&dead).get(FIRST[1]), Some(&"q".into()));
    }

    #[test]
    fn the_first_death_stays_and_the_last_is_the_latest() {
        let deaths = [("a", Reason::Expired), ("b", Reason::Rejected)];
        let headers = headers(&dead(&OwnedProperties::new(), &deaths));
        let told = |keys: [&str; 3]| keys.map(|key| headers.get(key).unwrap().as_str().unwrap().to_owned());
        assert_eq!(told(FIRST), ["expired", "a", "x"]);
        assert_eq!(told(LAST), ["rejected", "b", "dlx"]);
    }

    #[test]
    fn headers_that_cannot_be_read_give_way_to_the_history() {
        let mut builder = PageBuilder::new();
        let raw = [0x20, 0, 0, 0, 0, 3, 1, b'k', b'?'];
        let offset = builder.push("", "q", &raw, false, Body::Slice(b""));
        let death = Death {
            queue: "q",
            reason: Reason::MaxLen,
            time: 1,
        };
        let dead = Dead::of(&builder.finish().get(offset), death);
        assert_eq!(history(&dead), [("q".into(), "maxlen".into(), 1, 1)]);
    }

    #[test]
    fn copies_end_with_the_key_they_came_with() {
        let copies = FieldTable::from_iter([("CC", FieldValue::Array(vec!["copy".into()]))]);
        let mut builder = PageBuilder::new();
        let properties = OwnedProperties::new().with_headers(copies).encode();
        let offset = builder.push("x", "key", &properties, true, Body::Slice(b""));
        let page = builder.finish();
        let death = |queue| Death {
            queue,
            reason: Reason::Rejected,
            time: 1,
        };
        let first = Dead::of(&page.get(offset), death("a"));
        let again = |key: &[u8]| {
            let publication = Publication {
                routing_key: key,
                properties: &first.properties,
                dead_lettered: true,
                ..page.get(offset)
            };
            Dead::of(&publication, death("b")).keys
        };
        assert_eq!(again(b"key"), ["key", "copy"]);
        assert_eq!(again(b"other"), ["other"]);
    }

    fn deaths() -> impl Strategy<Value = Vec<(&'static str, Reason)>> {
        let queue = prop::sample::select(vec!["a", "b", "c", "d"]);
        let reason = prop::sample::select(Reason::ALL.to_vec());
        prop::collection::vec((queue, reason), 1..40)
    }

    proptest! {
        #[test]
        fn each_queue_and_reason_has_one_entry_the_latest_first(deaths in deaths()) {
            let mut model: Vec<(String, String, i64, u64)> = Vec::new();
            for (time, (queue, reason)) in deaths.iter().enumerate() {
                let same = model.iter().position(|(q, r, ..)| q == queue && r == reason.name());
                let (count, first) = same.map_or((0, time as u64), |at| {
                    let (_, _, count, first) = model.remove(at);
                    (count, first)
                });
                model.insert(0, ((*queue).into(), reason.name().into(), count + 1, first));
            }
            prop_assert_eq!(history(&dead(&OwnedProperties::new(), &deaths)), model);
        }

        #[test]
        fn a_cycle_is_broken_unless_someone_rejected_the_message_on_it(deaths in deaths()) {
            let after = dead(&OwnedProperties::new(), &deaths);
            let reason = deaths.last().map(|(_, reason)| *reason);
            for target in ["a", "b", "c", "d", "e"] {
                let latest = history(&after);
                let since: Option<Vec<_>> = latest
                    .iter()
                    .position(|(queue, ..)| queue == target)
                    .map(|at| latest[..=at].iter().map(|(_, reason, ..)| reason.as_str()).collect());
                let expected = reason != Some(Reason::Rejected)
                    && since.is_some_and(|reasons| !reasons.contains(&"rejected"));
                let last = reason.unwrap_or(Reason::Rejected);
                prop_assert_eq!(goes_round(&after.headers, last, target), expected);
            }
        }

        #[test]
        fn without_rejections_no_queue_gets_a_message_twice(moves in prop::collection::vec(0..4_usize, 1..40)) {
            let queues = ["a", "b", "c", "d"];
            let mut path = vec![("a", Reason::Expired)];
            for next in moves {
                let target = queues[next];
                let headers = dead(&OwnedProperties::new(), &path).headers;
                if !goes_round(&headers, Reason::Expired, target) {
                    prop_assert!(path.iter().all(|(queue, _)| *queue != target));
                    path.push((target, Reason::MaxLen));
                }
            }
            prop_assert!(path.len() <= queues.len());
        }
    }
}
