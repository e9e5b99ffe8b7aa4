//! Authorisation: who is asked, for what, and how a refusal reads.

use std::sync::Arc;

use leveret::node::{Access, Authority, Login, LoginRefused, Resource, Users};
use leveret_protocol::method::{basic, connection, exchange, queue};
use leveret_protocol::{FieldTable, FieldValue};

use crate::support::Broker;
use crate::support::methods::{self, bind, consume, get, purge};

/// Lets everybody in and refuses one thing.
struct Without {
    access: Access,
    name: &'static str,
}

impl Authority for Without {
    fn authenticate(&self, login: Login<'_>) -> Result<(), LoginRefused> {
        Users::default().authenticate(login)
    }

    fn permits(&self, _: &str, _: &str, access: Access, resource: Resource<'_>) -> bool {
        let (Resource::Exchange(name) | Resource::Queue(name)) = resource;
        (access, name) != (self.access, self.name)
    }

    fn permits_topic(&self, _: &str, _: &str, access: Access, _: &str, key: &str) -> bool {
        (access, key) != (self.access, self.name)
    }

    fn may_open(&self, _: &str, vhost: &str) -> bool {
        vhost != "closed"
    }
}

fn broker_without(access: Access, name: &'static str) -> Broker {
    Broker::adjusted(|settings| settings.authority = Arc::new(Without { access, name }))
}

fn refusal(access: &str, resource: &str) -> String {
    format!("ACCESS_REFUSED - {access} access to {resource} in vhost '/' refused for user 'guest'")
}

#[test]
fn declaring_and_deleting_need_configure() {
    let broker = broker_without(Access::Configure, "x");
    let connection = broker.connect();
    let (of_queue, of_exchange) = (
        refusal("configure", "queue 'x'"),
        refusal("configure", "exchange 'x'"),
    );
    connection.channel().fails(methods::queue("x"), 403, &of_queue);
    connection.channel().fails(methods::delete("x"), 403, &of_queue);
    connection
        .channel()
        .fails(methods::exchange("x", "fanout"), 403, &of_exchange);
    connection
        .channel()
        .fails(methods::delete_exchange("x"), 403, &of_exchange);
}

#[test]
fn asking_whether_something_exists_needs_nothing() {
    let broker = broker_without(Access::Configure, "amq.direct");
    let channel = broker.connect().channel();
    channel.call::<exchange::DeclareOk>(methods::passive_exchange("amq.direct"));
}

#[test]
fn publishing_needs_write_on_the_exchange() {
    let broker = broker_without(Access::Write, "amq.fanout");
    let channel = broker.connect().channel();
    channel.publish("amq.fanout", "", "x");
    channel.closed(
        403,
        &refusal("write", "exchange 'amq.fanout'"),
        basic::Publish::IDS,
    );
}

#[test]
fn the_default_exchange_is_called_amq_default() {
    let broker = broker_without(Access::Write, "amq.default");
    let channel = broker.connect().channel();
    channel.publish("", "q", "x");
    channel.closed(
        403,
        &refusal("write", "exchange 'amq.default'"),
        basic::Publish::IDS,
    );
}

#[test]
fn publishing_to_a_topic_needs_write_on_the_key() {
    let broker = broker_without(Access::Write, "secret.key");
    let channel = broker.connect().channel();
    channel.publish("amq.topic", "open.key", "x");
    channel.publish("amq.topic", "secret.key", "x");
    let text = "ACCESS_REFUSED - write access to topic 'secret.key' in exchange 'amq.topic' in vhost '/' \
                refused for user 'guest'";
    channel.closed(403, text, basic::Publish::IDS);
}

#[test]
fn consuming_getting_and_purging_need_read_on_the_queue() {
    let broker = broker_without(Access::Read, "q");
    let connection = broker.connect();
    connection.channel().declare("q");
    let text = refusal("read", "queue 'q'");
    connection.channel().fails(consume("q"), 403, &text);
    connection.channel().fails(get("q"), 403, &text);
    connection.channel().fails(purge("q"), 403, &text);
}

#[test]
fn binding_needs_write_on_the_destination_and_read_on_the_source() {
    let broker = broker_without(Access::Write, "q");
    let connection = broker.connect();
    connection.channel().declare("q");
    connection
        .channel()
        .fails(bind("q", "amq.fanout", ""), 403, &refusal("write", "queue 'q'"));
    let broker = broker_without(Access::Read, "amq.fanout");
    let connection = broker.connect();
    connection.channel().declare("q");
    let text = refusal("read", "exchange 'amq.fanout'");
    connection
        .channel()
        .fails(bind("q", "amq.fanout", ""), 403, &text);
    connection
        .channel()
        .fails(methods::unbind("q", "amq.fanout", ""), 403, &text);
}

#[test]
fn an_alternate_or_dead_letter_exchange_needs_write() {
    let broker = broker_without(Access::Write, "amq.fanout");
    let connection = broker.connect();
    let text = refusal("write", "exchange 'amq.fanout'");
    let with_alternate = exchange::Declare {
        arguments: FieldTable::from_iter([("alternate-exchange", FieldValue::from("amq.fanout"))]),
        ..methods::exchange("e", "direct")
    };
    connection.channel().fails(with_alternate, 403, &text);
    let with_dead_letters = queue::Declare {
        arguments: FieldTable::from_iter([("x-dead-letter-exchange", FieldValue::from("amq.fanout"))]),
        ..methods::queue("q")
    };
    connection.channel().fails(with_dead_letters, 403, &text);
}

#[test]
fn a_virtual_host_may_be_closed_to_a_user() {
    let broker = Broker::adjusted(|settings| {
        settings.vhosts.push("closed".into());
        settings.authority = Arc::new(Without {
            access: Access::Read,
            name: "",
        });
    });
    let connection = broker.socket();
    let tune = connection.log_in();
    connection.tune(connection::TuneOk {
        channel_max: tune.channel_max,
        frame_max: tune.frame_max,
        heartbeat: 0,
    });
    connection.send(connection::Open { vhost: "closed" });
    let text = "NOT_ALLOWED - access to vhost 'closed' refused for user 'guest'";
    connection.closed(530, text, connection::Open::IDS);
}
