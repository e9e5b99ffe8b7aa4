//! 4. Nothing is unbounded: what was read is covered by a window until a queue has taken it, what was answered
//!    by a backlog until it is written, and what waits is accounted for.

use leveret_actors::queue::messages::{Inspect, Inspection};
use leveret_protocol::method::{basic, queue};

use super::ring::Ring;
use super::stage::wait;
use super::support::channel::encoded;
use super::support::methods::{exclusive, get, purge};
use super::support::wire::{Frame, METHOD};
use super::support::{BRIEFLY, Channel, content, eventually};

/// More than windows and sockets hold.
const FLOOD: usize = 64 * 1024 * 1024;

/// What windows and the sockets of both sides may hold, generously.
const UNDER_WAY: usize = 24 * 1024 * 1024;

/// A publication of 16 KiB and a little, as it is on the wire.
fn publication(channel: &Channel, routing_key: &str) -> Vec<u8> {
    let publish = basic::Publish {
        routing_key,
        ..Default::default()
    };
    let mut bytes = Frame::new(METHOD, channel.number(), encoded(&publish)).bytes();
    let body = [b'm'; 16 * 1024];
    bytes.extend(content::frames(channel.number(), &content::NONE, &body, 131_072));
    bytes
}

fn inspect(ring: &Ring, queue: &str) -> Inspection {
    wait(ring.queue(queue).addr().send(Inspect)).unwrap().unwrap()
}

#[test]
fn a_queue_that_stands_still_stops_the_reader_and_nobody_else() {
    let ring = Ring::with_workers(2);
    let q = ring.queue_on_another_worker();
    let (flooding, _elsewhere) = (ring.connect().channel(), ring.connect());
    let beside = ring.connect().channel();
    beside.call::<queue::DeclareOk<'_>>(exclusive("beside"));
    let held = ring.hold(ring.queue(q).worker());

    let part = publication(&flooding, q).repeat(64);
    let mut written = 0;
    while written % part.len() == 0 && written < FLOOD {
        written += flooding.shared().wire.write_for(&part, BRIEFLY);
    }
    assert!(written < UNDER_WAY, "{written} bytes were taken");
    beside.publish("", "beside", "m");
    assert!(beside.get("beside").is_some(), "others of the same thread go on");

    drop(held);
    let whole = (written / part.len() * 64) as u32;
    eventually("the queue has the rest", || inspect(&ring, q).ready >= whole);
}

#[test]
fn a_client_that_does_not_read_what_it_gets_gets_no_more() {
    let ring = Ring::with_workers(1);
    let (publisher, client) = (ring.connect().channel(), ring.connect().channel());
    publisher.declare("q");
    let messages = 2 * UNDER_WAY / (16 * 1024);
    publisher.write(&publication(&publisher, "q").repeat(messages));
    assert_eq!(publisher.ready("q") as usize, messages);

    let one = Frame::new(METHOD, client.number(), encoded(&get("q"))).bytes();
    client.write(&one.repeat(messages));
    eventually("some are answered", || inspect(&ring, "q").unacked > 0);
    // Each question passes through the same thread: when many of them change nothing, it has come to rest.
    let (mut answered, mut unchanged) = (0, 0);
    while unchanged < 200 {
        let now = inspect(&ring, "q").unacked;
        unchanged = if now == answered { unchanged + 1 } else { 0 };
        answered = now;
    }
    assert!(
        answered as usize * 16 * 1024 <= UNDER_WAY,
        "{answered} were answered"
    );
    for _ in 0..messages {
        client.expect::<basic::GetOk<'_>>();
        content::read(&client);
    }
    assert_eq!(inspect(&ring, "q").unacked as usize, messages);
}

#[test]
fn what_waits_is_accounted_for_until_it_is_settled() {
    let ring = Ring::with_workers(1);
    let channel = ring.connect().channel();
    channel.declare("q");
    let message = publication(&channel, "q");
    channel.write(&message.repeat(100));
    assert_eq!(channel.ready("q"), 100);
    let waiting = inspect(&ring, "q").bytes;
    let bodies = 100 * 16 * 1024;
    assert!(
        (bodies..bodies + bodies / 8).contains(&waiting),
        "{waiting} bytes"
    );

    let held: Vec<_> = (0..50).filter_map(|_| channel.get("q")).collect();
    assert_eq!(inspect(&ring, "q").bytes, waiting, "unsettled ones count as well");
    channel.ack_up_to(held[49].tag);
    channel.call::<queue::PurgeOk>(purge("q"));
    assert_eq!(inspect(&ring, "q").bytes, 0);
}
