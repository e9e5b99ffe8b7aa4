//! What holds for a queue: its declaration, a policy and an operator policy merged.

use std::time::Duration;

use crate::deduplication::Deduplication;
use crate::name::Name;
use crate::queue::options::{QueueKind, QueueOptions};
use crate::queue::terms::{DeliveryLimit, Overflow, RetryKind, RetryType, Terms};

/// How often a message of a quorum queue comes back when nobody says otherwise.
const QUORUM_DELIVERY_LIMIT: DeliveryLimit = DeliveryLimit::Returns(20);

/// How long a message waits after its first return when only the kind of retry is said.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// What holds for a queue now; it changes with the policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// How long a message may wait.
    pub message_ttl: Option<Duration>,
    /// How long the queue lives unused; never zero.
    pub expires: Option<Duration>,
    /// How many ready messages it holds.
    pub max_length: Option<u64>,
    /// How many bytes the bodies of its ready messages may be together.
    pub max_length_bytes: Option<u64>,
    /// What happens to the message that would be one too many.
    pub overflow: Overflow,
    /// Where messages go that expire, are rejected or are one too many; it need not exist.
    pub dead_letter_exchange: Option<Name>,
    /// The routing key they get; `None` keeps theirs.
    pub dead_letter_routing_key: Option<Name>,
    /// How often a message may come back; with the next return it dies.
    pub delivery_limit: Option<u32>,
    /// Which returned messages wait before they are ready again, and how long.
    pub retry: Option<Retry>,
    /// How long a consumer may keep a message unsettled; zero for as long as it likes.
    pub consumer_timeout: Option<Duration>,
    /// Which messages are dropped because they were here before.
    pub deduplication: Option<Deduplication>,
    /// Whether the queue counts how often each message comes back: a quorum queue does, and any that has a delivery limit
    /// or delays what is returned.
    pub counts_deliveries: bool,
    /// Whether each message waits for as long as its header `x-delay` says, and is then forwarded. No policy holds for such
    /// a queue.
    pub delays: bool,
}

/// The back-off of returned messages: `min` after the first return, twice that after the second and so on, up to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Which returned messages wait.
    pub kind: RetryKind,
    /// The wait after the first return; never zero.
    pub min: Duration,
    /// The longest wait; at least `min`.
    pub max: Duration,
}

impl Effective {
    /// What holds for a queue declared so, under these policies.
    ///
    /// Of a policy's and an operator policy's numbers the smaller one holds, of their words the operator's; what comes
    /// out is merged with the declaration likewise, whose words go before.
    #[must_use]
    pub fn of(options: &QueueOptions, policy: Option<&Terms>, operator: Option<&Terms>) -> Self {
        if options.waiting_room_of.is_some() {
            return Effective {
                delays: true,
                ..Effective::default()
            };
        }
        let policies = match (policy, operator) {
            (Some(policy), Some(operator)) => operator.before(policy),
            (policy, operator) => policy.or(operator).cloned().unwrap_or_default(),
        };
        let terms = options.terms.before(&policies);
        let quorum = options.kind == QueueKind::Quorum;
        let delivery_limit = terms
            .delivery_limit
            .or(quorum.then_some(QUORUM_DELIVERY_LIMIT))
            .and_then(DeliveryLimit::returns);
        let retry = Retry::of(&terms);
        Effective {
            message_ttl: terms.message_ttl,
            expires: terms.expires,
            max_length: terms.max_length,
            max_length_bytes: terms.max_length_bytes,
            overflow: overflow(options.kind, terms.overflow),
            dead_letter_exchange: terms.dead_letter_exchange,
            dead_letter_routing_key: terms.dead_letter_routing_key,
            counts_deliveries: quorum || delivery_limit.is_some() || retry.is_some(),
            delivery_limit,
            retry,
            consumer_timeout: terms.consumer_timeout,
            deduplication: options.deduplication.clone(),
            delays: false,
        }
    }

    /// The same, with the broker's own limit where nobody says how long a consumer may keep a message.
    #[must_use]
    pub fn or_timeout(self, timeout: Option<Duration>) -> Self {
        Effective {
            consumer_timeout: self.consumer_timeout.or(timeout),
            ..self
        }
    }
}

impl Retry {
    /// Given a time only, all that is returned waits; given a kind only, it waits a second.
    fn of(terms: &Terms) -> Option<Self> {
        let kind = match terms.retry {
            Some(RetryType::Disabled) => return None,
            Some(RetryType::Delayed(kind)) => kind,
            None => terms.retry_min.map(|_| RetryKind::All)?,
        };
        let min = terms.retry_min.unwrap_or(RETRY_MIN);
        Some(Retry {
            kind,
            min,
            max: terms.retry_max.unwrap_or(min).max(min),
        })
        .filter(|retry| !retry.min.is_zero())
    }
}

/// A policy may say to a quorum queue what its declaration may not.
fn overflow(kind: QueueKind, overflow: Option<Overflow>) -> Overflow {
    match (kind, overflow.unwrap_or_default()) {
        (QueueKind::Quorum, Overflow::RejectPublishDlx) => Overflow::DropHead,
        (_, overflow) => overflow,
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::{FieldTable, FieldValue, method::queue::Declare};

    use super::*;

    fn declared<const N: usize>(arguments: [(&str, FieldValue); N]) -> QueueOptions {
        let declare = Declare {
            queue: "q",
            durable: true,
            arguments: FieldTable::from_iter(arguments),
            ..Declare::default()
        };
        QueueOptions::parse(&declare, "/").unwrap()
    }

    fn alone(options: &QueueOptions) -> Effective {
        Effective::of(options, None, None)
    }

    #[test]
    fn a_plain_queue_has_no_terms() {
        assert_eq!(alone(&declared([])), Effective::default());
    }

    #[test]
    fn arguments_hold_without_policies() {
        let options = declared([
            ("x-message-ttl", 5.into()),
            ("x-overflow", "reject-publish".into()),
            ("x-delivery-limit", 3.into()),
            ("x-consumer-timeout", 60_000.into()),
        ]);
        let effective = alone(&options);
        assert_eq!(effective.message_ttl, Some(Duration::from_millis(5)));
        assert_eq!(effective.overflow, Overflow::RejectPublish);
        assert_eq!(effective.delivery_limit, Some(3));
        assert_eq!(effective.consumer_timeout, Some(Duration::from_secs(60)));
        assert!(effective.counts_deliveries);
    }

    #[test]
    fn an_operator_goes_before_a_policy_and_a_declaration_before_both() {
        let said = |overflow, length| Terms {
            overflow: Some(overflow),
            max_length: Some(length),
            ..Terms::default()
        };
        let policy = said(Overflow::DropHead, 5);
        let operator = said(Overflow::RejectPublish, 7);
        let merged = Effective::of(&declared([]), Some(&policy), Some(&operator));
        assert_eq!(
            (merged.overflow, merged.max_length),
            (Overflow::RejectPublish, Some(5))
        );
        let options = declared([("x-overflow", "drop-head".into()), ("x-max-length", 9.into())]);
        let merged = Effective::of(&options, Some(&policy), Some(&operator));
        assert_eq!(
            (merged.overflow, merged.max_length),
            (Overflow::DropHead, Some(5))
        );
        let merged = Effective::of(&options, None, Some(&operator));
        assert_eq!(merged.max_length, Some(7));
    }

    #[test]
    fn a_consumer_timeout_of_zero_lifts_the_broker_s_and_no_policy_s() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let held = |declared: Option<i32>, policy: Option<u64>| {
            let arguments = declared.map(|ms| ("x-consumer-timeout", FieldValue::from(ms)));
            let options = match arguments {
                Some(argument) => self::declared([argument]),
                None => self::declared([]),
            };
            let policy = policy.map(|seconds| Terms {
                consumer_timeout: Some(Duration::from_secs(seconds)),
                ..Terms::default()
            });
            let effective = Effective::of(&options, policy.as_ref(), None);
            effective.or_timeout(seconds(9)).consumer_timeout
        };
        assert_eq!(held(None, None), seconds(9));
        assert_eq!(held(Some(0), None), seconds(0));
        assert_eq!(held(None, Some(0)), seconds(0));
        assert_eq!(held(None, Some(60)), seconds(60));
        assert_eq!(held(Some(0), Some(60)), seconds(60));
        assert_eq!(held(Some(5_000), Some(0)), seconds(5));
        assert_eq!(held(Some(5_000), Some(60)), seconds(5));
    }

    #[test]
    fn retry_waits_between_its_bounds() {
        let retry = |arguments: [(&str, FieldValue); 2]| alone(&declared(arguments)).retry;
        let ms = Duration::from_millis;
        let (kind, min, max) = (
            "x-delayed-retry-type",
            "x-delayed-retry-min",
            "x-delayed-retry-max",
        );
        let expected = |kind, min, max| Some(Retry { kind, min, max });
        assert_eq!(
            retry([(kind, "failed".into()), (min, 20.into())]),
            expected(RetryKind::Failed, ms(20), ms(20))
        );
        assert_eq!(
            retry([(min, 20.into()), (max, 100.into())]),
            expected(RetryKind::All, ms(20), ms(100))
        );
        assert_eq!(
            retry([(kind, "returned".into()), (max, 5_000.into())]),
            expected(RetryKind::Returned, ms(1_000), ms(5_000))
        );
        assert_eq!(retry([(kind, "disabled".into()), (min, 20.into())]), None);
        assert_eq!(retry([(kind, "all".into()), (min, 0.into())]), None);
    }
}
