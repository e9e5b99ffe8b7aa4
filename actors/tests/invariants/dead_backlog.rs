//! Deaths in a backlog that is not in memory: what is dead is given away once, and does not wait again.

use std::sync::mpsc;

use leveret_actors::id::{ChannelId, ConsumerId};
use leveret_actors::journal::Volatile;
use leveret_actors::publication::Handout;
use leveret_actors::queue::forwarding::{Carried, Forward};
use leveret_actors::queue::messages::{Credit, Inspect, Subscribe, Supply, TakeAway};
use leveret_actors::queue::{Fate, Grant, MemoryBudget, Subscription};
use leveret_actors::return_address::ReturnAddress;

use super::shelf::Shelf;
use super::stage::{Peer, Probe, Stage, Subject, wait};
use super::support::PATIENCE;

/// Everything that waits leaves memory as soon as it may.
const NONE: MemoryBudget = MemoryBudget {
    journaled: 0,
    all: u64::MAX,
};

/// A queue whose messages 0, 1 … are in its journal alone, and what its forwarder hears.
struct Backlog {
    stage: Stage,
    queue: Subject,
    journal: Shelf,
    channel: Peer,
    forwarder: Probe<Forward>,
    holders: mpsc::Receiver<ChannelId>,
}

impl Backlog {
    fn of(messages: u64) -> Backlog {
        let (stage, journal) = (Stage::new(), Shelf::journal());
        let forwarder = Probe::new(&stage.worker);
        let (told, holders) = mpsc::channel();
        let recipient = forwarder.recipient();
        let start_forwarder = Box::new(move |source: leveret_actors::queue::forwarding::Source| {
            let _ = told.send(source.holder);
            recipient.clone()
        });
        let queue = stage.dying(journal.clone(), Volatile, NONE, start_forwarder);
        let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
        let bodies: Vec<String> = (0..messages).map(|number| number.to_string()).collect();
        channel.publish(&bodies.iter().map(String::as_str).collect::<Vec<_>>(), true, None);
        let counts = wait(queue.addr.send(Inspect)).unwrap().unwrap();
        assert_eq!((u64::from(counts.ready), counts.absent), (messages, messages));
        Backlog {
            stage,
            queue,
            journal,
            channel,
            forwarder,
            holders,
        }
    }

    /// Sends these away, as dead letters that go back to where they died.
    fn send_away(&self, positions: std::ops::Range<u64>) {
        let places = positions.map(|position| (position, 0)).collect();
        let fate = Fate::Redriven;
        let taken = wait(self.queue.addr.send(TakeAway { places, fate })).unwrap();
        assert!(taken.is_ok_and(|taken| taken > 0));
    }

    /// A consumer that joins and can take everything.
    fn consume(&self) -> Probe<Supply> {
        let (supply, consumer) = (Probe::new(&self.stage.worker), ConsumerId::next());
        self.queue.addr.do_send(Subscribe {
            channel: self.channel.id,
            consumer,
            supply: ReturnAddress::new(supply.recipient(), Supply::QueueGone { crashed: true }),
            hall: None,
            subscription: Subscription::default(),
        });
        let (messages, bytes) = (1_000, 1_000_000);
        self.queue.addr.do_send(Credit {
            consumer,
            grant: Grant { messages, bytes },
        });
        supply
    }
}

fn bodies(handout: &Handout) -> Vec<u64> {
    let body = |body: &[u8]| std::str::from_utf8(body).unwrap().parse().unwrap();
    let publications = handout.publications();
    publications
        .map(|(_, publication)| body(publication.body.as_slice()))
        .collect()
}

#[test]
fn what_its_forwarder_has_settled_is_not_read_again_for_a_consumer() {
    let backlog = Backlog::of(100);
    backlog.send_away(0..50);
    backlog.journal.answer_next(1_000);
    let Forward { convoy, .. } = backlog.forwarder.next();
    assert_eq!(convoy.len(), 50);
    let holder = backlog.holders.recv_timeout(PATIENCE).unwrap();
    // Both come in one turn.
    let hold = backlog.stage.hold();
    backlog.queue.addr.do_send(Carried {
        holder,
        safe: vec![0..=49],
        unwanted: Vec::new(),
    });
    let supply = backlog.consume();
    drop(hold);
    backlog.journal.answer_next(1_000);
    assert!(matches!(supply.next(), Supply::Subscribed(Ok(()))));
    match supply.next() {
        Supply::Deliver(handout) => assert_eq!(bodies(&handout), Vec::from_iter(50..100)),
        other => panic!("{other:?} instead of messages"),
    }
}
