//! The type of a queue that is declared without `x-queue-type`.

use leveret::Config;
use leveret::broker::{QueueKind, VhostError};
use leveret_protocol::method::queue::{Declare, DeclareOk};
use leveret_protocol::types::{FieldTable, FieldValue};

use crate::policies::answer;
use crate::support::methods::queue;
use crate::support::{Broker, Channel};

fn quorum_by_default() -> Broker {
    Broker::with(Config {
        default_queue_type: QueueKind::Quorum,
        ..Config::local()
    })
}

fn durable(name: &str) -> Declare<'_> {
    Declare {
        durable: true,
        ..queue(name)
    }
}

fn of_type<'a>(kind: &str, declare: Declare<'a>) -> Declare<'a> {
    Declare {
        arguments: FieldTable::from_iter([("x-queue-type", kind)]),
        ..declare
    }
}

fn declare(channel: &Channel, declare: Declare<'_>) {
    channel.call::<DeclareOk<'_>>(declare);
}

fn kind_of(broker: &Broker, name: &str) -> (QueueKind, Option<FieldValue>) {
    let vhost = broker.server().broker().node().vhost("/").unwrap();
    let options = &vhost.directory.queue(name).unwrap().options;
    (options.kind, options.arguments.get("x-queue-type").cloned())
}

fn set(broker: &Broker, kind: Option<QueueKind>) {
    let api = broker.server().broker();
    answer(api.set_default_queue_type("/", kind)).unwrap();
}

#[test]
fn only_what_can_be_a_quorum_queue_becomes_one_for_not_asking() {
    let broker = quorum_by_default();
    let channel = broker.connect().channel();
    declare(&channel, durable("quorum"));
    assert_eq!(
        kind_of(&broker, "quorum"),
        (QueueKind::Quorum, Some("quorum".into()))
    );
    declare(&channel, of_type("classic", durable("asked")));
    declare(&channel, queue("transient"));
    declare(
        &channel,
        Declare {
            auto_delete: true,
            ..durable("passing")
        },
    );
    declare(
        &channel,
        Declare {
            exclusive: true,
            ..durable("own")
        },
    );
    for name in ["asked", "transient", "passing", "own"] {
        assert_eq!(kind_of(&broker, name).0, QueueKind::Classic, "{name}");
    }
    let named = channel.call::<DeclareOk<'_>>(durable("")).queue.to_owned();
    assert_eq!(kind_of(&broker, &named).0, QueueKind::Classic);
}

#[test]
fn a_queue_is_declared_again_by_the_type_it_has() {
    let broker = quorum_by_default();
    let connection = broker.connect();
    let channel = connection.channel();
    declare(&channel, durable("q"));
    declare(&channel, durable("q"));
    declare(&channel, of_type("quorum", durable("q")));
    declare(&channel, of_type("classic", durable("classic")));
    let mismatch = "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue";
    channel.fails(
        durable("classic"),
        406,
        &format!("{mismatch} 'classic' in vhost '/': received 'quorum' but current is 'classic'"),
    );
    connection.channel().fails(
        of_type("classic", durable("q")),
        406,
        &format!("{mismatch} 'q' in vhost '/': received 'classic' but current is 'quorum'"),
    );
}

#[test]
fn a_virtual_host_has_its_own_default_also_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    set(&broker, Some(QueueKind::Quorum));
    declare(&broker.connect().channel(), durable("before"));
    drop(broker);
    let broker = Broker::on(data.path());
    let api = broker.server().broker();
    assert_eq!(api.default_queue_type("/"), Ok(QueueKind::Quorum));
    let channel = broker.connect().channel();
    declare(&channel, durable("before"));
    declare(&channel, durable("after"));
    set(&broker, None);
    declare(&channel, durable("classic"));
    for (name, kind) in [
        ("before", QueueKind::Quorum),
        ("after", QueueKind::Quorum),
        ("classic", QueueKind::Classic),
    ] {
        assert_eq!(kind_of(&broker, name).0, kind, "{name}");
    }
    assert_eq!(
        answer(api.set_default_queue_type("missing", None)),
        Err(VhostError::NoVhost("missing".into()))
    );
}

#[test]
fn where_that_is_allowed_a_quorum_queue_is_declared_again_as_a_classic_one() {
    let relaxed = Broker::with(Config {
        relaxed_quorum_redeclaration: true,
        ..Config::local()
    });
    let connection = relaxed.connect();
    let channel = connection.channel();
    declare(&channel, of_type("quorum", durable("q")));
    declare(&channel, of_type("classic", durable("q")));
    declare(&channel, durable("q"));
    assert_eq!(kind_of(&relaxed, "q").0, QueueKind::Quorum);
    let limited = Declare {
        arguments: FieldTable::from_iter([("x-max-length", 5)]),
        ..durable("q")
    };
    connection.channel().fails(
        limited,
        406,
        "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' in vhost '/': \
         received the value '5' of type 'signedint' but current is none",
    );
    connection.channel().fails(
        queue("q"),
        406,
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': \
         received 'false' but current is 'true'",
    );
    declare(&channel, durable("classic"));
    connection.channel().fails(
        of_type("quorum", durable("classic")),
        406,
        "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'classic' in vhost '/': \
         received the value 'quorum' of type 'longstr' but current is none",
    );
}
