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
    /// Free disk space.
    Disk = 2,
}

/// The alarms that are raised.
#[derive(Debug, Default)]
pub struct Alarms {
    raised: AtomicU8,
}

impl Alarms {
    /// Raises or clears an alarm; returns what is raised now.
    pub fn set(&self, alarm: Alarm, raised: bool) -> Raised {
        let bit = alarm as u8;
        let before = if raised {
            self.raised.fetch_or(bit, Ordering::AcqRel)
        } else {
            self.raised.fetch_and(!bit, Ordering::AcqRel)
        };
        Raised(if raised { before | bit } else { before & !bit })
    }

    /// What is raised.
    pub fn raised(&self) -> Raised {
        Raised(self.raised.load(Ordering::Acquire))
    }
}

/// Which alarms are raised; displays as the reason that connection.blocked gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised(u8);

impl Raised {
    /// Whether any is.
    pub fn any(self) -> bool {
        self.0 != 0
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

    #[test]
    fn the_reason_names_every_resource_that_is_low() {
        let alarms = Alarms::default();
        assert!(!alarms.raised().any());
        assert_eq!(alarms.set(Alarm::Memory, true).to_string(), "low on memory");
        assert_eq!(alarms.set(Alarm::Disk, true).to_string(), "low on memory & disk");
        assert_eq!(alarms.set(Alarm::Memory, false).to_string(), "low on disk");
        assert!(!alarms.set(Alarm::Disk, false).any());
    }
}
