//! The deadlines that the messages of a batch get when they come. Pure.

use std::time::Duration;

use leveret_protocol::Properties;
use leveret_protocol::properties::{flag, flags};

use super::deadlines::deadline;
use crate::clock::millis;
use crate::exchange::delay::delay;
use crate::publication::Page;

/// When the messages of a batch expire, in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// None does.
    Never,
    /// All do, at the same time.
    All(u64),
    /// Each has its own; 0 when it does not expire.
    Each(Vec<u64>),
}

impl Stamps {
    /// Those of the messages at `offsets` of a page. The queue gives each the time `ttl`, and what a message says of itself
    /// holds where it is less. The clock is asked if it is needed.
    pub fn of(ttl: Option<Duration>, page: &Page, offsets: &[u32], now: impl FnOnce() -> u64) -> Self {
        let ttl = ttl.map(millis);
        if page.timed() {
            let now = now();
            return Stamps::of_each(page, offsets, |properties| {
                let own = expiration(properties);
                let shorter = own.into_iter().chain(ttl).min();
                shorter.map_or(0, |ttl| deadline(now, ttl))
            });
        }
        ttl.map_or(Stamps::Never, |ttl| Stamps::All(deadline(now(), ttl)))
    }

    /// Those of messages that wait for as long as their headers say.
    pub fn of_delays(page: &Page, offsets: &[u32], now: u64) -> Self {
        Stamps::of_each(page, offsets, |properties| deadline(now, delay_of(properties)))
    }

    /// What their properties say. Those of the message before are not read again.
    fn of_each(page: &Page, offsets: &[u32], stamp: impl Fn(&[u8]) -> u64) -> Self {
        let mut last: Option<(&[u8], u64)> = None;
        let mut runs: Vec<(u64, usize)> = Vec::new();
        for alike in page.alike(offsets) {
            let properties = alike.first().map_or(&[][..], |&offset| page.properties(offset));
            let known = last.filter(|(before, _)| *before == properties);
            let stamp = known.map_or_else(|| stamp(properties), |(_, known)| known);
            last = Some((properties, stamp));
            match runs.last_mut() {
                Some((same, messages)) if *same == stamp => *messages += alike.len(),
                _ => runs.push((stamp, alike.len())),
            }
        }
        match *runs.as_slice() {
            [] | [(0, _)] => Stamps::Never,
            [(all, _)] => Stamps::All(all),
            ref runs => Stamps::Each(
                runs.iter()
                    .flat_map(|&(stamp, messages)| std::iter::repeat_n(stamp, messages))
                    .collect(),
            ),
        }
    }

    /// The deadline of the message at this place in the batch; 0 when it does not expire.
    pub(super) fn get(&self, place: usize) -> u64 {
        match self {
            Stamps::Never => 0,
            Stamps::All(deadline) => *deadline,
            Stamps::Each(deadlines) => deadlines.get(place).copied().unwrap_or_default(),
        }
    }

    /// Those of messages at these places, as a journal is given them: none at all when none expires.
    pub(super) fn of_places(&self, places: impl Iterator<Item = usize>) -> Vec<u64> {
        match self {
            Stamps::Never => Vec::new(),
            _ => places.map(|place| self.get(place)).collect(),
        }
    }
}

/// The milliseconds that a message is delayed; 0 for one that says nothing of it.
fn delay_of(properties: &[u8]) -> u64 {
    let headers = Properties::parse(properties).and_then(|properties| properties.headers());
    headers
        .ok()
        .flatten()
        .and_then(|headers| delay(&headers))
        .unwrap_or(0)
}

/// The milliseconds that a message gives itself. The channel it came through has seen that they are a number.
fn expiration(properties: &[u8]) -> Option<u64> {
    if flags(properties) & flag::EXPIRATION == 0 {
        return None;
    }
    let text = Properties::parse(properties).ok()?.expiration?;
    let digits = std::str::from_utf8(text).ok()?;
    digits.trim_start_matches(['+', '-']).parse().ok()
}

#[cfg(test)]
mod tests {
    use leveret_protocol::{Body, FieldTable, OwnedProperties};

    use super::*;
    use crate::publication::PageBuilder;

    /// A message for each of these.
    fn stamps(ttl: Option<u64>, expirations: &[Option<&str>]) -> Stamps {
        let mut page = PageBuilder::new();
        let push = |expiration: &Option<&str>| {
            let properties = OwnedProperties::new();
            let properties = match expiration {
                Some(expiration) => properties.with_expiration(*expiration),
                None => properties,
            };
            page.push("", "q", &properties.encode(), false, Body::Slice(b""))
        };
        let offsets: Vec<u32> = expirations.iter().map(push).collect();
        Stamps::of(ttl.map(Duration::from_millis), &page.finish(), &offsets, || 1_000)
    }

    #[test]
    fn the_shorter_time_wins() {
        assert_eq!(stamps(Some(50), &[None, None]), Stamps::All(1_051));
        assert_eq!(
            stamps(Some(50), &[None, Some("20"), Some("60"), Some("0")]),
            Stamps::Each(vec![1_051, 1_021, 1_051, 1_000])
        );
        assert_eq!(
            stamps(None, &[Some("7"), None, Some("+5")]),
            Stamps::Each(vec![1_008, 0, 1_006])
        );
    }

    #[test]
    fn a_delayed_message_waits_for_as_long_as_it_says() {
        let mut builder = PageBuilder::new();
        let mut push = |headers: FieldTable| {
            let raw = OwnedProperties::new().with_headers(headers).with_expiration("7");
            builder.push("x", "k", &raw.encode(), true, Body::Slice(b""))
        };
        let offsets = [
            push(FieldTable::from_iter([("x-delay", 40)])),
            push(FieldTable::new()),
            push(FieldTable::from_iter([("x-delay", 20)])),
        ];
        let expected = Stamps::Each(vec![1_041, 1_000, 1_021]);
        assert_eq!(Stamps::of_delays(&builder.finish(), &offsets, 1_000), expected);
    }

    #[test]
    fn a_plain_batch_does_not_ask_for_the_time() {
        let page = PageBuilder::new().finish();
        assert_eq!(Stamps::of(None, &page, &[], || panic!("asked")), Stamps::Never);
    }
}
