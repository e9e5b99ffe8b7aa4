//! Consumers that take all they are handed keep up with any flood; those that take nothing hold no publisher up.

use leveret_actors::id::ConsumerId;
use leveret_actors::journal::Volatile;
use leveret_actors::publication::Part;
use leveret_actors::queue::messages::{Enqueue, Inspect, Inspection, Supply};

use super::stage::{Peer, Probe, Stage, Subject, page, wait};

/// What a read of a publisher may bring.
const READ: usize = 1_600;

/// Reads of all publishers together, one right after the other.
const READS: usize = 200;

/// Messages in all of them.
const FLOOD: u32 = (READ * READS) as u32;

/// Two equal consumers, each of which may be handed so many messages: everything is queued for whose turn it is.
fn subscribe_two(queue: &Subject, channel: &Peer, supply: &Probe<Supply>, messages: u32) {
    for consumer in [ConsumerId::next(), ConsumerId::next()] {
        queue.subscribe(channel, consumer, supply.recipient(), true);
        queue.grant(consumer, messages, u32::MAX);
    }
}

/// Everything lines up in the queue's mailbox. The last read is to be confirmed with this number.
fn flood(queue: &Subject, channel: &Peer, confirm: Option<u64>) {
    let (page, offsets) = page(&[""; READ], false);
    for read in 1..=READS {
        let part = Part::whole(page.clone(), offsets.clone(), None);
        let confirm = confirm.filter(|_| read == READS);
        queue.addr.do_send(Enqueue::of(channel.id, part, confirm));
    }
}

fn inspect(queue: &Subject) -> impl Future<Output = Inspection> + use<> {
    let answer = queue.addr.send(Inspect);
    async move { answer.await.unwrap().unwrap() }
}

/// How many wait when consumers who take all come with a flood, and it is over.
fn ready_after_a_flood(stage: &Stage, queue: &Subject, channel: &Peer) -> u32 {
    let supply = Probe::new(&stage.worker);
    let held = stage.hold();
    subscribe_two(queue, channel, &supply, u32::MAX);
    flood(queue, channel, None);
    let inspected = inspect(queue);
    drop(held);
    wait(inspected).ready
}

#[test]
fn nothing_gathers_before_consumers_who_take_all_while_publishers_send_all_they_can() {
    let stage = Stage::new();
    let queue = stage.queue(Volatile);
    let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
    assert_eq!(ready_after_a_flood(&stage, &queue, &channel), 0);
}

#[test]
fn a_backlog_shrinks_under_a_flood_once_consumers_take_all() {
    let stage = Stage::new();
    let queue = stage.queue(Volatile);
    let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
    flood(&queue, &channel, None);
    let before = wait(inspect(&queue)).ready;
    assert_eq!(before, FLOOD);
    let after = ready_after_a_flood(&stage, &queue, &channel);
    assert!(after < before - before / 8, "{after} of {before}");
}

#[test]
fn consumers_that_take_nothing_more_hold_no_publisher_up() {
    let stage = Stage::new();
    let queue = stage.queue(Volatile);
    let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
    let supply = Probe::new(&stage.worker);
    subscribe_two(&queue, &channel, &supply, 10);
    flood(&queue, &channel, Some(7));
    assert_eq!(channel.stored(), 7);
    assert_eq!(wait(inspect(&queue)).ready, FLOOD - 20);
}
