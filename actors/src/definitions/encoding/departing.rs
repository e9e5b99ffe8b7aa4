//! Deleted queues whose dead are still to be carried away, as bytes.

use bytes::{BufMut, BytesMut};

use super::{Input, Unreadable, VERSION, put_long_text};
use crate::journal::Positions;
use crate::name::Name;
use crate::queue::{Deceased, Departing, Reason};

const HAS_EXCHANGE: u8 = 1;
const HAS_KEY: u8 = 2;

/// The reasons by their numbers, from 1.
const REASONS: [Reason; 5] = [
    Reason::Rejected,
    Reason::Expired,
    Reason::MaxLen,
    Reason::DeliveryLimit,
    Reason::Redriven,
];

pub(in super::super) fn encode_departing(departing: &Departing) -> BytesMut {
    let mut out = BytesMut::new();
    let (exchange, key) = (
        &departing.dead_letter_exchange,
        &departing.dead_letter_routing_key,
    );
    let has_exchange = if exchange.is_some() { HAS_EXCHANGE } else { 0 };
    let has_key = if key.is_some() { HAS_KEY } else { 0 };
    out.put_u8(VERSION);
    out.put_u8(has_exchange | has_key);
    let texts = [Some(&departing.name), exchange.as_ref(), key.as_ref()];
    for text in texts.into_iter().flatten() {
        put_long_text(&mut out, text);
    }
    out.put_u64(departing.dead.len() as u64);
    for &Deceased { positions, reason } in &departing.dead {
        out.put_u8(number(reason));
        out.put_u64(positions.first);
        out.put_u64(positions.last);
    }
    out
}

pub(in super::super) fn decode_departing(raw: &[u8]) -> Result<Departing, Unreadable> {
    let mut input = Input::begin(raw)?;
    let flags = input.octet()?;
    let name = Name::from(input.long_text()?);
    let mut if_there = |flag| match flags & flag {
        0 => Ok(None),
        _ => input.long_text().map(|text| Some(Name::from(text))),
    };
    let dead_letter_exchange = if_there(HAS_EXCHANGE)?;
    let dead_letter_routing_key = if_there(HAS_KEY)?;
    let count = input.number()?;
    let dead: Result<Vec<Deceased>, Unreadable> = (0..count).map(|_| deceased(&mut input)).collect();
    Ok(Departing {
        name,
        dead_letter_exchange,
        dead_letter_routing_key,
        dead: dead?,
    })
}

fn number(reason: Reason) -> u8 {
    match reason {
        Reason::Rejected => 1,
        Reason::Expired => 2,
        Reason::MaxLen => 3,
        Reason::DeliveryLimit => 4,
        Reason::Redriven => 5,
    }
}

fn deceased(input: &mut Input<'_>) -> Result<Deceased, Unreadable> {
    let octet = input.octet()?;
    let reason = REASONS.into_iter().find(|&reason| number(reason) == octet);
    let positions = Positions {
        first: input.number()?,
        last: input.number()?,
    };
    match reason {
        Some(reason) if positions.first <= positions.last => Ok(Deceased { positions, reason }),
        _ => Err(Unreadable::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departing(exchange: Option<&str>, key: Option<&str>) -> Departing {
        let deceased = |(at, reason)| Deceased {
            positions: Positions {
                first: at,
                last: u64::MAX - 1 - at,
            },
            reason,
        };
        Departing {
            name: "q".into(),
            dead_letter_exchange: exchange.map(Name::from),
            dead_letter_routing_key: key.map(Name::from),
            dead: (0..).zip(REASONS).map(deceased).collect(),
        }
    }

    #[test]
    fn a_departing_queue_comes_back_as_it_was() {
        for exchange in [None, Some(""), Some("dlx")] {
            for key in [None, Some(""), Some("ü")] {
                let departing = departing(exchange, key);
                let raw = encode_departing(&departing);
                assert_eq!(decode_departing(&raw), Ok(departing));
            }
        }
    }

    #[test]
    fn what_was_never_written_is_refused() {
        let raw = encode_departing(&departing(Some("dlx"), None));
        for len in 0..raw.len() {
            assert_eq!(decode_departing(&raw[..len]), Err(Unreadable::Malformed));
        }
        let reason = raw.len() - 17;
        for no_reason in [0, 6, 255] {
            let mut spoiled = raw.clone();
            spoiled[reason] = no_reason;
            assert_eq!(decode_departing(&spoiled), Err(Unreadable::Malformed));
        }
        let mut backwards = raw.clone();
        backwards[reason + 9..].fill(0);
        assert_eq!(decode_departing(&backwards), Err(Unreadable::Malformed));
        let mut newer = raw;
        newer[0] = VERSION + 1;
        assert_eq!(decode_departing(&newer), Err(Unreadable::Newer(VERSION + 1)));
    }
}
