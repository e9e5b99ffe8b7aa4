//! What the queues of a thread have stored, gathered for the channels that want to hear of it.
//!
//! A read of a publisher goes to a hundred queues, and one sync of the journal makes what each of them got safe. A mail from
//! each would wake the channel, and often its client, up to a hundred times. What is to be told waits here until those that
//! the thread has woken before had their turns, and is one mail then.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use actix::prelude::*;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::messages::QueueNotice;
use crate::id::{ChannelId, QueueId};

thread_local! {
    static NOTICES: RefCell<Notices> = RefCell::default();
}

/// What one channel is to hear: up to which number each queue has stored what it sent.
struct Letter {
    to: Recipient<QueueNotice>,
    stored: SmallVec<[(QueueId, u64); 1]>,
}

#[derive(Default)]
struct Notices {
    /// In the order in which they were begun.
    letters: Vec<Letter>,
    /// Their places.
    places: FxHashMap<ChannelId, usize>,
    /// Wakes the task that posts them.
    posts: Option<Waker>,
}

/// Tells a channel that a queue of this thread has stored what it sent up to a number.
pub(super) fn tell_stored(channel: ChannelId, to: &Recipient<QueueNotice>, queue: QueueId, upto: u64) {
    let begun = NOTICES.with_borrow_mut(|notices| {
        let begins = notices.letters.is_empty();
        notices.add(channel, to, (queue, upto));
        begins.then(|| notices.posts.clone())
    });
    match begun {
        None => {}
        Some(Some(posts)) => posts.wake(),
        Some(None) => drop(actix_rt::spawn(post(Closing))),
    }
}

/// Posts what is gathered each time it is woken, as long as the thread runs.
async fn post(_closing: Closing) {
    poll_fn(|cx| {
        NOTICES.with_borrow_mut(|notices| {
            notices.posts.get_or_insert_with(|| cx.waker().clone());
            notices.post();
        });
        Poll::Pending
    })
    .await
}

/// The task that posts ends with all others of the thread.
struct Closing;

impl Drop for Closing {
    fn drop(&mut self) {
        let _ = NOTICES.try_with(|notices| notices.take());
    }
}

impl Notices {
    fn add(&mut self, channel: ChannelId, to: &Recipient<QueueNotice>, stored: (QueueId, u64)) {
        let next = self.letters.len();
        let place = *self.places.entry(channel).or_insert(next);
        match self.letters.get_mut(place) {
            Some(letter) => letter.stored.push(stored),
            None => self.letters.push(Letter {
                to: to.clone(),
                stored: SmallVec::from_buf([stored]),
            }),
        }
    }

    fn post(&mut self) {
        self.places.clear();
        for Letter { to, stored } in self.letters.drain(..) {
            to.do_send(match *stored.as_slice() {
                [(queue, upto)] => QueueNotice::Stored { queue, upto },
                _ => QueueNotice::StoredBy(stored.into_vec()),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    struct Ear(mpsc::UnboundedSender<Vec<(QueueId, u64)>>);

    impl Actor for Ear {
        type Context = Context<Self>;
    }

    impl Handler<QueueNotice> for Ear {
        type Result = ();

        fn handle(&mut self, notice: QueueNotice, _: &mut Context<Self>) {
            let heard = match notice {
                QueueNotice::Stored { queue, upto } => vec![(queue, upto)],
                QueueNotice::StoredBy(stored) => stored,
                other => panic!("{other:?}"),
            };
            self.0.send(heard).unwrap();
        }
    }

    #[test]
    fn what_queues_tell_a_channel_in_a_turn_is_one_mail() {
        let heard = async {
            let (tell, mut told) = mpsc::unbounded_channel();
            let ear = Ear(tell).start().recipient();
            let (channel, other) = (ChannelId::next(), ChannelId::next());
            let (one, two) = (QueueId::next(), QueueId::next());
            let mut heard = Vec::new();
            for number in [1, 7] {
                tell_stored(channel, &ear, one, number);
                tell_stored(other, &ear, one, number + 1);
                tell_stored(channel, &ear, two, number + 2);
                for _ in 0..2 {
                    heard.push(told.recv().await.unwrap());
                }
            }
            let expected = |number| [vec![(one, number), (two, number + 2)], vec![(one, number + 1)]];
            (heard, [expected(1), expected(7)].concat())
        };
        let (heard, expected) = System::new()
            .block_on(async { tokio::time::timeout(Duration::from_secs(10), heard).await })
            .unwrap();
        assert_eq!(heard, expected);
    }
}
