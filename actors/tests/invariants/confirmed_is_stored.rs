//! 2. Confirmed is stored: a publisher hears that a message is safe after it is, and after all before it are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use leveret_actors::journal::{Batch, Journal, Keeper, Notice, Safety, Told};
use leveret_actors::queue::messages::{Inspect, QueueNotice};

use super::stage::{Peer, Stage, Subject, wait};

/// Answers as it was told to, batch by batch; with nothing left to answer it panics.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<VecDeque<Safety>>>);

impl Journal for Scripted {
    fn keeps(&self) -> bool {
        true
    }

    fn append(&mut self, _: Batch<'_>) -> Safety {
        let next = self.0.lock().unwrap().pop_front();
        next.unwrap_or_else(|| panic!("injected: {}", "a broken disk"))
    }
}

fn queue(stage: &Stage, answers: impl IntoIterator<Item = Safety>) -> Subject {
    let script = answers.into_iter().collect();
    stage.queue(Scripted(Arc::new(Mutex::new(script))))
}

fn synced(upto: u64) -> Notice {
    Notice {
        keeper: Keeper::Journal,
        told: Told::Synced { upto },
    }
}

/// Everything sent to the queue so far has been handled, and what came of it is in the probes.
fn settle(queue: &Subject) -> u32 {
    let ready = wait(queue.addr.send(Inspect)).unwrap().unwrap().ready;
    // The notices of that turn were sent before the answer, to the same thread.
    wait(queue.addr.send(Inspect)).unwrap().unwrap();
    ready
}

#[test]
fn a_persistent_batch_is_confirmed_when_the_journal_has_synced_it() {
    let stage = Stage::new();
    let queue = queue(&stage, [Safety::After(7), Safety::After(8)]);
    let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
    channel.publish(&["1", "2"], true, Some(2));
    channel.publish(&["3"], true, Some(3));
    assert_eq!(settle(&queue), 3, "consumers need not wait for the disk");
    assert!(channel.notices.here().is_none());
    queue.addr.do_send(synced(7));
    assert_eq!(channel.stored(), 2);
    settle(&queue);
    assert!(channel.notices.here().is_none());
    queue.addr.do_send(synced(9));
    assert_eq!(channel.stored(), 3);
}

#[test]
fn a_transient_message_behind_a_persistent_one_is_confirmed_after_it() {
    let stage = Stage::new();
    let queue = queue(&stage, [Safety::After(1)]);
    let [patient, lucky] = std::array::from_fn(|_| Peer::of(&queue.addr, queue.id, &stage.worker));
    patient.publish(&["persistent"], true, Some(1));
    patient.publish(&["transient"], false, Some(2));
    lucky.publish(&["transient"], false, Some(1));
    assert_eq!(lucky.stored(), 1);
    settle(&queue);
    assert!(
        patient.notices.here().is_none(),
        "what says 2 is safe says the same of 1"
    );
    queue.addr.do_send(synced(1));
    assert_eq!(patient.stored(), 2);
}

#[test]
fn what_is_not_synced_when_the_queue_crashes_is_never_confirmed() {
    let stage = Stage::new();
    let queue = queue(&stage, [Safety::Now, Safety::After(1)]);
    let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
    channel.publish(&["stored"], true, Some(1));
    assert_eq!(channel.stored(), 1);
    channel.publish(&["not synced"], true, Some(2));
    channel.publish(&["kills"], true, Some(3));
    assert!(queue.gone.next().crashed);
    let last = channel.notices.next();
    assert!(
        matches!(last, QueueNotice::Gone { crashed: true, .. }),
        "{last:?}"
    );
}
