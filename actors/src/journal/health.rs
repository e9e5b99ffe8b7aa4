//! The health of several logs, told as one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::writer::Health;

/// Hears from each log, and tells what holds for all: they fail as long as one does.
pub(super) struct Healths {
    failing: Mutex<BTreeMap<usize, String>>,
    tell: Box<dyn Fn(Health) + Send + Sync>,
}

impl Healths {
    pub(super) fn new(tell: impl Fn(Health) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Healths {
            failing: Mutex::default(),
            tell: Box::new(tell),
        })
    }

    /// What the log of this number is to tell.
    pub(super) fn of(self: &Arc<Self>, log: usize) -> impl Fn(Health) + Send + 'static {
        let all = Arc::clone(self);
        move |health| all.told(log, health)
    }

    fn told(&self, log: usize, health: Health) {
        // Held while it is told: what is told last must be what is true.
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let told = match health {
            Health::Failing(why) => {
                failing.insert(log, why.clone());
                Health::Failing(why)
            }
            Health::Good => {
                failing.remove(&log);
                match failing.values().next() {
                    Some(why) => Health::Failing(why.clone()),
                    None => Health::Good,
                }
            }
        };
        (self.tell)(told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_good_when_the_last_that_failed_is() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let all = Healths::new(move |health| ear.lock().unwrap().push(health));
        let (first, second) = (all.of(0), all.of(1));
        first(Health::Failing("full".into()));
        second(Health::Failing("broken".into()));
        first(Health::Good);
        assert_eq!(
            heard.lock().unwrap().last(),
            Some(&Health::Failing("broken".into()))
        );
        second(Health::Good);
        assert_eq!(heard.lock().unwrap().last(), Some(&Health::Good));
    }
}
