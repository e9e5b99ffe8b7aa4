//! How a publisher is answered with as few methods as can be. Pure.

/// What happened to publications a queue that is gone never answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The queue was deleted: they count as delivered.
    Ack,
    /// The queue crashed: they may be lost.
    Nack,
}

/// One `basic.ack` or `basic.nack` to the publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// A `basic.nack`.
    pub nack: bool,
    /// The delivery tag: the number of the publication.
    pub tag: u64,
    /// All unanswered up to the tag are meant.
    pub multiple: bool,
}

/// Answers for runs of publications: with one method for those below `limit`, and one each for the others.
/// No run crosses the limit, which is itself open or answered differently.
pub(super) fn answer(nack: bool, runs: &mut Vec<(u64, u64)>, limit: u64, sink: &mut impl FnMut(Answer)) {
    answer_below(nack, runs, limit, sink);
    runs.sort_unstable();
    for (first, last) in runs.drain(..) {
        (first..=last).for_each(|tag| {
            sink(Answer {
                nack,
                tag,
                multiple: false,
            })
        });
    }
}

/// Answers for runs of publications below `limit`, with one method. The others are left.
pub(super) fn answer_below(
    nack: bool,
    runs: &mut Vec<(u64, u64)>,
    limit: u64,
    sink: &mut impl FnMut(Answer),
) {
    let (mut covered, mut tag) = (0, 0);
    runs.retain(|&(first, last)| {
        if first < limit {
            covered += last - first + 1;
            tag = tag.max(last);
        }
        first >= limit
    });
    if covered > 0 {
        sink(Answer {
            nack,
            tag,
            multiple: covered > 1,
        });
    }
}
