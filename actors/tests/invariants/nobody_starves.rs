//! An actor that is fed without pause lets the others of its thread run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::prelude::*;
use leveret_actors::journal::{Batch, Journal, Safety};
use leveret_actors::node::Context;
use leveret_actors::publication::Part;
use leveret_actors::queue::messages::Enqueue;

use super::stage::{Peer, Probe, Stage, page};

/// Messages that are ready for the queue at once.
const FLOOD: usize = 200_000;

/// How many of them an actor may take in before another one has its turn.
const MOST_IN_A_TURN: usize = 2 * 4096;

/// Counts what the queue has taken in.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Journal for Counting {
    fn keeps(&self) -> bool {
        true
    }

    fn append(&mut self, batch: Batch<'_>) -> Safety {
        self.0.fetch_add(batch.messages.len(), Ordering::Relaxed);
        Safety::Now
    }
}

/// Notes at each of its turns how far the queue is, until the flood is over.
struct Watcher {
    taken: Counting,
    at: Vec<usize>,
    seen: Recipient<Seen>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Seen(Vec<usize>);

#[derive(Message)]
#[rtype(result = "()")]
struct Look;

impl Actor for Watcher {
    type Context = Context<Self>;
}

impl Handler<Look> for Watcher {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Context<Self>) {
        let taken = self.taken.0.load(Ordering::Relaxed);
        self.at.push(taken);
        if taken < FLOOD {
            // From another task, so that what is measured is the thread and not the mailbox.
            let again = ctx.address();
            actix_rt::spawn(async move { again.do_send(Look) });
        } else {
            self.seen.do_send(Seen(std::mem::take(&mut self.at)));
        }
    }
}

#[test]
fn a_flooded_queue_lets_its_neighbours_have_their_turns() {
    let stage = Stage::new();
    let taken = Counting::default();
    let queue = stage.queue(taken.clone());
    let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
    let done = Probe::new(&stage.worker);
    let seen = done.recipient();
    let watcher = Watcher {
        taken,
        at: Vec::new(),
        seen,
    };
    let watcher = stage.worker.place(|| watcher);

    let held = stage.hold();
    let (page, offsets) = page(&["m"], true);
    for _ in 0..FLOOD {
        let part = Part::whole(Arc::clone(&page), offsets.clone(), None);
        queue.addr.do_send(Enqueue::of(channel.id, part, None));
    }
    watcher.do_send(Look);
    drop(held);

    let Seen(at) = done.next();
    let longest = at.windows(2).map(|turn| turn[1] - turn[0]).max();
    assert!(
        longest.is_some_and(|longest| longest <= MOST_IN_A_TURN),
        "{longest:?}"
    );
    assert!(at.len() >= FLOOD / MOST_IN_A_TURN, "{} turns", at.len());
}
