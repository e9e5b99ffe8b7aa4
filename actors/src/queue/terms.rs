//! What arguments and policies alike say of how a queue keeps its messages, and what holds when both do.

use std::time::Duration;

use crate::name::Name;

/// The longest time a queue or a message may be given, in milliseconds: ten years.
pub(crate) const LONGEST_TIME: i64 = 315_360_000_000;

/// How a queue keeps its messages, as far as one source says: the declaration, a policy or an operator policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How long a message may wait.
    pub message_ttl: Option<Duration>,
    /// How long the queue lives unused; never zero.
    pub expires: Option<Duration>,
    /// How many ready messages it holds.
    pub max_length: Option<u64>,
    /// How many bytes the bodies of its ready messages may be together.
    pub max_length_bytes: Option<u64>,
    /// What happens to the message that would be one too many.
    pub overflow: Option<Overflow>,
    /// Where messages go that expire, are rejected or are one too many; it need not exist.
    pub dead_letter_exchange: Option<Name>,
    /// The routing key they get; `None` keeps theirs.
    pub dead_letter_routing_key: Option<Name>,
    /// How often a message may come back.
    pub delivery_limit: Option<DeliveryLimit>,
    /// Which returned messages wait before they are ready again.
    pub retry: Option<RetryType>,
    /// How long a message waits after its first return.
    pub retry_min: Option<Duration>,
    /// The longest a message waits after a return.
    pub retry_max: Option<Duration>,
    /// How long a consumer may keep a message unsettled; zero for as long as it likes.
    pub consumer_timeout: Option<Duration>,
}

/// What happens when a queue of limited length is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest message makes room.
    #[default]
    DropHead,
    /// The new message is refused.
    RejectPublish,
    /// The new message is refused and dead-lettered.
    RejectPublishDlx,
}

/// How often a message may come back to its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryLimit {
    /// So often; with the next return it dies.
    Returns(u32),
    /// As often as it likes.
    Unlimited,
}

/// What `x-delayed-retry-type` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryType {
    /// Returned messages are ready at once.
    Disabled,
    /// These wait.
    Delayed(RetryKind),
}

/// Which returned messages wait before they are ready again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryKind {
    /// Those of both other kinds.
    All,
    /// Those whose processing failed.
    Failed,
    /// Those that were given back unprocessed.
    Returned,
}

impl Terms {
    /// What holds when `self` goes before `other`: of two numbers the smaller one, of two words the one of `self`.
    #[must_use]
    pub fn before(&self, other: &Terms) -> Terms {
        Terms {
            message_ttl: smaller(self.message_ttl, other.message_ttl),
            expires: smaller(self.expires, other.expires),
            max_length: smaller(self.max_length, other.max_length),
            max_length_bytes: smaller(self.max_length_bytes, other.max_length_bytes),
            overflow: self.overflow.or(other.overflow),
            dead_letter_exchange: first(&self.dead_letter_exchange, &other.dead_letter_exchange),
            dead_letter_routing_key: first(&self.dead_letter_routing_key, &other.dead_letter_routing_key),
            delivery_limit: smaller(self.delivery_limit, other.delivery_limit),
            retry: self.retry.or(other.retry),
            retry_min: smaller(self.retry_min, other.retry_min),
            retry_max: smaller(self.retry_max, other.retry_max),
            consumer_timeout: shorter(self.consumer_timeout, other.consumer_timeout),
        }
    }
}

impl DeliveryLimit {
    /// Any negative number means none.
    #[must_use]
    pub fn of(number: i64) -> Self {
        match u64::try_from(number) {
            Ok(returns) => DeliveryLimit::Returns(u32::try_from(returns).unwrap_or(u32::MAX)),
            Err(_) => DeliveryLimit::Unlimited,
        }
    }

    /// The number, unless there is no limit.
    #[must_use]
    pub fn returns(self) -> Option<u32> {
        match self {
            DeliveryLimit::Returns(returns) => Some(returns),
            DeliveryLimit::Unlimited => None,
        }
    }
}

impl Ord for DeliveryLimit {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = |limit: &Self| limit.returns().map_or(u64::MAX, u64::from);
        order(self).cmp(&order(other))
    }
}

impl PartialOrd for DeliveryLimit {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl RetryType {
    /// Reads the value of `x-delayed-retry-type`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "disabled" => Some(RetryType::Disabled),
            "all" => Some(RetryType::Delayed(RetryKind::All)),
            "failed" => Some(RetryType::Delayed(RetryKind::Failed)),
            "returned" => Some(RetryType::Delayed(RetryKind::Returned)),
            _ => None,
        }
    }
}

impl Overflow {
    /// Reads the value of `x-overflow`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "drop-head" => Some(Overflow::DropHead),
            "reject-publish" => Some(Overflow::RejectPublish),
            "reject-publish-dlx" => Some(Overflow::RejectPublishDlx),
            _ => None,
        }
    }
}

fn smaller<T: Ord>(one: Option<T>, two: Option<T>) -> Option<T> {
    match (one, two) {
        (Some(one), Some(two)) => Some(one.min(two)),
        (one, two) => one.or(two),
    }
}

/// As [`smaller`], where zero is longer than any time.
fn shorter(one: Option<Duration>, two: Option<Duration>) -> Option<Duration> {
    let endless = |time: &Option<Duration>| time.is_some_and(|time| time.is_zero());
    match (endless(&one), endless(&two)) {
        (true, false) => two.or(one),
        (false, true) => one.or(two),
        _ => smaller(one, two),
    }
}

fn first(one: &Option<Name>, two: &Option<Name>) -> Option<Name> {
    one.as_ref().or(two.as_ref()).cloned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(length: Option<u64>, limit: Option<i64>) -> Terms {
        Terms {
            max_length: length,
            delivery_limit: limit.map(DeliveryLimit::of),
            ..Terms::default()
        }
    }

    proptest! {
        #[test]
        fn of_two_numbers_the_smaller_holds_whoever_says_it(one: Option<u64>, two: Option<u64>) {
            let merged = numbers(one, None).before(&numbers(two, None)).max_length;
            prop_assert_eq!(merged, [one, two].into_iter().flatten().min());
        }

        #[test]
        fn saying_the_same_twice_changes_nothing(length: Option<u64>, limit: Option<i64>) {
            let terms = numbers(length, limit);
            prop_assert_eq!(terms.before(&terms), terms.clone());
            prop_assert_eq!(terms.before(&Terms::default()), terms.clone());
            prop_assert_eq!(Terms::default().before(&terms), terms);
        }
    }

    #[test]
    fn no_delivery_limit_gives_way_to_any() {
        let limited = |one, two| {
            numbers(None, Some(one))
                .before(&numbers(None, Some(two)))
                .delivery_limit
        };
        assert_eq!(limited(-1, 5), Some(DeliveryLimit::Returns(5)));
        assert_eq!(limited(0, -1), Some(DeliveryLimit::Returns(0)));
        assert_eq!(limited(-7, -1), Some(DeliveryLimit::Unlimited));
        assert_eq!(limited(i64::MAX, 9), Some(DeliveryLimit::Returns(9)));
    }

    #[test]
    fn of_two_words_the_first_holds() {
        let words = |overflow, exchange: &str| Terms {
            overflow: Some(overflow),
            dead_letter_exchange: Some(Name::from(exchange)),
            ..Terms::default()
        };
        let (one, two) = (
            words(Overflow::RejectPublish, "one"),
            words(Overflow::DropHead, "two"),
        );
        assert_eq!(one.before(&two), one);
        assert_eq!(two.before(&one), two);
    }
}
