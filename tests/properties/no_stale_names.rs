//! What is deleted is gone with everything that led to it, before its end is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use leveret_protocol::method::exchange::{self, DeclareOk};
use leveret_protocol::method::queue::{self, Bind, BindOk, DeleteOk, UnbindOk};

use crate::support::methods::{bind, delete, delete_exchange, exchange, passive, passive_exchange, unbind};
use crate::support::{Broker, Channel, Connection};

const ROUNDS: usize = 300;

#[test]
fn bindings_of_a_deleted_queue_do_not_lead_to_its_successor() {
    among_others(|channel| {
        for _ in 0..ROUNDS {
            // All at once: no time passes between the end of the one queue and the next.
            channel.declare_without_waiting("q");
            channel.send(bind("q", "amq.topic", "key"));
            channel.send(delete("q"));
            channel.declare_without_waiting("q");
            channel.publish("amq.topic", "key", "stale");
            channel.send(passive("q"));
            channel.expect::<BindOk>();
            channel.expect::<DeleteOk>();
            assert_eq!(channel.expect::<queue::DeclareOk<'_>>().message_count, 0);
            channel.call::<DeleteOk>(delete("q"));
        }
    });
}

#[test]
fn an_auto_delete_exchange_is_gone_when_its_last_queue_is() {
    among_others(|channel| {
        for round in 0..ROUNDS {
            let (last, name) = (Connection::of(channel).channel_number(9), format!("x{round}"));
            channel.call::<DeclareOk>(exchange::Declare {
                auto_delete: true,
                ..exchange(&name, "topic")
            });
            channel.declare("q");
            channel.call::<BindOk>(bind("q", &name, "key"));
            last.open();
            match round % 2 {
                0 => drop(channel.call::<DeleteOk>(delete("q"))),
                _ => drop(channel.call::<UnbindOk>(unbind("q", &name, "key"))),
            }
            let text = format!("NOT_FOUND - no exchange '{name}' in vhost '/'");
            last.fails(passive_exchange(&name), 404, &text);
        }
    });
}

#[test]
fn a_deleted_exchange_is_gone_when_its_deletion_is_told() {
    among_others(|channel| {
        for _ in 0..ROUNDS {
            channel.call::<DeclareOk>(exchange("x", "direct"));
            channel.call::<exchange::DeleteOk>(delete_exchange("x"));
            channel.call::<DeclareOk>(exchange("x", "fanout"));
            channel.call::<exchange::DeleteOk>(delete_exchange("x"));
        }
    });
}

/// Runs a test while another client keeps the exchanges busy.
fn among_others(test: impl FnOnce(&Channel)) {
    let broker = Broker::start();
    let (address, vhost) = (broker.address(), broker.vhost().to_owned());
    let over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&over);
    let other = thread::spawn(move || {
        let connection = Connection::over_tcp(address, &vhost);
        connection.open(&vhost);
        let channel = connection.channel();
        while !ends.load(Ordering::Relaxed) {
            for _ in 0..20 {
                channel.declare_without_waiting("other");
                for key in 0..20 {
                    channel.send(Bind {
                        nowait: true,
                        ..bind("other", "amq.topic", &key.to_string())
                    });
                }
                channel.send(delete("other"));
            }
            (0..20).for_each(|_| {
                channel.expect::<DeleteOk>();
            });
        }
    });
    test(&broker.connect().channel());
    over.store(true, Ordering::Relaxed);
    let _ = other.join();
}
