//! What may happen to a log.

use proptest::prelude::*;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Publish {
        queues: u8,
        size: u16,
        deadlines: u8,
    },
    /// A message of a queue goes to others with its body, once or twice, and is settled sometimes.
    Forward {
        queue: u64,
        from: u16,
        queues: u8,
        times: u8,
        settle: bool,
    },
    Return {
        queue: u64,
        from: u16,
        count: u8,
        due: u64,
    },
    Settle {
        queue: u64,
        from: u16,
        count: u8,
    },
    Delete {
        queue: u64,
    },
    Commit,
    Flush,
    Clean,
    FailSyncs(usize),
    FailWrites(usize),
    Full(u16),
    Heal,
    PowerCut {
        kept: usize,
    },
    Stop {
        checkpoint: bool,
    },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1u8..8, 0u16..300, 0u8..64)
            .prop_map(|(queues, size, deadlines)| Step::Publish { queues, size, deadlines }),
        12 => (0u64..3, any::<u16>(), 1u8..8, 1u8..3, any::<bool>())
            .prop_map(|(queue, from, queues, times, settle)| Step::Forward { queue, from, queues, times, settle }),
        4 => (0u64..3, any::<u16>(), 1u8..6, 0u64..3)
            .prop_map(|(queue, from, count, due)| Step::Return { queue, from, count, due }),
        10 => (0u64..3, any::<u16>(), 1u8..12).prop_map(|(queue, from, count)| Step::Settle { queue, from, count }),
        1 => (0u64..3).prop_map(|queue| Step::Delete { queue }),
        8 => Just(Step::Commit),
        2 => Just(Step::Flush),
        6 => Just(Step::Clean),
        1 => (1usize..4).prop_map(Step::FailSyncs),
        1 => (0usize..4).prop_map(Step::FailWrites),
        1 => (0u16..2000).prop_map(Step::Full),
        3 => Just(Step::Heal),
        2 => (0usize..=1000).prop_map(|kept| Step::PowerCut { kept }),
        2 => any::<bool>().prop_map(|checkpoint| Step::Stop { checkpoint }),
    ]
}
