//! What a queue promises, one sentence at a time.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use leveret_actors::{
    id::{ChannelId, ConsumerId},
    journal::{Alike, Kept, Positions, Run},
    publication::{Handout, NO_KEY, PageBuilder},
    queue::{
        Grant, InExclusiveUse, Outcome, Priorities, QueueSettings, QueueState, Stamps, Subscription,
        effective::Effective,
    },
};
use leveret_protocol::Body;

const MUCH: u32 = 1_000_000;

struct Fixture {
    queue: QueueState,
    channel: ChannelId,
}

impl Fixture {
    fn new() -> Self {
        Self::with(QueueSettings::default())
    }

    fn with(settings: QueueSettings) -> Self {
        Self {
            queue: QueueState::new(settings),
            channel: ChannelId::next(),
        }
    }

    fn publish(&mut self, bodies: &[&str]) {
        let mut page = PageBuilder::new();
        let push = |body: &&str| page.push("", "q", &[0, 0], false, Body::Slice(body.as_bytes()));
        let offsets: Vec<u32> = bodies.iter().map(push).collect();
        self.queue.enqueue(page.finish(), &offsets);
    }

    fn subscribe(&mut self, subscription: Subscription) -> ConsumerId {
        let consumer = ConsumerId::next();
        self.queue
            .subscribe(self.channel, consumer, subscription)
            .unwrap();
        consumer
    }

    fn subscribed(&mut self, messages: u32) -> ConsumerId {
        let consumer = self.subscribe(Subscription::default());
        self.credit(consumer, messages);
        consumer
    }

    fn credit(&mut self, consumer: ConsumerId, messages: u32) {
        self.queue.credit(
            consumer,
            Grant {
                messages,
                bytes: MUCH,
            },
        );
    }

    /// Makes a pass and returns who got what.
    fn pass(&mut self) -> Vec<(ConsumerId, Vec<String>)> {
        self.queue
            .dispatch(1_000)
            .handouts
            .iter()
            .map(|(id, handout)| (*id, bodies(handout)))
            .collect()
    }

    /// The keys of what the only consumer gets in a pass.
    fn keys(&mut self) -> Vec<u32> {
        let pass = self.queue.dispatch(1_000);
        pass.handouts
            .iter()
            .flat_map(|(_, handout)| handout.deliveries.iter().map(|delivery| delivery.key))
            .collect()
    }

    fn get(&mut self) -> (String, bool) {
        let (handout, _) = self.queue.get(self.channel, true).unwrap();
        (bodies(&handout).remove(0), handout.deliveries[0].redelivered)
    }
}

fn bodies(handout: &Handout) -> Vec<String> {
    let body = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
    handout
        .publications()
        .map(|(_, publication)| body(publication.body.as_slice()))
        .collect()
}

fn owned(bodies: &[&str]) -> Vec<String> {
    bodies.iter().map(ToString::to_string).collect()
}

fn on_offer() -> Subscription {
    Subscription {
        on_offer: true,
        ..Subscription::default()
    }
}

#[test]
fn a_requeued_message_takes_its_old_place_and_is_marked() {
    let mut it = Fixture::new();
    it.publish(&["a", "b", "c", "d"]);
    it.subscribed(3);
    let keys = it.keys();
    it.queue.settle(it.channel, Outcome::Requeue, &[keys[2]]);
    it.queue.settle(it.channel, Outcome::Requeue, &[keys[0]]);
    let seen = [it.get(), it.get(), it.get()];
    assert_eq!(
        seen,
        [("a".into(), true), ("c".into(), true), ("d".into(), false)]
    );
}

#[test]
fn what_never_reached_the_client_goes_back_unmarked() {
    let mut it = Fixture::new();
    it.publish(&["a", "b"]);
    it.subscribed(1);
    let keys = it.keys();
    assert_eq!(it.queue.give_back(it.channel, &keys), 1);
    assert_eq!(it.get(), ("a".into(), false));
}

#[test]
fn what_a_lost_channel_held_goes_back_in_order() {
    let mut it = Fixture::new();
    it.publish(&["a", "b", "c"]);
    it.subscribed(2);
    it.keys();
    it.queue.detach(it.channel);
    assert_eq!(
        (it.queue.ready(), it.queue.unacked(), it.queue.consumers()),
        (3, 0, 0)
    );
    let seen = [it.get(), it.get(), it.get()];
    assert_eq!(
        seen,
        [("a".into(), true), ("b".into(), true), ("c".into(), false)]
    );
}

#[test]
fn a_cancelled_consumer_leaves_its_messages_with_the_channel() {
    let mut it = Fixture::new();
    it.publish(&["a"]);
    let consumer = it.subscribed(1);
    let keys = it.keys();
    assert!(it.queue.unsubscribe(consumer));
    assert!(!it.queue.unsubscribe(consumer));
    assert_eq!((it.queue.ready(), it.queue.unacked()), (0, 1));
    assert_eq!(it.queue.settle(it.channel, Outcome::Ack, &keys), 1);
    assert_eq!(it.queue.bytes(), 0);
}

#[test]
fn equals_are_served_message_by_message() {
    let mut it = Fixture::new();
    let (one, other) = (it.subscribed(9), it.subscribed(9));
    it.publish(&["a", "b", "c", "d", "e"]);
    assert_eq!(
        it.pass(),
        [(one, owned(&["a", "c", "e"])), (other, owned(&["b", "d"]))]
    );
    it.publish(&["f"]);
    assert_eq!(it.pass(), [(other, owned(&["f"]))]);
}

#[test]
fn many_equals_are_served_as_many_each_and_several_messages_at_a_time() {
    let mut it = Fixture::new();
    let consumers: Vec<ConsumerId> = (0..100).map(|_| it.subscribed(9)).collect();
    let names: Vec<String> = (0..350).map(|name| name.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    it.publish(&names);
    let got = it.pass();
    for (at, (consumer, got)) in got.iter().enumerate() {
        assert_eq!(*consumer, consumers[at]);
        let first = 3 * at + at.min(50);
        let messages = if at < 50 { 4 } else { 3 };
        assert_eq!(*got, names[first..first + messages], "{at}");
    }
    it.publish(&names[..60]);
    let next: Vec<ConsumerId> = it.pass().into_iter().map(|(consumer, _)| consumer).collect();
    assert!(
        next.iter().eq(consumers.iter().cycle().skip(50).take(60)),
        "{next:?}"
    );
}

#[test]
fn those_of_many_equals_who_have_credit_get_as_many_each_when_others_run_out_of_it() {
    let mut it = Fixture::new();
    let short: Vec<ConsumerId> = (0..10).map(|_| it.subscribed(1)).collect();
    let others: Vec<ConsumerId> = (0..60).map(|_| it.subscribed(9)).collect();
    it.publish(&["x"; 350]);
    let got: BTreeMap<ConsumerId, usize> = it.pass().into_iter().map(|(id, got)| (id, got.len())).collect();
    assert!(short.iter().all(|consumer| got[consumer] == 1));
    assert!(
        others.iter().all(|consumer| (5..=6).contains(&got[consumer])),
        "{got:?}"
    );
    assert_eq!(got.values().sum::<usize>(), 350);
}

#[test]
fn a_higher_priority_is_served_first_while_it_has_credit() {
    let mut it = Fixture::new();
    let low = it.subscribed(9);
    let high = it.subscribe(Subscription {
        priority: 5,
        ..Subscription::default()
    });
    it.credit(high, 2);
    it.publish(&["a", "b", "c"]);
    assert_eq!(it.pass(), [(high, owned(&["a", "b"])), (low, owned(&["c"]))]);
    it.credit(high, 1);
    it.publish(&["d"]);
    assert_eq!(it.pass(), [(high, owned(&["d"]))]);
}

#[test]
fn credit_in_bytes_is_exceeded_by_one_message_at_most() {
    let mut it = Fixture::new();
    let consumer = it.subscribe(Subscription::default());
    it.publish(&["a", "b", "c"]);
    it.queue.credit(
        consumer,
        Grant {
            messages: 9,
            bytes: 1,
        },
    );
    assert_eq!(it.pass(), [(consumer, owned(&["a"]))]);
    it.queue.credit(
        consumer,
        Grant {
            messages: 0,
            bytes: 5,
        },
    );
    assert_eq!(it.pass(), [], "the first message is not paid for yet");
    it.queue.credit(
        consumer,
        Grant {
            messages: 0,
            bytes: 100,
        },
    );
    assert_eq!(it.pass(), [(consumer, owned(&["b", "c"]))]);
}

#[test]
fn without_acks_nothing_is_held() {
    let mut it = Fixture::new();
    let consumer = it.subscribe(Subscription {
        no_ack: true,
        ..Subscription::default()
    });
    it.credit(consumer, 9);
    it.publish(&["a", "b"]);
    let pass = it.queue.dispatch(9);
    assert!(
        pass.handouts[0]
            .1
            .deliveries
            .iter()
            .all(|delivery| delivery.key == NO_KEY)
    );
    assert_eq!((it.queue.unacked(), it.queue.bytes()), (0, 0));
    assert_eq!(
        bodies(&pass.handouts[0].1),
        ["a", "b"],
        "the handout keeps the page"
    );
}

#[test]
fn a_pass_stops_at_its_limit_and_says_so() {
    let mut it = Fixture::new();
    it.subscribed(3);
    it.publish(&["a", "b", "c", "d"]);
    assert!(it.queue.dispatch(2).more);
    assert!(!it.queue.dispatch(2).more, "credit is used up");
    assert_eq!(it.queue.ready(), 1);
}

#[test]
fn a_get_needs_no_credit_and_tells_what_is_left() {
    let mut it = Fixture::new();
    it.publish(&["a", "b"]);
    it.subscribe(Subscription {
        exclusive: true,
        ..Subscription::default()
    });
    let (handout, left) = it.queue.get(it.channel, false).unwrap();
    assert_eq!((bodies(&handout), left), (owned(&["a"]), 1));
    assert_eq!(it.queue.unacked(), 1);
}

#[test]
fn a_purge_spares_what_is_unacked() {
    let mut it = Fixture::new();
    it.publish(&["a", "b", "c"]);
    it.subscribed(1);
    let keys = it.keys();
    assert_eq!(it.queue.purge(), 2);
    it.queue.settle(it.channel, Outcome::Requeue, &keys);
    assert_eq!(it.get(), ("a".into(), true));
}

#[test]
fn an_exclusive_consumer_is_alone() {
    let exclusive = Subscription {
        exclusive: true,
        ..Subscription::default()
    };
    let mut it = Fixture::new();
    let first = it.subscribe(Subscription::default());
    assert_eq!(
        it.queue.subscribe(it.channel, ConsumerId::next(), exclusive),
        Err(InExclusiveUse)
    );
    it.queue.unsubscribe(first);
    let alone = it.subscribe(exclusive);
    assert_eq!(
        it.queue
            .subscribe(it.channel, ConsumerId::next(), Subscription::default()),
        Err(InExclusiveUse)
    );
    it.queue.unsubscribe(alone);
    it.subscribe(Subscription::default());
}

#[test]
fn an_exclusive_consumer_is_refused_where_a_single_one_is_active() {
    let mut it = Fixture::with(QueueSettings {
        single_active_consumer: true,
        ..QueueSettings::default()
    });
    let exclusive = Subscription {
        exclusive: true,
        ..Subscription::default()
    };
    assert_eq!(
        it.queue.subscribe(it.channel, ConsumerId::next(), exclusive),
        Err(InExclusiveUse)
    );
}

#[test]
fn an_active_consumer_may_yield_to_a_higher_priority_once_it_holds_nothing() {
    let mut it = Fixture::with(QueueSettings {
        single_active_consumer: true,
        yields_to_priority: true,
        ..QueueSettings::default()
    });
    let first = it.subscribed(1);
    it.publish(&["a", "b"]);
    let keys = it.keys();
    assert_eq!((keys.len(), it.queue.ready()), (1, 1));
    it.credit(first, 5);
    let (channel, eager) = (ChannelId::next(), ConsumerId::next());
    let high = Subscription {
        priority: 1,
        ..Subscription::default()
    };
    it.queue.subscribe(channel, eager, high).unwrap();
    it.credit(eager, 1);
    assert_eq!(it.pass(), [], "the first one has something to settle");
    assert_eq!(it.queue.active_consumer(), Some(first));
    it.queue.settle(it.channel, Outcome::Ack, &keys);
    assert_eq!(it.pass(), [(eager, owned(&["b"]))]);
    it.publish(&["c"]);
    it.queue.unsubscribe(eager);
    assert_eq!(it.pass(), [(first, owned(&["c"]))], "it still has its credit");
    let other = ConsumerId::next();
    it.queue.subscribe(channel, other, high).unwrap();
    it.queue.unsubscribe(other);
    it.publish(&["d"]);
    assert_eq!(it.pass(), [(first, owned(&["d"]))], "nobody is left to yield to");
}

#[test]
fn only_the_active_consumer_is_served_and_the_next_takes_over() {
    let mut it = Fixture::with(QueueSettings {
        single_active_consumer: true,
        ..QueueSettings::default()
    });
    let first = it.subscribed(1);
    let second = it.subscribed(9);
    let third = it.subscribe(Subscription {
        priority: 1,
        ..Subscription::default()
    });
    it.credit(third, 9);
    it.publish(&["a", "b", "c"]);
    assert_eq!(
        it.pass(),
        [(first, owned(&["a"]))],
        "without credit it stays the active one, whatever priority waits"
    );
    it.queue.unsubscribe(first);
    assert_eq!(
        it.pass(),
        [(third, owned(&["b", "c"]))],
        "the higher priority goes before the older"
    );
    assert_eq!(
        it.queue.unacked(),
        3,
        "what the first one got stays with its channel"
    );
    it.queue.unsubscribe(third);
    assert_eq!(it.queue.active_consumer(), Some(second));
}

#[test]
fn an_auto_delete_queue_is_abandoned_by_its_last_consumer_only() {
    let mut it = Fixture::with(QueueSettings {
        auto_delete: true,
        ..QueueSettings::default()
    });
    assert!(!it.queue.abandoned(), "it never had one");
    it.subscribed(1);
    assert!(!it.queue.abandoned());
    it.queue.detach(it.channel);
    assert!(it.queue.abandoned());
}

#[test]
fn a_consumer_on_offer_is_offered_messages_once() {
    let mut it = Fixture::new();
    let consumer = it.subscribe(on_offer());
    assert_eq!(it.queue.dispatch(9).offers, [], "there is nothing to offer");
    it.publish(&["a"]);
    assert_eq!(it.queue.dispatch(9).offers, [consumer]);
    it.publish(&["b"]);
    assert_eq!(it.queue.dispatch(9).offers, [], "the offer stands");
    it.credit(consumer, 5);
    let pass = it.queue.dispatch(9);
    assert_eq!(bodies(&pass.handouts[0].1), ["a", "b"]);
    assert_eq!(pass.unused, [(consumer, 3)]);
}

#[test]
fn standing_credit_is_taken_back_when_a_consumer_is_moved_to_offers() {
    let mut it = Fixture::new();
    let consumer = it.subscribed(7);
    it.queue.set_on_offer(consumer, true);
    it.publish(&["a"]);
    let pass = it.queue.dispatch(9);
    assert_eq!((pass.unused, pass.offers), (vec![(consumer, 7)], vec![consumer]));
    it.queue.set_on_offer(consumer, false);
    it.credit(consumer, 1);
    assert_eq!(it.pass(), [(consumer, owned(&["a"]))]);
}

#[test]
fn a_million_small_messages_wait_in_far_less_than_a_hundred_mebibytes() {
    let mut it = Fixture::new();
    for _ in 0..1_000 {
        it.publish(&["sixteen bytes ..."; 1_000]);
    }
    assert_eq!(it.queue.ready(), 1_000_000);
    let entries = 16 * 1_000_000;
    assert!(it.queue.bytes() + entries < 50 * 1024 * 1024);
}

#[test]
fn messages_published_one_by_one_share_pages_once_they_wait() {
    let mut it = Fixture::new();
    for _ in 0..100_000 {
        it.publish(&["sixteen bytes .."]);
    }
    let alone = 12 + 2 + 3 + 16;
    assert!(it.queue.bytes() < 100_000 * alone * 2 + 256 * 1024);
    for _ in 0..100_000 {
        assert_eq!(it.get().0, "sixteen bytes ..");
    }
    assert_eq!(it.queue.bytes(), 0);
}

#[test]
fn stragglers_do_not_keep_their_pages() {
    let mut it = Fixture::new();
    let body = "x".repeat(1_000);
    it.subscribed(MUCH);
    let mut stuck = Vec::new();
    for _ in 0..1_000 {
        it.publish(&[body.as_str(); 100]);
        let mut keys = it.keys();
        stuck.extend(keys.pop());
        it.queue.settle(it.channel, Outcome::Ack, &keys);
        let consumers: Vec<ConsumerId> = it.queue.consumer_ids().collect();
        it.credit(consumers[0], 100);
    }
    assert_eq!(it.queue.unacked(), 1_000);
    assert!(it.queue.bytes() < 3 * 1024 * 1024, "{} bytes", it.queue.bytes());
    assert_eq!(it.queue.settle(it.channel, Outcome::Requeue, &stuck), 1_000);
    for _ in 0..1_000 {
        assert_eq!(it.get(), (body.clone(), true));
    }
    assert_eq!(it.queue.bytes(), 0);
}

#[test]
fn pages_of_many_stragglers_are_given_up_a_few_at_a_time() {
    let mut it = Fixture::new();
    for first in (0..200_000).step_by(1_000) {
        let mut page = PageBuilder::new();
        let push = |_| page.push("", "q", &[0, 0], false, Body::Slice(&[0; 16]));
        let offsets: Vec<u32> = (0..1_000).map(push).collect();
        let page = page.finish();
        it.queue.enqueue(page.clone(), &offsets);
        let deadlines = (0..1_000).map(|place| if place % 3 == 0 { 9_999 } else { 10 });
        let stamps = Stamps::Each(deadlines.collect());
        it.queue.stamp(first, &page, &offsets, &stamps, 1);
    }
    let all = it.queue.bytes();
    assert!(!it.queue.expire(10, usize::MAX));
    let mut turns = 1;
    while it.queue.compact_further() {
        turns += 1;
    }
    assert!((3..30).contains(&turns), "{turns} turns for 67,000 messages");
    assert!(it.queue.bytes() < all * 2 / 5, "{} of {all}", it.queue.bytes());
    assert_eq!(it.queue.ready() as usize, 200 * 334);
    assert!(!it.queue.expire(10_000, usize::MAX));
    assert_eq!((it.queue.ready(), it.queue.bytes()), (0, 0));
}

/// A queue whose journal has 20,000 messages that are all dead, since it may not keep any.
fn dead_in_a_journal() -> Fixture {
    let mut fixture = Fixture::with(QueueSettings {
        journaled: true,
        ..QueueSettings::default()
    });
    fixture.queue.amend(&Effective {
        max_length: Some(0),
        dead_letter_exchange: Some("dlx".into()),
        ..Effective::default()
    });
    let mut page = PageBuilder::new();
    let body = [0; 100];
    let offsets = Vec::from_iter((0..20_000).map(|_| page.push("", "q", &[0, 0], true, Body::Slice(&body))));
    fixture.queue.enqueue(page.finish(), &offsets);
    assert!(!fixture.queue.drop_excess(usize::MAX));
    fixture.queue.synced_below(fixture.queue.next_position());
    fixture
}

#[test]
fn the_dead_leave_memory_beyond_what_the_forwarder_can_have_soon() {
    let mut fixture = dead_in_a_journal();
    let queue = &mut fixture.queue;
    let before = queue.bytes();
    assert!(queue.evict_held(false).is_empty(), "the journal has them");
    queue.give_up_pages();
    assert!(queue.bytes() < before / 4, "{} of {before} bytes", queue.bytes());

    let forwarder = ChannelId::next();
    let convoy = queue.next_dead(forwarder).unwrap();
    assert_eq!(convoy.len(), 4_096);
    assert_eq!(queue.load(1 << 20), None, "the forwarder has enough");
    assert_eq!(queue.settle_dead(forwarder, 0..=4_095), 4_096);
    let load = queue.load(1 << 20).unwrap();
    assert_eq!(
        load.positions,
        [Positions {
            first: 4_096,
            last: 19_999
        }]
    );
}

#[test]
fn what_is_to_be_written_is_found_though_others_of_its_page_leave_at_once() {
    let mut fixture = Fixture::with(QueueSettings {
        journaled: true,
        ..QueueSettings::default()
    });
    let mut page = PageBuilder::new();
    let push = |persistent| page.push("", "q", &[0, 0], persistent, Body::Slice(&[0; 1_000]));
    let offsets: Vec<u32> = (0..1_000).map(|number| number < 900).map(push).collect();
    fixture.queue.enqueue(page.finish(), &offsets);
    fixture.queue.synced_below(1_000);
    let spills = fixture.queue.evict(0, true);
    let written: Vec<u64> = spills
        .iter()
        .flat_map(|spill| &spill.messages)
        .map(|&(position, _)| position)
        .collect();
    // They leave by groups, of which that with the first transient one is written whole.
    assert!(written.first().is_some_and(|&first| first <= 900));
    assert!(written.iter().copied().eq(written[0]..1_000), "{written:?}");
}

#[test]
fn what_a_full_queue_refuses_is_dropped_when_its_dead_letters_go_nowhere() {
    let mut fixture = dead_in_a_journal();
    let mut page = PageBuilder::new();
    let offset = page.push("", "q", &[0, 0], true, Body::Slice(b"refused"));
    let before = fixture.queue.bytes();
    fixture.queue.enqueue_dead(page.finish(), &[offset]);
    assert_eq!(fixture.queue.bytes(), before);
}

#[test]
fn only_messages_of_different_priorities_are_looked_at_before_the_first_is_handed_out() {
    let looks = |priorities, alike| {
        let mut queue = QueueState::new(QueueSettings {
            journaled: true,
            priorities,
            ..QueueSettings::default()
        });
        let positions = Positions { first: 0, last: 9 };
        queue.restore(Kept {
            waiting: Some(Run {
                positions,
                messages: 10,
            }),
            next_position: 10,
            alike,
            ..Kept::default()
        });
        assert_eq!(queue.ready(), 10);
        queue.in_review()
    };
    for priorities in [Priorities::up_to(9), Priorities::QUORUM] {
        assert!(looks(priorities, Alike::Unknown));
        assert!(!looks(priorities, Alike::All(None)));
        assert!(!looks(priorities, Alike::All(Some(0))));
    }
    assert!(!looks(Priorities::default(), Alike::Unknown));
}
