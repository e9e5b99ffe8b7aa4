use leveret_protocol::OwnedProperties;

use super::*;

fn small(body: &[u8]) -> Body<'_> {
    Body::Slice(body)
}

#[test]
fn a_publication_reads_back_as_it_was_written() {
    let mut builder = PageBuilder::new();
    let first = builder.push("orders", "eu.new", &[0x10, 0, 2], true, small(b"hello"));
    let second = builder.push("", "q", &[0, 0], false, small(b""));
    let page = builder.finish();
    let publication = page.get(first);
    assert_eq!(publication.exchange, b"orders");
    assert_eq!(publication.routing_key, b"eu.new");
    assert_eq!(publication.properties, [0x10, 0, 2]);
    assert!(publication.persistent);
    assert_eq!(publication.body, Body::Slice(b"hello"));
    assert_eq!(publication.body_len, 5);
    let publication = page.get(second);
    assert_eq!(
        (publication.exchange, publication.routing_key),
        (&b""[..], &b"q"[..])
    );
    assert!(!publication.persistent);
    assert_eq!(publication.body_len, 0);
}

#[test]
fn a_page_knows_whether_something_in_it_expires() {
    let mut builder = PageBuilder::new();
    builder.push("", "q", &[0, 0], true, small(b""));
    assert!(!builder.finish().timed());
    let properties = OwnedProperties::new().with_expiration("1").encode();
    builder.push("", "q", &properties, true, small(b""));
    builder.push("", "q", &[0, 0], true, small(b""));
    assert!(builder.finish().timed());
    builder.push("", "q", &[0, 0], true, small(b""));
    assert!(!builder.finish().timed(), "that was the page before");
}

#[test]
fn a_page_knows_whether_something_in_it_has_a_priority() {
    let mut builder = PageBuilder::new();
    let plain = builder.push("", "q", &[0, 0], true, small(b""));
    assert!(!builder.finish().has_priorities());
    builder.push("", "q", &[0, 0], true, small(b""));
    let properties = OwnedProperties::new().with_priority(7).encode();
    let urgent = builder.push("", "q", &properties, true, small(b""));
    let page = builder.finish();
    assert!(page.has_priorities());
    assert_eq!((page.priority(plain), page.priority(urgent)), (None, Some(7)));
}

#[test]
fn a_copy_is_dead_lettered_if_its_original_is() {
    let mut builder = PageBuilder::new();
    let plain = builder.push("x", "k", &[0, 0], true, small(b"plain"));
    let page = builder.finish();
    let dead = builder.copy(Publication {
        dead_lettered: true,
        ..page.get(plain)
    });
    let page = builder.finish();
    let original = page.get(dead);
    assert!(original.dead_lettered && original.persistent);
    let copy = builder.copy(original.clone());
    let (page, cost) = (builder.finish(), page.cost(dead));
    assert_eq!((page.get(copy), page.cost(copy)), (original, cost));
}

#[test]
fn a_run_of_equal_routes_is_written_once() {
    let mut builder = PageBuilder::new();
    builder.push("exchange", "key", &[0, 0], false, small(b"body"));
    let one = builder.len();
    builder.push("exchange", "key", &[0, 0], false, small(b"body"));
    let two = builder.len();
    builder.push("exchangek", "ey", &[0, 0], false, small(b"body"));
    let three = builder.len();
    assert_eq!(two - one, HEADER as u64 + 2 + 4);
    assert_eq!(three - two, one);
}

#[test]
fn long_properties_in_a_row_are_written_once() {
    let (one, other, short) = ([1; LONG], [2; LONG], [3; LONG - 1]);
    let row: [&[u8]; 9] = [&one, &one, &short, &one, &other, &other, &one, &short, &short];
    let mut builder = PageBuilder::new();
    let mut offsets = Vec::new();
    let mut growth = Vec::new();
    for properties in row {
        let before = builder.len();
        offsets.push(builder.push("", "q", properties, false, small(b"body")));
        growth.push(builder.len() - before - (HEADER + 4) as u64);
    }
    let (long, repeated, short) = (LONG as u64, PLACE as u64, LONG as u64 - 1);
    let route = ROUTE_HEADER as u64 + 1;
    let expected = [
        long + route,
        repeated,
        short,
        repeated,
        long,
        repeated,
        long,
        short,
        short,
    ];
    assert_eq!(growth, expected);
    let page = builder.finish();
    for (&offset, properties) in offsets.iter().zip(row) {
        let publication = page.get(offset);
        assert_eq!(
            (publication.properties, page.properties(offset)),
            (properties, properties)
        );
        assert_eq!(
            (publication.body, publication.body_len),
            (Body::Slice(b"body"), 4)
        );
    }
    let costs: u64 = offsets.iter().map(|&offset| u64::from(page.cost(offset))).sum();
    let unshared: usize = row.iter().map(|properties| properties.len() + HEADER + 4).sum();
    assert_eq!(costs, unshared as u64 + route);
}

#[test]
fn copies_with_other_bodies_are_alike_and_have_these() {
    let (long, other) = ([1; LONG], [1; LONG - 1]);
    let large = vec![9; LARGE + 1];
    let bodies: [&[u8]; 4] = [b"one", b"", &large, b"four"];
    let mut builder = PageBuilder::new();
    let offsets = bodies.map(|body| builder.push("x", "k", &other, false, small(body)));
    let page = builder.finish();
    for properties in [&long[..], &other, &[0, 0]] {
        let like = Publication {
            properties,
            persistent: true,
            dead_lettered: true,
            ..page.get(0)
        };
        builder.push("x", "k", properties, false, small(b"plain"));
        let mut copies = Vec::new();
        builder.copy_all(&like, &page, &offsets, |offset| copies.push(offset));
        let plain = builder.push("x", "k", properties, false, small(b"plain"));
        let copied = builder.finish();
        for (&copy, body) in copies.iter().zip(bodies) {
            let expected = Publication {
                body_len: body.len() as u32,
                ..like.clone()
            };
            let got = copied.get(copy);
            assert_eq!((got.body.as_slice(), copied.body(copy).as_slice()), (body, body));
            assert_eq!(
                Publication {
                    body: small(b""),
                    ..got
                },
                Publication {
                    body: small(b""),
                    ..expected
                }
            );
        }
        let (all, alike) = ([&copies[..], &[plain]].concat(), copies.len());
        assert!(copied.alike(&all).eq([&all[..alike], &[plain][..]]));
    }
}

#[test]
fn properties_are_not_taken_for_those_of_the_page_before() {
    let (first, second) = ([1; LONG], [2; 2 * LONG]);
    let mut builder = PageBuilder::new();
    builder.push("", "q", &first, false, small(b""));
    builder.finish();
    builder.push("", "q", &second, false, small(&[1; LONG]));
    let offset = builder.push(
        "",
        "q",
        &first,
        false,
        Body::Shared(Bytes::from(vec![7; LARGE + 1])),
    );
    let again = builder.push(
        "",
        "q",
        &first,
        true,
        Body::Shared(Bytes::from(vec![8; LARGE + 1])),
    );
    let page = builder.finish();
    assert_eq!(page.get(offset).properties, first);
    assert_eq!(
        (page.get(again).properties, page.get(again).persistent),
        (&first[..], true)
    );
    assert_eq!(page.get(again).body.as_slice().first(), Some(&8));
}

#[test]
fn a_large_body_is_shared_by_reference() {
    let body = Bytes::from(vec![7; LARGE + 1]);
    let mut builder = PageBuilder::new();
    let offset = builder.push("", "q", &[0, 0], false, Body::Shared(body.clone()));
    let page = builder.finish();
    let Body::Shared(shared) = page.get(offset).body else {
        panic!("copied")
    };
    assert_eq!(shared.as_ptr(), body.as_ptr());
    assert_eq!(page.bytes(), u64::from(page.cost(offset)));
}

#[test]
fn a_small_shared_body_is_copied_so_that_it_pins_nothing() {
    let mut builder = PageBuilder::new();
    let offset = builder.push("", "q", &[0, 0], false, Body::Shared(Bytes::from_static(b"abc")));
    assert_eq!(builder.finish().get(offset).body, Body::Slice(b"abc"));
}

#[test]
fn costs_add_up_to_the_page() {
    let mut builder = PageBuilder::new();
    let big = vec![1; LARGE * 2];
    let mut offsets = Vec::new();
    for key in ["a", "a", "b", "a", "a", "a"] {
        offsets.push(builder.push("x", key, &[0, 0], false, small(b"12345")));
    }
    offsets.push(builder.push("x", "a", &[0, 0], false, small(&big)));
    let page = builder.finish();
    let costs: u64 = offsets.iter().map(|&offset| u64::from(page.cost(offset))).sum();
    assert_eq!(costs, page.bytes());
}

#[test]
fn routes_that_come_in_turn_are_written_once_or_twice_on_each_page() {
    let keys = ["one", "two", "three"];
    let mut builder = PageBuilder::new();
    for turns in [4, 1, 3] {
        let mut written = Vec::new();
        for (turn, key) in (0..turns).flat_map(|turn| keys.map(|key| (turn, key))) {
            let before = builder.len();
            let (offset, cost) = builder.copy_priced(Publication {
                exchange: b"x",
                routing_key: key.as_bytes(),
                properties: &[0, 0],
                persistent: false,
                dead_lettered: false,
                blind: false,
                body_len: 0,
                body: small(key.as_bytes()),
            });
            let again = turn > 1;
            let route = if again { 0 } else { ROUTE_HEADER + 1 + key.len() };
            if turn != 1 {
                assert_eq!(builder.len() - before, (route + HEADER + 2 + key.len()) as u64);
            }
            assert_eq!(cost, builder.cost(offset));
            written.push((offset, cost, key));
        }
        let page = builder.finish();
        assert_eq!(
            written.iter().map(|(_, cost, _)| u64::from(*cost)).sum::<u64>(),
            page.bytes()
        );
        for (offset, cost, key) in written {
            let publication = page.get(offset);
            assert_eq!(
                (publication.exchange, publication.routing_key),
                (&b"x"[..], key.as_bytes())
            );
            assert_eq!(
                (publication.body, page.cost(offset)),
                (small(key.as_bytes()), cost)
            );
        }
    }
}

#[test]
fn a_pattern_finds_those_that_differ_in_their_bodies_alone() {
    let large = vec![9; LARGE + 1];
    let mut builder = PageBuilder::new();
    let mut push = |key, properties: &[u8], persistent, body| {
        builder.push("x", key, properties, persistent, small(body))
    };
    let first = push("k", &[0, 0], false, b"one");
    let alike = push("k", &[0, 0], false, b"two");
    let others = [
        push("k", &[0, 0], false, b"three"),
        push("k", &[0, 0], true, b"two"),
        push("k", &[0x10, 0, 2], false, b"two"),
        push("l", &[0, 0], false, b"two"),
        push("k", &[0, 0], false, &large),
    ];
    let last = push("l", &[0, 0], false, b"two");
    let page = builder.finish();
    let pattern = page.pattern(first).unwrap();
    assert_eq!(pattern.body(alike), Some(&b"two"[..]));
    for other in others.into_iter().chain([last, 4_000, u32::MAX]) {
        assert_eq!(pattern.body(other), None);
    }
    assert!(page.pattern(others[4]).is_none());
}

#[test]
fn a_finished_builder_starts_over() {
    let mut builder = PageBuilder::new();
    builder.push("x", "k", &[0, 0], false, small(b"first"));
    builder.finish();
    assert!(builder.is_empty());
    let offset = builder.push("x", "k", &[0, 0], false, small(b"second"));
    let page = builder.finish();
    assert_eq!(page.get(offset).exchange, b"x");
    assert_eq!(page.get(offset).body, Body::Slice(b"second"));
}

#[test]
fn a_page_carries_little_spare_room() {
    let mut builder = PageBuilder::new();
    for _ in 0..1_000 {
        builder.push("", "q", &[0, 0], false, small(&[0; 100]));
    }
    builder.finish();
    builder.push("", "q", &[0, 0], false, small(&[0; 16]));
    let page = builder.finish();
    assert!(page.records.capacity() <= page.records.len() * 5 / 4);
}

#[test]
fn a_foreign_offset_does_no_harm() {
    let mut builder = PageBuilder::new();
    builder.push("", "q", &[0, 0], false, small(b"abc"));
    let page = builder.finish();
    for offset in [1, 5, 17, 4_000, u32::MAX] {
        page.get(offset);
        page.cost(offset);
    }
}
