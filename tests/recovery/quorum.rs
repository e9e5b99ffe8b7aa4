//! Quorum queues on one node.

use leveret_protocol::FieldTable;
use leveret_protocol::method::queue::{Declare, DeclareOk};

use super::durable;
use super::support::Broker;

fn quorum(limit: i32) -> Declare<'static> {
    Declare {
        arguments: FieldTable::from_iter([
            ("x-queue-type", leveret_protocol::FieldValue::from("quorum")),
            ("x-delivery-limit", limit.into()),
        ]),
        ..durable("q")
    }
}

#[test]
fn a_quorum_queue_keeps_transient_messages_and_what_it_was_declared_with() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(quorum(7));
    channel.confirm_select();
    for body in ["one", "two", "three"] {
        channel.publish("", "q", body);
        channel.expect::<leveret_protocol::method::basic::Ack>();
    }
    drop((channel, broker));
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    assert_eq!(channel.call::<DeclareOk<'_>>(quorum(7)).message_count, 3);
    assert_eq!(channel.drain("q"), ["one", "two", "three"]);
    channel.fails(
        quorum(8),
        406,
        "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'q' in vhost '/': \
         received '8' but current is '7'",
    );
    drop((channel, broker));
    let broker = Broker::on(data.path());
    assert_eq!(broker.connect().channel().ready("q"), 0);
}
