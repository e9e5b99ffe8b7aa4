//! How properties are written and read.

use super::fields::Fields;
use amq_protocol::{frame::WriteContext, protocol as theirs};
use leveret_protocol::{OwnedProperties, Properties};

#[test]
fn properties_are_written_and_read_as_by_another_implementation() {
    let ours = OwnedProperties::new()
        .with_content_type("text/plain")
        .with_content_encoding("utf-8")
        .with_headers(Fields)
        .with_delivery_mode(2)
        .with_priority(9)
        .with_correlation_id("id")
        .with_reply_to("there")
        .with_expiration("60000")
        .with_message_id("m")
        .with_timestamp(1_700_000_000u64)
        .with_kind("kind")
        .with_user_id("guest")
        .with_app_id("app")
        .with_cluster_id("cluster");
    let theirs = theirs::basic::AMQPProperties::default()
        .with_content_type("text/plain".into())
        .with_content_encoding("utf-8".into())
        .with_headers(Fields.into())
        .with_delivery_mode(2)
        .with_priority(9)
        .with_correlation_id("id".into())
        .with_reply_to("there".into())
        .with_expiration("60000".into())
        .with_message_id("m".into())
        .with_timestamp(1_700_000_000)
        .with_type("kind".into())
        .with_user_id("guest".into())
        .with_app_id("app".into())
        .with_cluster_id("cluster".into());
    let raw = ours.encode();
    let bytes = theirs::basic::gen_properties(&theirs)(WriteContext::from(Vec::new()))
        .unwrap()
        .write;
    assert_eq!(raw, bytes);
    assert_eq!(
        theirs::basic::parse_properties(&raw[..]).unwrap(),
        (&[][..], theirs)
    );
    let view = Properties::parse(&bytes).unwrap();
    assert_eq!(OwnedProperties::try_from(&view).unwrap(), ours);
}
