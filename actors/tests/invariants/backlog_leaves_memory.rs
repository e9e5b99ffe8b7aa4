//! A backlog larger than memory: what left it comes back in order, and nobody notices but by a wait.

use leveret_actors::id::ConsumerId;
use leveret_actors::journal::Volatile;
use leveret_actors::publication::Handout;
use leveret_actors::queue::MemoryBudget;
use leveret_actors::queue::messages::{Delete, Deleted, Get, Got, Inspect, Inspection, Purge, Supply};

use super::shelf::Shelf;
use super::stage::{Peer, Probe, Stage, Subject, wait};

/// Everything that waits leaves memory as soon as it may.
const NONE: MemoryBudget = MemoryBudget {
    journaled: u64::MAX,
    all: 0,
};

/// A queue whose messages "0", "1" … are all on the scratch log.
fn spilled(stage: &Stage, messages: usize) -> (Subject, Shelf, Peer) {
    let scratch = Shelf::scratch();
    let queue = stage.spilling(Volatile, scratch.clone(), NONE);
    let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
    let bodies: Vec<String> = (0..messages).map(|number| number.to_string()).collect();
    for some in bodies.chunks(7) {
        channel.publish(&some.iter().map(String::as_str).collect::<Vec<_>>(), false, None);
    }
    let counts = inspect(&queue);
    assert_eq!(
        (counts.ready as usize, counts.absent as usize),
        (messages, messages)
    );
    assert_eq!(counts.bytes, 0);
    (queue, scratch, channel)
}

fn inspect(queue: &Subject) -> Inspection {
    wait(queue.addr.send(Inspect)).unwrap().unwrap()
}

fn bodies(handout: &Handout) -> Vec<String> {
    let body = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
    handout
        .publications()
        .map(|(_, publication)| body(publication.body.as_slice()))
        .collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn subscribe(queue: &Subject, channel: &Peer, stage: &Stage, messages: u32) -> Probe<Supply> {
    let supply = Probe::new(&stage.worker);
    let consumer = ConsumerId::next();
    queue.subscribe(channel, consumer, supply.recipient(), true);
    assert!(matches!(supply.next(), Supply::Subscribed(Ok(()))));
    queue.grant(consumer, messages, 1_000_000);
    supply
}

fn delivered(supply: &Probe<Supply>) -> Vec<String> {
    match supply.next() {
        Supply::Deliver(handout) => bodies(&handout),
        other => panic!("{other:?} instead of messages"),
    }
}

fn get(queue: &Subject, channel: &Peer) -> impl Future<Output = Option<Got>> {
    let get = Get {
        channel: channel.id,
        no_ack: true,
    };
    let answer = queue.addr.send(get);
    async move { answer.await.unwrap().unwrap() }
}

#[test]
fn a_consumer_drains_a_backlog_in_order_however_little_is_read_at_once() {
    let stage = Stage::new();
    let (queue, scratch, channel) = spilled(&stage, 100);
    let supply = subscribe(&queue, &channel, &stage, 1_000);
    let mut seen = Vec::new();
    while seen.len() < 100 {
        scratch.answer_next(13);
        seen.extend(delivered(&supply));
    }
    assert_eq!(seen, numbers(0..100));
    assert_eq!(inspect(&queue).ready, 0);
    assert_eq!(scratch.len(), 0, "what was read is settled");
}

#[test]
fn one_question_is_open_at_a_time_and_none_without_a_taker() {
    let stage = Stage::new();
    let (queue, scratch, channel) = spilled(&stage, 50);
    assert_eq!(scratch.asked(), 0, "nobody wants it");
    let supply = subscribe(&queue, &channel, &stage, 10);
    for _ in 0..5 {
        channel.publish(&["more"], false, None);
        inspect(&queue);
    }
    assert_eq!(scratch.asked(), 1);
    scratch.answer_next(20);
    assert_eq!(delivered(&supply), numbers(0..10));
}

#[test]
fn what_was_read_and_has_to_leave_memory_again_is_not_lost() {
    let stage = Stage::new();
    let (queue, scratch, channel) = spilled(&stage, 20);
    let first = subscribe(&queue, &channel, &stage, 5);
    scratch.answer_next(20);
    assert_eq!(delivered(&first), numbers(0..5));
    let counts = inspect(&queue);
    assert_eq!((counts.ready, counts.absent), (15, 15), "the rest has left again");
    assert_eq!(scratch.len(), 15);
    let second = subscribe(&queue, &channel, &stage, 1_000);
    scratch.answer_next(1_000);
    assert_eq!(delivered(&second), numbers(5..20));
}

#[test]
fn a_message_that_can_not_be_read_costs_itself_alone() {
    let stage = Stage::new();
    let (queue, scratch, channel) = spilled(&stage, 20);
    scratch.lose([3, 4, 19]);
    let supply = subscribe(&queue, &channel, &stage, 1_000);
    scratch.answer_next(8);
    let mut seen = delivered(&supply);
    scratch.answer_next(100);
    seen.extend(delivered(&supply));
    let left: Vec<String> = numbers(0..20)
        .into_iter()
        .filter(|number| !["3", "4", "19"].contains(&number.as_str()))
        .collect();
    assert_eq!(seen, left);
    assert_eq!(inspect(&queue).ready, 0);
}

#[test]
fn a_get_waits_for_what_is_being_read_and_gets_are_answered_in_turn() {
    let stage = Stage::new();
    let (queue, scratch, channel) = spilled(&stage, 3);
    let gets: Vec<_> = (0..4).map(|_| get(&queue, &channel)).collect();
    inspect(&queue);
    scratch.answer_next(2);
    scratch.answer_next(2);
    let answers = gets
        .into_iter()
        .map(|get| wait(get).map(|got| bodies(&got.handout)));
    let expected = numbers(0..3).into_iter().map(|body| Some(vec![body]));
    assert_eq!(
        answers.collect::<Vec<_>>(),
        expected.chain([None]).collect::<Vec<_>>()
    );
}

#[test]
fn a_purge_counts_what_is_not_in_memory_and_a_late_answer_brings_nothing_back() {
    let stage = Stage::new();
    let (queue, scratch, channel) = spilled(&stage, 30);
    let waiting = get(&queue, &channel);
    inspect(&queue);
    let late = scratch.prepare(10);
    assert_eq!(wait(queue.addr.send(Purge)).unwrap(), Ok(30));
    assert!(wait(waiting).is_none(), "nothing is left to wait for");
    channel.publish(&["after"], false, None);
    queue.addr.do_send(late);
    let supply = subscribe(&queue, &channel, &stage, 10);
    scratch.answer_next(10);
    assert_eq!(delivered(&supply), ["after"]);
    assert_eq!((inspect(&queue).ready, scratch.len()), (0, 0));
}

#[test]
fn a_deleted_queue_answers_gets_and_takes_no_late_answer() {
    let stage = Stage::new();
    let (queue, scratch, channel) = spilled(&stage, 30);
    let waiting = queue.addr.send(Get {
        channel: channel.id,
        no_ack: false,
    });
    inspect(&queue);
    let late = scratch.prepare(10);
    let delete = Delete {
        if_unused: false,
        if_empty: false,
    };
    assert_eq!(wait(queue.addr.send(delete)).unwrap(), Ok(30));
    assert!(matches!(wait(waiting).unwrap(), Err(Deleted)));
    queue.addr.do_send(late);
    assert_eq!(wait(queue.addr.send(Inspect)).unwrap(), Err(Deleted));
    assert!(scratch.is_deleted());
}

#[test]
fn a_get_that_waits_when_the_queue_crashes_is_told() {
    let stage = Stage::new();
    let (queue, scratch, channel) = spilled(&stage, 30);
    let waiting = queue.addr.send(Get {
        channel: channel.id,
        no_ack: false,
    });
    inspect(&queue);
    scratch.breaks();
    channel.publish(&["kills"], false, None);
    assert!(wait(waiting).is_err());
    assert!(queue.gone.next().crashed);
}
