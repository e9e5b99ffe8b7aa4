//! How many messages a pass hands out. Pure.
//!
//! A pass has a bound, so that other actors of the thread run. What comes between two passes has another one: where publishers
//! send all they can, it is some reads of theirs, and may be more than the first. A queue would then fall ever further behind,
//! though its consumers read faster than it serves them. So a pass hands out all that came since the one before, and
//! some of what waited: a backlog shrinks whatever comes, as long as consumers have credit. It grows only while they have none,
//! and that holds no publisher up.

/// Messages handed out in one pass; more wait for the next turn.
const MOST_DISPATCHED: usize = 4096;
/// So many for each consumer, if there are many of them: with a mail and a wake-up for every few messages, these cost more
/// than the messages.
const FOR_EACH: usize = 16;
/// And never more than that for their number.
const MOST_FOR_MANY: usize = 4 * MOST_DISPATCHED;
/// When much has come, this part of it more is handed out.
const OF_THE_BACKLOG: usize = 4;

/// How many messages a pass may hand out to so many consumers, when so many came since the one before.
#[inline]
pub(super) fn most(consumers: usize, came: usize) -> usize {
    let bound = (FOR_EACH * consumers).clamp(MOST_DISPATCHED, MOST_FOR_MANY);
    bound.max(came + came / OF_THE_BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue whose consumers take what they are handed, and that takes in what has come before each pass.
    fn backlog_after(passes: usize, mut backlog: usize, comes: impl Fn(usize) -> usize) -> usize {
        for pass in 0..passes {
            let came = comes(pass);
            backlog += came;
            backlog -= most(10, came).min(backlog);
        }
        backlog
    }

    #[test]
    fn nothing_waits_for_consumers_who_take_all_however_much_comes() {
        for came in [1, 4_095, 4_096, 5_041, 13_000, 53_000] {
            assert_eq!(backlog_after(100, 0, |_| came), 0, "{came} at a time");
        }
        assert_eq!(backlog_after(1_000, 0, |pass| pass * 7_919 % 9_000), 0);
    }

    #[test]
    fn a_backlog_shrinks_while_more_comes() {
        for came in [0, 3_000, 4_095, 5_041, 13_000] {
            let left = backlog_after(100, 1_000_000, |_| came);
            assert!(left <= 1_000_000 - 100 * 800, "{left} left with {came} at a time");
        }
    }

    #[test]
    fn a_pass_for_many_consumers_is_longer_within_a_bound() {
        assert_eq!(most(1, 0), MOST_DISPATCHED);
        assert_eq!(most(1_000, 100), 16_000);
        assert_eq!(most(usize::MAX / FOR_EACH, 100), MOST_FOR_MANY);
    }
}
