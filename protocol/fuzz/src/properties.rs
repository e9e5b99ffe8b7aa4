//! Any bytes taken as properties.

use bytes::BytesMut;
use leveret_protocol::{FieldTable, OwnedProperties, Properties, properties};

/// Reads `raw` as properties and their headers; what can be read must survive being written and rewritten.
pub fn properties(raw: &[u8]) {
    let early_mode = properties::delivery_mode(raw);
    let Ok(view) = Properties::parse(raw) else { return };
    assert_eq!(
        early_mode, view.delivery_mode,
        "both ways to the delivery mode agree"
    );
    rewritten(raw, &view);
    let Ok(owned) = OwnedProperties::try_from(&view) else {
        return;
    };
    let written = owned.encode();
    let again = Properties::parse(&written).expect("what was written can be read");
    assert_eq!(without_headers(again), without_headers(view));
    if let Some(headers) = &owned.headers {
        table(headers);
    }
}

/// Writes a table and reads it back.
fn table(table: &FieldTable) {
    let written = encoded(table);
    let again = FieldTable::decode(&written).expect("what was written can be read");
    // Compared as bytes, since floats that are no number differ from themselves.
    assert_eq!(encoded(&again), written);
    assert_eq!(again.len(), table.len());
}

fn encoded(table: &FieldTable) -> BytesMut {
    let mut out = BytesMut::new();
    table.encode(&mut out);
    out
}

/// Rewriting one property leaves the others as they are.
fn rewritten(raw: &[u8], view: &Properties<'_>) {
    let reply_to = properties::rewrite::with_reply_to(raw, "there").expect("properties can be read");
    let expected = Properties {
        reply_to: Some(b"there"),
        ..*view
    };
    assert_eq!(Properties::parse(&reply_to).expect("rewritten"), expected);

    let lasting = properties::rewrite::without_expiration(raw).expect("properties can be read");
    let expected = Properties {
        expiration: None,
        ..*view
    };
    assert_eq!(Properties::parse(&lasting).expect("rewritten"), expected);

    let Ok(Some(headers)) = view.headers() else { return };
    let key = headers
        .iter()
        .find_map(|(key, _)| key.as_str())
        .unwrap_or("absent");
    let without = properties::rewrite::without_header(raw, key).expect("headers can be read");
    assert_eq!(without.is_some(), headers.get(key).is_some());
    let Some(without) = without else { return };
    let without = Properties::parse(&without).expect("rewritten");
    assert_eq!(without_headers(without), without_headers(*view));
    let left = without
        .headers()
        .expect("the other headers")
        .expect("the table stays");
    let mut expected = headers.clone();
    expected.remove(key);
    assert_eq!(encoded(&left), encoded(&expected));
}

fn without_headers(view: Properties<'_>) -> Properties<'_> {
    Properties {
        headers_raw: None,
        ..view
    }
}
