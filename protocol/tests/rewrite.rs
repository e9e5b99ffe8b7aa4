//! Properties with one thing changed and every other byte as it was.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bytes::{BufMut, Bytes, BytesMut};
use leveret_protocol::{
    FieldTable, FieldValue, OwnedProperties, Properties, ReplyCode,
    properties::rewrite::{with_headers, with_reply_to, without_expiration, without_header},
};

/// Headers in a form that our own encoder would not write: `L`, a boolean of 7, a repeated key.
const ODD_FIELDS: &[u8] = b"\x01aL\0\0\0\0\0\0\0\x01\x01bt\x07\x01at\x00";

fn headers(fields: &[&[u8]]) -> Vec<u8> {
    let body = fields.concat();
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

/// `content_type`, these headers, `expiration`, `app_id`.
fn raw(fields: &[&[u8]]) -> Bytes {
    let mut raw = BytesMut::new();
    raw.put_u16(1 << 15 | 1 << 13 | 1 << 8 | 1 << 3);
    raw.put_slice(b"\x04text");
    raw.put_slice(&headers(fields));
    raw.put_slice(b"\x03100\x03app");
    raw.freeze()
}

#[test]
fn a_header_is_removed_and_the_others_keep_their_bytes() {
    let bcc = b"\x03BCCA\0\0\0\x06S\0\0\0\x01q";
    let after: &[u8] = b"\x01zV";
    let rewritten = without_header(&raw(&[ODD_FIELDS, bcc, after]), "BCC").unwrap();
    assert_eq!(rewritten, Some(raw(&[ODD_FIELDS, after])));
}

#[test]
fn a_repeated_header_is_removed_everywhere() {
    let rewritten = without_header(&raw(&[ODD_FIELDS]), "a").unwrap();
    assert_eq!(rewritten, Some(raw(&[b"\x01bt\x07"])));
}

#[test]
fn without_the_header_nothing_is_rewritten() {
    assert_eq!(without_header(&raw(&[ODD_FIELDS]), "BCC").unwrap(), None);
    assert_eq!(without_header(&[0, 0], "BCC").unwrap(), None);
}

#[test]
fn headers_that_become_empty_stay_as_an_empty_table() {
    let rewritten = without_header(&raw(&[b"\x03BCCV"]), "BCC").unwrap();
    assert_eq!(rewritten, Some(raw(&[])));
}

#[test]
fn a_key_inside_a_nested_table_is_left_alone() {
    let nested = b"\x01nF\0\0\0\x05\x03BCCV";
    assert_eq!(without_header(&raw(&[nested]), "BCC").unwrap(), None);
}

#[test]
fn malformed_headers_are_a_syntax_error() {
    for field in [&b"\x03BCC?"[..], b"\x03BCCS\0\0\0\x09", b"\x09BCC"] {
        assert_eq!(
            without_header(&raw(&[field]), "BCC").unwrap_err().code,
            ReplyCode::SyntaxError
        );
    }
    assert_eq!(
        without_header(&[0xff], "BCC").unwrap_err().code,
        ReplyCode::SyntaxError
    );
}

#[test]
fn reply_to_is_replaced_in_its_place() {
    let before = OwnedProperties::new()
        .with_correlation_id("c")
        .with_message_id("m");
    let (old, new) = (
        before.clone().with_reply_to("old"),
        before.clone().with_reply_to("amq.rabbitmq.reply-to.x"),
    );
    assert_eq!(
        with_reply_to(&old.encode(), "amq.rabbitmq.reply-to.x").unwrap(),
        new.encode()
    );
    assert_eq!(
        with_reply_to(&before.encode(), "amq.rabbitmq.reply-to.x").unwrap(),
        new.encode()
    );
}

#[test]
fn expiration_is_removed_and_its_flag_with_it() {
    let before = OwnedProperties::new().with_reply_to("r").with_message_id("m");
    let with = before.clone().with_expiration("60000");
    assert_eq!(without_expiration(&with.encode()).unwrap(), before.encode());
    assert_eq!(without_expiration(&before.encode()).unwrap(), before.encode());
}

#[test]
fn headers_are_replaced_or_inserted() {
    let table = FieldTable::from_iter([("x-death", FieldValue::Array(vec![]))]);
    let rewritten = with_headers(&raw(&[ODD_FIELDS]), &table).unwrap();
    let view = Properties::parse(&rewritten).unwrap();
    assert_eq!(view.headers().unwrap(), Some(table.clone()));
    let original = raw(&[ODD_FIELDS]);
    let expected = Properties {
        headers_raw: view.headers_raw,
        ..Properties::parse(&original).unwrap()
    };
    assert_eq!(view, expected);

    let inserted = with_headers(&[0, 0], &table).unwrap();
    assert_eq!(inserted, OwnedProperties::new().with_headers(table).encode());
}

#[test]
fn further_words_of_flags_survive() {
    let raw = [0x10, 1, 0, 0, 2];
    let rewritten = with_reply_to(&raw, "r").unwrap();
    assert_eq!(rewritten[..], [0x12, 1, 0, 0, 2, 1, b'r']);
}
