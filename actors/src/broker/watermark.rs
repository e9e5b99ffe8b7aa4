//! When a resource is low, and when no longer: a limit with some distance between the two, so that a reading that
//! hovers around it does not stop and start every publisher with each look.

/// The distance, as a part of the limit: a twentieth.
const DISTANCE: u64 = 20;

/// What may not be passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// At most this much may be used.
    Most(u64),
    /// At least this much must be left.
    Least(u64),
}

impl Limit {
    /// The reading at which an alarm is over.
    pub(super) fn clears_at(self) -> u64 {
        match self {
            Limit::Most(limit) => limit - limit / DISTANCE,
            Limit::Least(limit) => limit.saturating_add(limit / DISTANCE),
        }
    }
}

/// What a reading changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Low,
    Enough,
}

/// The alarm of one resource.
#[derive(Debug)]
pub(super) struct Watermark {
    limit: Limit,
    low: bool,
}

impl Watermark {
    pub(super) fn new(limit: Limit) -> Self {
        Watermark { limit, low: false }
    }

    pub(super) fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether the resource was low at the last reading.
    pub(super) fn is_low(&self) -> bool {
        self.low
    }

    /// Takes in a reading.
    pub(super) fn read(&mut self, reading: u64) -> Option<Change> {
        let low = match (self.limit, self.low) {
            (Limit::Most(limit), false) => reading > limit,
            (Limit::Most(_), true) => reading >= self.limit.clears_at(),
            (Limit::Least(limit), false) => reading < limit,
            (Limit::Least(_), true) => reading < self.limit.clears_at(),
        };
        let changed = std::mem::replace(&mut self.low, low) != low;
        changed.then_some(if low { Change::Low } else { Change::Enough })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(limit: Limit, readings: &[u64]) -> Vec<Option<Change>> {
        let mut watermark = Watermark::new(limit);
        readings.iter().map(|reading| watermark.read(*reading)).collect()
    }

    #[test]
    fn memory_is_low_above_its_limit_until_a_twentieth_below_it() {
        let readings = [1000, 1001, 1000, 950, 949, 1000, 1001];
        let low = Some(Change::Low);
        let enough = Some(Change::Enough);
        assert_eq!(
            changes(Limit::Most(1000), &readings),
            [None, low, None, None, enough, None, low]
        );
    }

    #[test]
    fn the_disk_is_low_below_its_limit_until_a_twentieth_above_it() {
        let readings = [1000, 999, 1000, 1049, 1050, 1000, 999];
        let low = Some(Change::Low);
        let enough = Some(Change::Enough);
        assert_eq!(
            changes(Limit::Least(1000), &readings),
            [None, low, None, None, enough, None, low]
        );
    }

    #[test]
    fn no_limit_is_never_passed() {
        assert_eq!(changes(Limit::Most(u64::MAX), &[0, u64::MAX]), [None, None]);
        assert_eq!(changes(Limit::Least(0), &[u64::MAX, 0]), [None, None]);
    }
}
