//! What the machine gave while it was measured: how fast its memory was, and how much of its processors the host kept.
//!
//! The largest cache of a virtual machine's processors belongs to others of its host too. What a broker does with many queues
//! does not fit into the caches that each processor has for itself, and differs by a factor with what is left of that one.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::spread::Spread;

/// Fits into the caches that a processor has for itself.
const NEAR: usize = 512 << 10;
/// Fits only into a cache that processors share.
const FAR: usize = 16 << 20;

/// A load is timed in so many pieces, of which the one in the middle counts: other programs interrupt a few.
const PIECES: usize = 63;
/// Loads in a piece.
const PIECE: usize = 2048;

/// What the machine gave for one round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Conditions {
    /// Nanoseconds that a load from 512 KiB took, just before the round.
    pub(super) near_ns: f64,
    /// Nanoseconds that a load from 16 MiB took, just before the round.
    pub(super) far_ns: f64,
    /// The share of all processors' time that the host gave to others during the round; absent where the system doesn't say.
    pub(super) stolen: Option<f64>,
}

impl Conditions {
    /// Nothing of 16 MiB came from the shared cache: so long a load from memory itself takes.
    pub(super) const SLOW_NS: f64 = 100.0;

    pub(super) fn is_slow(&self) -> bool {
        self.far_ns > Self::SLOW_NS
    }
}

/// Measures the machine. It keeps the memory it reads, 17 MiB, so that all rounds read the same.
#[derive(Debug)]
pub(super) struct Probe {
    near: Chain,
    far: Chain,
}

/// A round that is being measured.
#[derive(Debug)]
pub(super) struct Watch {
    near_ns: f64,
    far_ns: f64,
    before: Option<Ticks>,
}

impl Probe {
    pub(super) fn new() -> Self {
        Self {
            near: Chain::of(NEAR),
            far: Chain::of(FAR),
        }
    }

    /// Measures memory, for 20 to 150 ms, and begins to watch what the host takes.
    pub(super) fn begin(&self) -> Watch {
        Watch {
            near_ns: self.near.nanoseconds_a_load(),
            far_ns: self.far.nanoseconds_a_load(),
            before: Ticks::now(),
        }
    }
}

impl Watch {
    /// The round is over.
    pub(super) fn end(self) -> Conditions {
        let stolen = self.before.zip(Ticks::now());
        Conditions {
            near_ns: self.near_ns,
            far_ns: self.far_ns,
            stolen: stolen.and_then(|(before, now)| now.stolen_since(before)),
        }
    }
}

/// A line of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line {
    /// Which is read after it.
    next: u32,
}

/// Lines that are read one after the other, all of them, in an order that no processor foresees.
#[derive(Debug)]
struct Chain(Vec<Line>);

impl Chain {
    fn of(bytes: usize) -> Self {
        let count = bytes / size_of::<Line>();
        let mut lines: Vec<Line> = (0..count as u32).map(|next| Line { next }).collect();
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        // Sattolo's shuffle makes it one circle.
        for last in (1..count).rev() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            lines.swap(last, (random % last as u64) as usize);
        }
        Self(lines)
    }

    fn follow(&self, from: u32, loads: usize) -> u32 {
        (0..loads).fold(from, |at, _| self.0.get(at as usize).map_or(0, |line| line.next))
    }

    fn nanoseconds_a_load(&self) -> f64 {
        // Once round, so that what fits into the caches is there.
        let mut at = self.follow(0, self.0.len());
        let pieces = (0..PIECES).map(|_| {
            let begun = Instant::now();
            at = black_box(self.follow(at, PIECE));
            begun.elapsed().as_secs_f64() * 1e9 / PIECE as f64
        });
        Spread::of(pieces).map_or(0.0, |spread| spread.median)
    }
}

/// Time of all processors since the system began, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    all: u64,
    /// In which something wanted to run here, and the host ran somebody else.
    stolen: u64,
}

impl Ticks {
    fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Reads the first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal, and what is part of user.
    fn parse(text: &str) -> Option<Self> {
        let fields = text.lines().next()?.strip_prefix("cpu ")?;
        let fields: Option<Vec<u64>> = fields
            .split_whitespace()
            .take(8)
            .map(|field| field.parse().ok())
            .collect();
        let fields = fields.filter(|fields| fields.len() == 8)?;
        Some(Self {
            all: fields.iter().sum(),
            stolen: fields.last().copied()?,
        })
    }

    fn stolen_since(self, before: Self) -> Option<f64> {
        let all = self.all.saturating_sub(before.all);
        let stolen = self.stolen.saturating_sub(before.stolen);
        (all > 0).then(|| stolen as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_chain_leads_past_every_line_before_it_comes_back() {
        let chain = Chain::of(1000 * 64);
        let met: HashSet<u32> = (1..=1000).map(|loads| chain.follow(0, loads)).collect();
        assert_eq!(met.len(), 1000);
        assert_eq!(chain.follow(0, 1000), 0);
    }

    #[test]
    fn a_load_takes_some_time_from_memory_near_and_far() {
        let conditions = Probe::new().begin().end();
        for taken in [conditions.near_ns, conditions.far_ns] {
            assert!(taken > 0.1 && taken < 1e6, "{conditions:?}");
        }
    }

    #[test]
    fn what_the_host_takes_is_a_share_of_the_time_of_all_processors() {
        let before = Ticks::parse("cpu  10 0 10 70 0 0 0 10 5 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!(before, Ticks { all: 100, stolen: 10 });
        let now = Ticks { all: 300, stolen: 60 };
        assert_eq!(now.stolen_since(before), Some(0.25));
        assert_eq!(now.stolen_since(now), None, "no time has passed");
        assert_eq!(
            Ticks::parse("cpu  10 0 10 70\n"),
            None,
            "a system that knows no host"
        );
    }
}
