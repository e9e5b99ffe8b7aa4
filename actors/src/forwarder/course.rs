//! What becomes of messages and where they go, remembered for those that follow and have the same say in it. Pure.

use leveret_protocol::Properties;
use leveret_protocol::properties::rewrite;

use super::death::Death;
use super::errand::Outgoing;
use crate::name::Name;
use crate::publication::Publication;
use crate::queue::Reason;

/// Courses remembered at most. Each message is compared with them, so they are few.
const MOST_REMEMBERED: usize = 32;

/// The courses of the messages before.
#[derive(Debug, Default)]
pub(super) struct Courses {
    /// The one that was used last is the last.
    #[expect(
        clippy::vec_box,
        reason = "taking one out and putting it back moves a pointer"
    )]
    known: Vec<Box<Course>>,
}

impl Courses {
    /// Takes out the course of a message that died so, if it is known.
    pub(super) fn take(&mut self, publication: &Publication<'_>, death: Death<'_>) -> Option<Box<Course>> {
        let mut known = self.known.iter_mut();
        let at = known.rposition(|course| course.leads(publication, death))?;
        Some(self.known.remove(at))
    }

    /// Remembers a course. One that was not used for long may be forgotten.
    pub(super) fn put(&mut self, course: Box<Course>) {
        if self.known.len() >= MOST_REMEMBERED {
            self.known.remove(0);
        }
        self.known.push(course);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}

/// The way of a message, and of all like it.
#[derive(Debug)]
pub(super) struct Course {
    was: Was,
    /// What becomes of them.
    pub(super) outgoing: Outgoing,
    /// What is new in its properties; `None` when they have to be read for each.
    change: Option<Change>,
    /// Where they go.
    pub(super) targets: Vec<Target>,
    /// At which generation of the directory that was found out; `None` when it is to be found out for each.
    pub(super) as_of: Option<u64>,
}

/// A queue, as the forwarder is attached to it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) key: u32,
    pub(super) name: Name,
}

/// What the last message was. Of its properties the headers and the expiration have a say in what becomes of it.
#[derive(Debug)]
struct Was {
    exchange: Box<[u8]>,
    routing_key: Box<[u8]>,
    properties: Vec<u8>,
    persistent: bool,
    dead_lettered: bool,
    blind: bool,
    reason: Reason,
    time: u64,
}

/// How properties with certain headers and a certain expiration are changed.
#[derive(Debug)]
struct Change {
    headers: Option<Box<[u8]>>,
    expiration: Option<Box<[u8]>>,
    /// What the headers are then, encoded.
    new_headers: Box<[u8]>,
    /// Whether it keeps its expiration.
    expires: bool,
}

impl Change {
    fn of(before: &[u8], after: &[u8]) -> Option<Self> {
        let (before, after) = (Properties::parse(before).ok()?, Properties::parse(after).ok()?);
        Some(Change {
            headers: before.headers_raw.map(Box::from),
            expiration: before.expiration.map(Box::from),
            new_headers: after.headers_raw?.into(),
            expires: after.expiration.is_some(),
        })
    }

    /// Makes the same change to other properties. `false` when it is not their change.
    fn make(&self, before: &[u8], after: &mut Vec<u8>) -> bool {
        let Ok(properties) = Properties::parse(before) else {
            return false;
        };
        properties.headers_raw == self.headers.as_deref()
            && properties.expiration == self.expiration.as_deref()
            && rewrite::with_encoded_headers(before, &self.new_headers, self.expires, after).is_ok()
    }
}

impl Course {
    /// That of a message that died so and becomes this. Where it goes is not found out yet.
    pub(super) fn new(publication: &Publication<'_>, death: Death<'_>, outgoing: Outgoing) -> Self {
        let was = Was {
            exchange: publication.exchange.into(),
            routing_key: publication.routing_key.into(),
            properties: publication.properties.into(),
            persistent: publication.persistent,
            dead_lettered: publication.dead_lettered,
            blind: publication.blind,
            reason: death.reason,
            time: death.time,
        };
        Course {
            change: Change::of(&was.properties, &outgoing.properties),
            was,
            outgoing,
            targets: Vec::new(),
            as_of: None,
        }
    }

    /// Whether it is that of this message, too, which died in the same queue. If so, it leads to what becomes of that.
    #[inline]
    fn leads(&mut self, publication: &Publication<'_>, death: Death<'_>) -> bool {
        let was = &self.was;
        (was.reason, was.time) == (death.reason, death.time)
            && (was.dead_lettered, was.blind) == (publication.dead_lettered, publication.blind)
            && same(&was.routing_key, publication.routing_key)
            && same(&was.exchange, publication.exchange)
            && (self.is_equal(publication) || self.adapt(publication))
    }

    #[inline]
    fn is_equal(&self, publication: &Publication<'_>) -> bool {
        self.was.persistent == publication.persistent && *self.was.properties == *publication.properties
    }

    /// Makes it lead to what becomes of a message with other properties, if they have the same say.
    fn adapt(&mut self, publication: &Publication<'_>) -> bool {
        let Some(change) = &self.change else { return false };
        if !change.make(publication.properties, &mut self.outgoing.properties) {
            return false;
        }
        self.outgoing.persistent = publication.persistent;
        self.was.persistent = publication.persistent;
        self.was.properties.clear();
        self.was.properties.extend_from_slice(publication.properties);
        true
    }
}

/// Equality that never looks at the bytes of an empty name: those of an empty box are nowhere, and comparing none of them
/// there is slow.
#[inline]
fn same(before: &[u8], now: &[u8]) -> bool {
    before.len() == now.len() && (now.is_empty() || before == now)
}

#[cfg(test)]
mod tests {
    use leveret_protocol::{Body, FieldTable, OwnedProperties};
    use proptest::prelude::*;

    use super::*;
    use crate::forwarder::errand::Errand;
    use crate::queue::effective::Effective;

    const DEATH: Death<'_> = Death {
        queue: "q",
        reason: Reason::Expired,
        time: 7,
    };

    fn publication(properties: &[u8]) -> Publication<'_> {
        Publication {
            exchange: b"x",
            routing_key: b"key",
            properties,
            body: Body::Slice(b"body"),
            persistent: false,
            dead_lettered: false,
            blind: false,
            body_len: 4,
        }
    }

    fn to_dlx() -> Effective {
        Effective {
            dead_letter_exchange: Some("dlx".into()),
            ..Effective::default()
        }
    }

    fn course(errand: &Errand, publication: &Publication<'_>) -> Box<Course> {
        let outgoing = errand.prepare(publication, DEATH, &to_dlx()).unwrap();
        Box::new(Course::new(publication, DEATH, outgoing))
    }

    #[test]
    fn only_a_message_with_the_same_say_goes_the_same_way() {
        let (plain, labelled) = ([0, 0], [0, 0x80, 1, b'7']);
        let course = course(&Errand::Delayed("x".into()), &publication(&plain));
        let mut courses = Courses::default();
        courses.put(course);
        let mut is_known = |publication: &Publication<'_>, death| {
            let course = courses.take(publication, death);
            course.map(|course| courses.put(course)).is_some()
        };
        let body = Body::Slice(b"another");
        assert!(is_known(
            &Publication {
                body,
                ..publication(&plain)
            },
            DEATH
        ));
        assert!(
            is_known(&publication(&labelled), DEATH),
            "a message id has no say"
        );
        let expiring = OwnedProperties::new().with_expiration("7").encode();
        let headers = FieldTable::from_iter([("x-delay", 1)]);
        let with_headers = OwnedProperties::new().with_headers(headers).encode();
        let others = [
            Publication {
                exchange: b"",
                ..publication(&plain)
            },
            Publication {
                routing_key: b"",
                ..publication(&plain)
            },
            Publication {
                dead_lettered: true,
                ..publication(&plain)
            },
            Publication {
                blind: true,
                ..publication(&plain)
            },
            publication(&expiring),
            publication(&with_headers),
            publication(&[0]),
        ];
        for other in others {
            assert!(!is_known(&other, DEATH), "{other:?}");
        }
        let reason = Reason::Rejected;
        assert!(!is_known(&publication(&plain), Death { reason, ..DEATH }));
        assert!(!is_known(&publication(&plain), Death { time: 8, ..DEATH }));
    }

    #[test]
    fn few_are_remembered_and_those_that_were_used_last() {
        let mut courses = Courses::default();
        let keys: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let with_key = |key: &'static [u8]| Publication {
            routing_key: key,
            ..publication(&[0, 0])
        };
        courses.put(course(&Errand::DeadLetters, &with_key(b"used")));
        for key in &keys {
            let other = Publication {
                routing_key: key.as_bytes(),
                ..publication(&[0, 0])
            };
            assert!(courses.take(&other, DEATH).is_none());
            courses.put(course(&Errand::DeadLetters, &other));
            let used = courses.take(&with_key(b"used"), DEATH).unwrap();
            courses.put(used);
            assert!(courses.known.len() <= MOST_REMEMBERED);
        }
        assert!(courses.take(&with_key(b"0"), DEATH).is_none());
        assert!(courses.take(&with_key(b"99"), DEATH).is_some());
    }

    fn properties() -> impl Strategy<Value = Vec<u8>> {
        let headers = prop::option::of(prop::sample::select(vec![("x-delay", 40), ("mine", 1)]));
        let expiration = prop::option::of(prop::sample::select(vec!["7", "8"]));
        let (id, mode) = (prop::option::of("[a-c]{0,9}"), prop::option::of(1..3_u8));
        (headers, expiration, id, mode).prop_map(|(headers, expiration, id, mode)| {
            let mut properties = OwnedProperties::new();
            if let Some(header) = headers {
                properties = properties.with_headers(FieldTable::from_iter([header]));
            }
            if let Some(expiration) = expiration {
                properties = properties.with_expiration(expiration);
            }
            if let Some(id) = id {
                properties = properties.with_message_id(id.clone()).with_correlation_id(id);
            }
            if let Some(mode) = mode {
                properties = properties.with_delivery_mode(mode);
            }
            properties.encode().to_vec()
        })
    }

    proptest! {
        #[test]
        fn what_a_known_course_makes_of_a_message_is_what_a_new_one_does(
            messages in prop::collection::vec(properties(), 1..40),
            delayed in any::<bool>(),
        ) {
            let errand = if delayed { Errand::Delayed("x".into()) } else { Errand::DeadLetters };
            let mut courses = Courses::default();
            for raw in &messages {
                let publication = publication(raw);
                let new = course(&errand, &publication);
                let known = courses.take(&publication, DEATH);
                let known = known.unwrap_or_else(|| course(&errand, &publication));
                let body = || Body::Slice(b"body");
                prop_assert_eq!(known.outgoing.publication(body()), new.outgoing.publication(body()));
                prop_assert_eq!(&known.outgoing.headers, &new.outgoing.headers);
                courses.put(known);
            }
            prop_assert!(courses.known.len() <= 9, "headers and expirations are few");
        }
    }
}
