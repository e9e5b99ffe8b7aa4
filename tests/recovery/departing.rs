//! What has died in a queue that is then deleted is carried away although the broker ends before: it is killed, or stopped, between
//! the answer to the deletion and that. The target is full meanwhile, so that what is dead can't be anywhere else.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use leveret_actors::fault::{Fault, POISON};
use leveret_protocol::method::queue::{BindOk, Declare, DeclareOk, DeleteOk, PurgeOk};
use leveret_protocol::method::{basic, exchange};
use leveret_protocol::{FieldTable, FieldValue};

use super::check::{check, report, waiting};
use super::support::methods::{bind, cancel, delete, delete_exchange, purge};
use super::support::process::BrokerProcess;
use super::support::{Broker, Channel, PATIENCE, eventually};
use super::{PERSISTENT, durable, durable_exchange, exists};

/// How many die, and how many there is room for where they go.
const DEAD: usize = 20;
/// How many were published: of those that are delivered first every other one is rejected, and others are delivered instead.
const MESSAGES: usize = 80;
const DELIVERED: u16 = 40;

/// A broker with this data, and a channel there.
#[track_caller]
fn start(data: &Path) -> (BrokerProcess, Channel) {
    let broker = BrokerProcess::start_in(data);
    let channel = broker.connect().channel();
    (broker, channel)
}

/// Declares a full queue "dead", and a queue "source" whose dead letters go there by an exchange.
fn declare<const N: usize>(channel: &Channel, further: [(&'static str, FieldValue); N], auto_delete: bool) {
    channel.call::<exchange::DeclareOk>(durable_exchange("dlx", "fanout"));
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([
            ("x-max-length", FieldValue::from(DEAD as u32)),
            ("x-overflow", "reject-publish".into()),
        ]),
        ..durable("dead")
    });
    channel.call::<BindOk>(bind("dead", "dlx", ""));
    let dead_letters = [("x-dead-letter-exchange", FieldValue::from("dlx"))];
    channel.call::<DeclareOk<'_>>(Declare {
        auto_delete,
        arguments: FieldTable::from_iter(dead_letters.into_iter().chain(further)),
        ..durable("source")
    });
    channel.confirm_select();
    (0..DEAD).for_each(|_| channel.publish_with("dead", &PERSISTENT, "in the way"));
    channel.acked(1, DEAD as u64);
}

/// Publishes messages to "source"; some die, some are delivered and some ready. Answers the tag of the consumer.
fn fill(channel: &Channel) -> String {
    (0..MESSAGES).for_each(|number| channel.publish_with("source", &PERSISTENT, number.to_string()));
    channel.acked(DEAD as u64 + 1, (DEAD + MESSAGES) as u64);
    channel.prefetch(DELIVERED);
    let consumer = channel.consume("source");
    for delivery in channel.deliveries(DELIVERED.into()).iter().step_by(2) {
        channel.reject(delivery.tag, false);
    }
    // The queue answers when it has heard of all that.
    channel.ready("source");
    consumer
}

/// Deletes "source", on a channel that is not told of the end of its consumers.
fn delete_source(channel: &Channel) -> u32 {
    let channel = channel.connection().channel();
    let deleted = channel.call::<DeleteOk>(delete("source"));
    channel.close();
    deleted.message_count
}

/// The bodies of those that [`fill`] rejects, sorted.
fn rejected() -> Vec<String> {
    let mut rejected: Vec<String> = (0..2 * DEAD)
        .step_by(2)
        .map(|number| number.to_string())
        .collect();
    rejected.sort_unstable();
    rejected
}

/// Makes room in "dead", and takes what comes there.
#[track_caller]
fn what_comes(channel: &Channel, count: usize) -> Vec<String> {
    channel.call::<PurgeOk>(purge("dead"));
    eventually("all dead letters have come", || {
        channel.ready("dead") as usize >= count
    });
    let mut bodies = channel.drain("dead");
    bodies.sort_unstable();
    bodies
}

pub(super) fn end(mut broker: BrokerProcess, signal: &str) {
    broker.signal(signal);
    broker.ended(PATIENCE);
}

/// The names of the deleted queues whose dead are still to be carried away, and how many messages there are of each.
pub(super) fn departing(data: &Path) -> Vec<(String, u64)> {
    let report = report(data, 0);
    assert!(!waiting(&report).contains_key("source"), "{report}");
    let departing = report["departing"].as_array().unwrap().iter();
    let named = |queue: &serde_json::Value| {
        let name = queue["name"].as_str().unwrap().to_owned();
        (name, queue["waiting"].as_u64().unwrap())
    };
    departing.map(named).collect()
}

/// Nothing is left of a deleted queue when all is away. That nobody is told of: it is looked at, again and again.
#[track_caller]
pub(super) fn nothing_is_left(broker: BrokerProcess, data: &Path) {
    end(broker, "TERM");
    eventually("nothing is left", || {
        let left = departing(data);
        if !left.is_empty() {
            end(BrokerProcess::start_in(data), "TERM");
        }
        left.is_empty()
    });
    assert_eq!(waiting(&report(data, 0)).len(), 0);
    assert!(!check(data, &[]).out.contains("carried away"));
}

/// Has a queue end with the dead in it, ends the broker by a signal, and expects them after another start.
#[track_caller]
fn come_after_the_end_of_the_broker<const N: usize>(
    signal: &str,
    further: [(&'static str, FieldValue); N],
    auto_delete: bool,
    delete_queue: impl FnOnce(&Channel, &str),
) {
    let data = tempfile::tempdir().unwrap();
    let (broker, channel) = start(data.path());
    declare(&channel, further, auto_delete);
    let consumer = fill(&channel);
    delete_queue(&channel, &consumer);
    end(broker, signal);
    let left = departing(data.path());
    assert_eq!(left.len(), 1, "{left:?}");
    // Others may not be noted as gone.
    assert!(left[0].0 == "source" && left[0].1 >= DEAD as u64, "{left:?}");
    let text = check(data.path(), &[]).out;
    assert!(text.contains("'source' in vhost '/', deleted: "), "{text}");
    let (broker, channel) = start(data.path());
    assert!(!exists(&channel, "source"));
    // Another one of its name has nothing to do with it.
    channel.call::<DeclareOk<'_>>(durable("source"));
    assert_eq!(channel.ready("source"), 0);
    assert_eq!(what_comes(&channel, DEAD), rejected());
    delete_source(&channel);
    nothing_is_left(broker, data.path());
}

#[test]
fn a_kill_after_a_deletion_loses_nothing_that_died_before() {
    come_after_the_end_of_the_broker("KILL", [], false, |channel, _| {
        let deleted = delete_source(channel) as usize;
        assert_eq!(deleted, MESSAGES - usize::from(DELIVERED) - DEAD);
    });
}

#[test]
fn a_stop_after_a_deletion_loses_nothing_that_died_before() {
    come_after_the_end_of_the_broker("TERM", [], false, |channel, _| {
        delete_source(channel);
    });
}

#[test]
fn a_kill_after_the_last_consumer_has_left_loses_nothing_that_died_before() {
    come_after_the_end_of_the_broker("KILL", [], true, |channel, consumer| {
        channel.call::<basic::CancelOk<'_>>(cancel(consumer));
        // What is gone already is answered when that is recorded.
        delete_source(channel);
    });
}

#[test]
fn a_kill_after_a_queue_has_expired_loses_nothing_that_died_before() {
    const LIFE: Duration = Duration::from_secs(2);
    let expires = [("x-expires", FieldValue::from(LIFE.as_millis() as u32))];
    come_after_the_end_of_the_broker("KILL", expires, false, |channel, consumer| {
        channel.call::<basic::CancelOk<'_>>(cancel(consumer));
        eventually("it has expired", || {
            // Asking for it is using it.
            std::thread::sleep(LIFE + Duration::from_millis(100));
            !exists(channel, "source")
        });
        delete_source(channel);
    });
}

#[test]
fn a_kill_after_a_kill_loses_nothing_either_and_the_deaths_are_told_as_they_were() {
    let data = tempfile::tempdir().unwrap();
    let (broker, channel) = start(data.path());
    declare(&channel, [("x-max-length", 1.into())], false);
    for number in 0..3 {
        channel.publish_with("source", &PERSISTENT, number.to_string());
    }
    channel.acked(DEAD as u64 + 1, DEAD as u64 + 3);
    delete_source(&channel);
    end(broker, "KILL");
    end(BrokerProcess::start_in(data.path()), "KILL");
    let (broker, channel) = start(data.path());
    channel.call::<PurgeOk>(purge("dead"));
    channel.consume("dead");
    for number in ["0", "1"] {
        let delivery = channel.delivery();
        assert_eq!(delivery.body, number.as_bytes());
        for told in ["maxlen", "source"] {
            let mut told_of = delivery.properties.windows(told.len());
            assert!(told_of.any(|part| part == told.as_bytes()), "{delivery:?}");
        }
        channel.ack(delivery.tag);
    }
    channel.close();
    nothing_is_left(broker, data.path());
}

#[test]
fn dead_letters_whose_exchange_is_gone_as_well_are_dropped() {
    let data = tempfile::tempdir().unwrap();
    let (broker, channel) = start(data.path());
    declare(&channel, [], false);
    fill(&channel);
    delete_source(&channel);
    let channel = channel.connection().channel();
    channel.call::<exchange::DeleteOk>(delete_exchange("dlx"));
    end(broker, "KILL");
    assert_eq!(departing(data.path()).len(), 1);
    let (broker, channel) = start(data.path());
    assert_eq!(channel.drain("dead"), ["in the way"; DEAD]);
    channel.close();
    nothing_is_left(broker, data.path());
}

#[test]
fn one_that_can_not_be_carried_does_not_keep_the_others() {
    let data = tempfile::tempdir().unwrap();
    let (broker, channel) = start(data.path());
    declare(&channel, [], false);
    for body in ["1", POISON, "2"] {
        channel.publish_with("source", &PERSISTENT, body);
    }
    channel.acked(DEAD as u64 + 1, DEAD as u64 + 3);
    channel.consume("source");
    for delivery in channel.deliveries(3) {
        channel.reject(delivery.tag, false);
    }
    channel.ready("source");
    delete_source(&channel);
    end(broker, "KILL");
    let (broker, channel) = start(data.path());
    assert_eq!(what_comes(&channel, 2), ["1", "2"]);
    channel.close();
    nothing_is_left(broker, data.path());
}

#[test]
fn a_deleted_queue_that_crashes_loses_nothing_that_died_before() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    declare(&channel, [], false);
    fill(&channel);
    delete_source(&channel);
    let channel = channel.connection().channel();
    for _ in 0..3 {
        broker.server().broker().inject(Fault::Queue("/", "source"));
    }
    assert_eq!(what_comes(&channel, DEAD), rejected());
    drop((channel, broker));
    nothing_is_left(BrokerProcess::start_in(data.path()), data.path());
}

#[test]
fn what_is_carried_away_at_once_leaves_nothing_behind() {
    let data = tempfile::tempdir().unwrap();
    let (broker, channel) = start(data.path());
    declare(&channel, [], false);
    channel.call::<PurgeOk>(purge("dead"));
    fill(&channel);
    delete_source(&channel);
    let channel = channel.connection().channel();
    eventually("all are there", || channel.ready("dead") as usize == DEAD);
    let mut bodies = channel.drain("dead");
    bodies.sort_unstable();
    assert_eq!(bodies, rejected());
    channel.close();
    nothing_is_left(broker, data.path());
}

/// Declares queues whose messages are all dead and on their way, and has them deleted one after the other; the broker is killed
/// as soon as some of the deletions are answered.
fn killed_among_deletions(data: &Path, queues: usize, answered: usize) {
    let (broker, channel) = start(data);
    channel.call::<DeclareOk<'_>>(durable("dead"));
    channel.confirm_select();
    for queue in 0..queues {
        let source = format!("source{queue}");
        channel.call::<DeclareOk<'_>>(Declare {
            arguments: FieldTable::from_iter([
                ("x-dead-letter-exchange", ""),
                ("x-dead-letter-routing-key", "dead"),
            ]),
            ..durable(&source)
        });
        (0..DEAD).for_each(|number| channel.publish_with(&source, &PERSISTENT, format!("{queue} {number}")));
        channel.acked((queue * DEAD) as u64 + 1, ((queue + 1) * DEAD) as u64);
    }
    let another = broker.connect().channel();
    for queue in 0..queues {
        let source = format!("source{queue}");
        let taken: Vec<u64> = (0..DEAD)
            .filter_map(|_| Some(channel.get(&source)?.tag))
            .collect();
        for tag in taken {
            channel.reject(tag, false);
        }
        assert_eq!(channel.ready(&source), 0);
        another.send(delete(&source));
    }
    for _ in 0..answered {
        assert_eq!(another.expect::<DeleteOk>().message_count, 0);
    }
    end(broker, "KILL");
}

#[test]
fn a_kill_among_deletions_loses_nothing_that_died_before() {
    const QUEUES: usize = 20;
    for answered in [0, 7, QUEUES] {
        let data = tempfile::tempdir().unwrap();
        killed_among_deletions(data.path(), QUEUES, answered);
        let (_broker, channel) = start(data.path());
        let sources = (0..QUEUES).map(|queue| format!("source{queue}"));
        // Of those whose deletion was not answered some may be there, with what was not away yet.
        let left: Vec<String> = sources.filter(|source| exists(&channel, source)).collect();
        assert!(left.len() <= QUEUES - answered, "{left:?}");
        let all = || left.iter().map(String::as_str).chain(["dead"]);
        eventually("all are there", || {
            let there = all().map(|queue| channel.ready(queue) as usize);
            there.sum::<usize>() >= QUEUES * DEAD
        });
        let found: BTreeSet<String> = all().flat_map(|queue| channel.drain(queue)).collect();
        assert_eq!(found.len(), QUEUES * DEAD);
    }
}
