use bytes::Bytes;

use super::super::gather::Gather;
use super::super::header::SegmentHeader;
use super::super::op::Lender;
use super::*;

const SALT: u64 = 0x1234_5678_9abc_def0;

fn publication(body: Body<'_>) -> Publication<'_> {
    Publication {
        exchange: b"orders",
        routing_key: b"eu.new",
        properties: &[0x10, 0, 2],
        body_len: body.len() as u32,
        body,
        persistent: true,
        dead_lettered: false,
        blind: false,
    }
}

fn back(position: u64, attempts: u32, due: u64) -> Return {
    Return {
        position,
        attempts,
        due,
    }
}

fn gathered(write: impl FnOnce(&mut Gather)) -> Vec<u8> {
    let mut gather = Gather::default();
    gather.begin(SALT, 0);
    write(&mut gather);
    let bytes = gather.slices().concat();
    assert_eq!(bytes.len() as u64, gather.len());
    bytes
}

#[test]
fn every_kind_of_record_reads_back() {
    let ranges = vec![Positions { first: 1, last: 5 }, Positions { first: 9, last: 9 }];
    let returns = vec![back(1, 2, 3), back(4, u32::MAX, 0)];
    let large = Bytes::from(vec![7; 100_000]);
    let special = Publication {
        persistent: false,
        dead_lettered: true,
        blind: true,
        ..publication(Body::Slice(b"gone tomorrow"))
    };
    let bytes = gathered(|gather| {
        gather.publication(StoreId(1), 2, 0, publication(Body::Slice(b"hello")));
        gather.publication(StoreId(1), 3, 1 << 40, publication(Body::Shared(large.clone())));
        gather.publication(StoreId(1), 4, 7, special.clone());
        let name = Location {
            segment: 7,
            offset: 8,
        };
        let elsewhere = Lender { name, len: 5 };
        gather.borrower(StoreId(1), 5, 9, &special, elsewhere);
        gather.body(name, Body::Slice(b"moved"));
        gather.body(name, Body::Shared(large.clone()));
        gather.reference(StoreId(4), 5, 0, 6);
        gather.reference(StoreId(4), 6, 99, 6);
        gather.settled(StoreId(1), &ranges);
        gather.returned(StoreId(1), &returns);
        gather.handed_out(StoreId(1), 77);
        gather.queue_deleted(StoreId(1));
        gather.stopped();
    });
    let mut at = 0;
    let mut records = Vec::new();
    while let Some((record, next)) = Record::read(&bytes, SALT, at) {
        records.push(record);
        at = next;
    }
    assert_eq!(at, bytes.len());
    let store = StoreId(1);
    let expected = [
        Record::Publication {
            store,
            position: 2,
            deadline: 0,
            publication: publication(Body::Slice(b"hello")),
        },
        Record::Publication {
            store,
            position: 3,
            deadline: 1 << 40,
            publication: publication(Body::Slice(&large)),
        },
        Record::Publication {
            store,
            position: 4,
            deadline: 7,
            publication: special.clone(),
        },
        Record::Borrower {
            store,
            position: 5,
            deadline: 9,
            publication: Publication {
                body: Body::Slice(b""),
                body_len: 5,
                ..special.clone()
            },
            body: Location {
                segment: 7,
                offset: 8,
            },
        },
        Record::Body {
            name: Location {
                segment: 7,
                offset: 8,
            },
            body: b"moved",
        },
        Record::Body {
            name: Location {
                segment: 7,
                offset: 8,
            },
            body: &large,
        },
        Record::Reference {
            store: StoreId(4),
            position: 5,
            offset: 6,
            deadline: 0,
        },
        Record::Reference {
            store: StoreId(4),
            position: 6,
            offset: 6,
            deadline: 99,
        },
        Record::Settled {
            store,
            positions: ranges,
        },
        Record::Returned { store, returns },
        Record::HandedOut { store, upto: 77 },
        Record::QueueDeleted { store },
        Record::Stopped,
    ];
    assert_eq!(records, expected);
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let good = gathered(|gather| {
        gather.publication(StoreId(1), 2, 3, publication(Body::Slice(b"hello")));
    });
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Record::read(&bad, SALT, 0), None, "bit {bit}");
    }
}

#[test]
fn a_record_is_good_only_in_its_segment_and_place() {
    let good = gathered(|gather| gather.queue_deleted(StoreId(1)));
    assert!(Record::read(&good, SALT, 0).is_some());
    assert_eq!(Record::read(&good, SALT + 1, 0), None);
    let moved = [&[0; 8][..], &good].concat();
    assert_eq!(Record::read(&moved, SALT, 8), None);
}

/// What is on disks now must be readable for ever.
#[test]
fn the_format_is_as_documented() {
    let header = SegmentHeader {
        version: 2,
        number: 1,
        salt: 2,
    };
    let header = header.encode();
    let record = gathered(|gather| gather.handed_out(StoreId(3), 4));
    assert_eq!(header[..24], *b"LEVERETJ\x02\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0");
    assert_eq!(record[..8], *b"\x10\0\0\0\x04\0\0\0");
    assert_eq!(record[16..], *b"\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0");
}

#[test]
fn a_plain_message_takes_forty_bytes_besides_what_was_published_and_a_deadline_eight() {
    let size = |deadline| {
        let record = |gather: &mut Gather| {
            gather.publication(StoreId(1), 2, deadline, publication(Body::Slice(b"hello")));
        };
        gathered(record).len() - "orderseu.new".len() - 3 - "hello".len()
    };
    assert_eq!((size(0), size(1)), (40, 48));
}

#[test]
fn the_length_of_a_record_without_a_body_is_known() {
    for deadline in [0, 7] {
        let plain = publication(Body::Slice(b"hello"));
        let body = Lender {
            name: Location::default(),
            len: 5,
        };
        let bytes = gathered(|gather| {
            gather.borrower(StoreId(1), 2, deadline, &plain, body);
        });
        assert_eq!(bytes.len(), borrower_len(&plain, deadline));
    }
}
