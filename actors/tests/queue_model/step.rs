//! What may happen to a queue.

use std::time::Duration;

use leveret_actors::id::HallId;
use leveret_actors::publication::Seat;
use leveret_actors::queue::effective::{Effective, Retry};
use leveret_actors::queue::terms::{Overflow, RetryKind};
use leveret_actors::queue::{Fate, Grant, Outcome, Priorities, Subscription};
use leveret_protocol::properties::OwnedProperties;
use proptest::{collection::vec, prelude::*, sample::Index};

/// Channels that use the queue.
pub(crate) const CHANNELS: usize = 3;
/// Sizes of bodies, small, large, and shared by reference.
pub(crate) const BODY_SIZES: [usize; 5] = [8, 16, 300, 9_000, 40_000];

/// A command, with picks among what is there when it comes.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Enqueue(Vec<usize>),
    Settle(Outcome, usize, Vec<Index>),
    /// Messages are taken away, most of which wait.
    TakeAway(Vec<Index>, Fate),
    GiveBack(usize, Vec<Index>),
    Detach(usize),
    Subscribe(usize, Subscription),
    Unsubscribe(Index),
    SetOnOffer(Index, bool),
    Credit(Index, Grant),
    Get(usize, bool),
    Purge,
    Dispatch(usize),
    /// What waits leaves memory but for so many bytes; also what only a scratch log can take.
    Evict(u64, bool),
    EvictHeld(bool),
    /// The journal has all there is.
    Synced,
    /// The scratch log has all there is.
    Scratched,
    /// The queue asks for messages.
    Load,
    /// It gets so many of them, and one can't be read.
    Answer(usize, Option<Index>),
    /// Those die that are too many.
    DropExcess,
    /// The forwarder gets what it may have.
    Forward,
    /// It is done with some.
    SettleDead(Vec<Index>),
    /// It gives some back.
    Resurrect(Vec<Index>),
    /// It is lost.
    LoseForwarder,
    /// The broker is started again, after an end in order or another.
    Restart(bool),
    /// So many milliseconds pass, and of those whose time is over so many die at once.
    Pass(u64, usize),
    /// Somebody looks at messages from one on: so many and so many bytes, of which so many are read at once, maybe while others are
    /// read.
    Browse(Index, (usize, u64), usize, bool),
    /// A policy changes how long the queue may get.
    Amend(Length),
}

/// How long the queue may get, and what becomes of what is one too many.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Length {
    pub(crate) messages: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) overflow: Overflow,
}

/// Any length.
pub(crate) fn length() -> impl Strategy<Value = Length> {
    let messages = prop::option::weighted(0.3, 0..40_u64);
    let bytes = prop::option::weighted(0.6, prop_oneof![Just(0), 0..2_000_u64, 0..400_000_u64]);
    let overflow = prop_oneof![
        2 => Just(Overflow::DropHead),
        1 => Just(Overflow::RejectPublish),
        1 => Just(Overflow::RejectPublishDlx)
    ];
    (messages, bytes, overflow).prop_map(|(messages, bytes, overflow)| Length {
        messages,
        bytes,
        overflow,
    })
}

/// What may hold for messages that come back.
pub(crate) fn effective() -> impl Strategy<Value = Effective> {
    let limit = prop::option::of(0..4_u32);
    let kind = prop_oneof![
        Just(RetryKind::All),
        Just(RetryKind::Failed),
        Just(RetryKind::Returned)
    ];
    let retry = prop::option::of((kind, 1..500_u64, 1..3_u64)).prop_map(|retry| {
        retry.map(|(kind, min, times)| Retry {
            kind,
            min: Duration::from_millis(min),
            max: Duration::from_millis(min * times),
        })
    });
    (any::<bool>(), limit, retry).prop_map(|(counts, delivery_limit, retry)| Effective {
        counts_deliveries: counts || delivery_limit.is_some() || retry.is_some(),
        delivery_limit,
        retry,
        ..Effective::default()
    })
}

/// The priority of a message.
pub(crate) fn priorities() -> impl Strategy<Value = Priorities> {
    prop_oneof![
        prop_oneof![Just(0), Just(1), Just(2), Just(255)].prop_map(Priorities::up_to),
        Just(Priorities::QUORUM),
    ]
}

/// What the message of a number says: runs are alike, others not.
pub(crate) fn priority(number: u64) -> Option<u8> {
    match number / 16 % 3 {
        0 => None,
        1 => [None, Some(2), Some(0), Some(200), Some(1), Some(2), None][number as usize % 7],
        _ => Some(0),
    }
}

/// How long a message may wait, when so many neighbours may wait equally long.
pub(crate) fn ttl(number: u64, alike: u64) -> Option<u64> {
    [
        None,
        Some(100),
        Some(100),
        Some(30),
        None,
        Some(1_000),
        Some(7),
        Some(0),
    ][(number / alike % 8) as usize]
}

/// The properties of a message.
pub(crate) fn properties(number: u64) -> Vec<u8> {
    let properties = OwnedProperties {
        priority: priority(number),
        ..OwnedProperties::default()
    };
    properties.encode().to_vec()
}

/// Any step.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let channel = 0..CHANNELS;
    let picks = || vec(any::<Index>(), 0..8);
    let outcome = prop_oneof![4 => Just(Outcome::Ack), 2 => Just(Outcome::Requeue), 2 => Just(Outcome::Fail), 1 => Just(Outcome::Reject)];
    let subscription = (
        any::<bool>(),
        prop::bool::weighted(0.1),
        -1..2_i64,
        prop::bool::weighted(0.3),
    )
        .prop_map(|(no_ack, exclusive, priority, on_offer)| Subscription {
            no_ack,
            exclusive,
            priority,
            on_offer,
            timeout: None,
            seat: no_ack.then_some(Seat {
                hall: HallId(1),
                number: 7,
            }),
        });
    let grant = (0..12_u32, prop_oneof![0..100_u32, 0..100_000_u32])
        .prop_map(|(messages, bytes)| Grant { messages, bytes });
    prop_oneof![
        5 => vec(0..BODY_SIZES.len(), 1..20).prop_map(Step::Enqueue),
        6 => (outcome, channel.clone(), picks()).prop_map(|(outcome, channel, picks)| Step::Settle(outcome, channel, picks)),
        2 => (channel.clone(), picks()).prop_map(|(channel, picks)| Step::GiveBack(channel, picks)),
        1 => channel.clone().prop_map(Step::Detach),
        3 => (channel.clone(), subscription).prop_map(|(channel, subscription)| Step::Subscribe(channel, subscription)),
        1 => any::<Index>().prop_map(Step::Unsubscribe),
        1 => (any::<Index>(), any::<bool>()).prop_map(|(pick, on_offer)| Step::SetOnOffer(pick, on_offer)),
        6 => (any::<Index>(), grant).prop_map(|(pick, grant)| Step::Credit(pick, grant)),
        2 => (channel, any::<bool>()).prop_map(|(channel, no_ack)| Step::Get(channel, no_ack)),
        1 => Just(Step::Purge),
        8 => (0..40_usize).prop_map(Step::Dispatch),
        3 => (prop_oneof![Just(0), 0..100_000_u64], prop::bool::weighted(0.8)).prop_map(|(keep, scratch)| Step::Evict(keep, scratch)),
        1 => prop::bool::weighted(0.8).prop_map(Step::EvictHeld),
        2 => Just(Step::Synced),
        3 => Just(Step::Scratched),
        3 => Just(Step::Load),
        4 => (0..20_usize, prop::option::weighted(0.1, any::<Index>())).prop_map(|(most, unreadable)| Step::Answer(most, unreadable)),
        1 => Just(Step::DropExcess),
        2 => Just(Step::Forward),
        2 => picks().prop_map(Step::SettleDead),
        2 => picks().prop_map(Step::Resurrect),
        2 => (picks(), prop_oneof![4 => Just(Fate::Redriven), 1 => Just(Fate::Dropped)]).prop_map(|(picks, fate)| Step::TakeAway(picks, fate)),
        1 => Just(Step::LoseForwarder),
        1 => prop::bool::weighted(0.5).prop_map(Step::Restart),
        3 => (prop_oneof![0..80_u64, 0..600_u64], 1..6_usize).prop_map(|(milliseconds, most)| Step::Pass(milliseconds, most)),
        1 => length().prop_map(Step::Amend),
        2 => (any::<Index>(), (1..30_usize, prop_oneof![Just(1), 0..9_000_u64]), 1..10_usize, any::<bool>())
            .prop_map(|(from, bounds, read, between)| Step::Browse(from, bounds, read, between)),
    ]
}
