//! Resources that run low: while one does, publishers are not read from.
//!
//! Whoever watches a resource raises and clears its alarm; connections look at the flags with each
//! batch they read, which costs one load, and are woken when the last alarm is cleared.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// A resource that can run low.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// Memory.
    Memory = 1,
    /// Disk space, or a disk that can be written at all.
    Disk = 2,
}

/// Who found a resource low. Each clears what it raised itself, so that none hides what another sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observer {
    /// The program the broker runs in, through [`Broker::set_alarm`](crate::broker::Broker::set_alarm).
    Program = 0,
    /// The broker, which watches its memory and the free space of its disk.
    Watch = 1,
    /// The journal, which can't write.
    Journal = 2,
}

/// The alarms that are raised.
#[derive(Debug, Default)]
pub struct Alarms {
    /// Two bits for each observer: the alarms it has raised.
    raised: AtomicU8,
}

impl Alarms {
    /// Raises or clears an alarm for one observer; returns what is raised before and after, by whomever.
    pub(crate) fn set(&self, observer: Observer, alarm: Alarm, raised: bool) -> (Raised, Raised) {
        let bit = (alarm as u8) << (2 * observer as u8);
        let before = if raised {
            self.raised.fetch_or(bit, Ordering::AcqRel)
        } else {
            self.raised.fetch_and(!bit, Ordering::AcqRel)
        };
        let after = if raised { before | bit } else { before & !bit };
        (Raised::by_anyone(before), Raised::by_anyone(after))
    }

    /// What is raised.
    pub fn raised(&self) -> Raised {
        Raised::by_anyone(self.raised.load(Ordering::Acquire))
    }
}

/// Which alarms are raised; displays as the reason that connection.blocked gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised(u8);

impl Raised {
    fn by_anyone(bits: u8) -> Self {
        Raised((bits | bits >> 2 | bits >> 4) & (Alarm::Memory as u8 | Alarm::Disk as u8))
    }

    /// Whether any is.
    pub fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether this one is.
    pub fn includes(self, alarm: Alarm) -> bool {
        self.0 & alarm as u8 != 0
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str(""),
            1 => f.write_str("low on memory"),
            2 => f.write_str("low on disk"),
            _ => f.write_str("low on memory & disk"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(alarms: &Alarms, observer: Observer, alarm: Alarm, raised: bool) -> String {
        alarms.set(observer, alarm, raised).1.to_string()
    }

    #[test]
    fn the_reason_names_every_resource_that_is_low() {
        let alarms = Alarms::default();
        let set = |alarm, raised| after(&alarms, Observer::Watch, alarm, raised);
        assert!(!alarms.raised().any());
        assert_eq!(set(Alarm::Memory, true), "low on memory");
        assert_eq!(set(Alarm::Disk, true), "low on memory & disk");
        assert!(alarms.raised().includes(Alarm::Disk));
        assert_eq!(set(Alarm::Memory, false), "low on disk");
        assert!(!alarms.raised().includes(Alarm::Memory));
        assert_eq!(set(Alarm::Disk, false), "");
        assert!(!alarms.raised().any());
    }

    #[test]
    fn an_alarm_is_over_when_all_who_raised_it_have_cleared_it() {
        let alarms = Alarms::default();
        assert_eq!(after(&alarms, Observer::Watch, Alarm::Disk, true), "low on disk");
        assert_eq!(
            after(&alarms, Observer::Journal, Alarm::Disk, true),
            "low on disk"
        );
        assert_eq!(after(&alarms, Observer::Watch, Alarm::Disk, false), "low on disk");
        assert_eq!(
            after(&alarms, Observer::Program, Alarm::Disk, false),
            "low on disk"
        );
        assert_eq!(after(&alarms, Observer::Journal, Alarm::Disk, false), "");
    }
}
