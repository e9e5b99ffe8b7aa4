//! Which worker a queue lives on: pure.
//!
//! What a queue is told by the channels of its own worker wakes no other thread, and who declares a queue mostly uses it too.

use crate::id::ConnectionId;
use crate::node::WorkerId;

/// How many queues of a virtual host live on each worker.
#[derive(Debug)]
pub(super) struct Placement {
    homes: Vec<Home>,
    together: usize,
}

/// The queues on a worker.
#[derive(Debug)]
struct Home {
    worker: WorkerId,
    queues: usize,
    declarer: Declarer,
}

/// Who declared the queues on a worker since it had none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Declarer {
    One(ConnectionId),
    Several,
}

impl Placement {
    /// So many queues of one declarer live together as long as there are few, as connections do: see
    /// [`Settings::connections_together`](crate::node::Settings::connections_together).
    pub(super) fn new(workers: impl Iterator<Item = WorkerId>, together: usize) -> Self {
        let home = |worker| Home {
            worker,
            queues: 0,
            declarer: Declarer::Several,
        };
        Placement {
            homes: workers.map(home).collect(),
            together: together.max(1),
        }
    }

    /// A place for a queue that a connection which lives on `home` declares: there, unless another worker has fewer queues.
    /// What one connection declares counts less, since it mostly belongs together; others' queues are none of its business,
    /// and may be busy.
    pub(super) fn beside(&mut self, home: WorkerId, declarer: ConnectionId) -> WorkerId {
        self.place(home, Declarer::One(declarer))
    }

    /// A place for a queue that nobody declares now, `home` if it makes no difference.
    pub(super) fn near(&mut self, home: WorkerId) -> WorkerId {
        self.place(home, Declarer::Several)
    }

    /// A queue comes to life there.
    pub(super) fn add(&mut self, on: WorkerId) {
        if let Some(home) = self.home(on) {
            home.queues += 1;
        }
    }

    /// A queue that lived there is no more.
    pub(super) fn remove(&mut self, on: WorkerId) {
        if let Some(home) = self.home(on) {
            home.queues = home.queues.saturating_sub(1);
        }
    }

    fn place(&mut self, near: WorkerId, declarer: Declarer) -> WorkerId {
        let together = self.together;
        let burden = |home: &&mut Home| match declarer {
            Declarer::One(_) if home.declarer == declarer => (home.queues / together, home.worker != near),
            _ => (home.queues, home.worker != near),
        };
        let Some(home) = self.homes.iter_mut().min_by_key(burden) else {
            return near;
        };
        if home.queues == 0 {
            home.declarer = declarer;
        } else if home.declarer != declarer {
            home.declarer = Declarer::Several;
        }
        home.worker
    }

    fn home(&mut self, worker: WorkerId) -> Option<&mut Home> {
        self.homes.iter_mut().find(|home| home.worker == worker)
    }
}

#[cfg(test)]
mod tests {
    use actix::prelude::*;

    use super::*;
    use crate::node::Workers;

    const DECLARER: ConnectionId = ConnectionId(1);
    const ANOTHER: ConnectionId = ConnectionId(2);

    fn three_workers() -> Vec<WorkerId> {
        System::new().block_on(async { Workers::start(3, 1).unwrap().all().collect() })
    }

    /// Where so many queues live that one declarer has.
    fn place(placement: &mut Placement, home: WorkerId, queues: usize) -> Vec<WorkerId> {
        let beside = |_| {
            let worker = placement.beside(home, DECLARER);
            placement.add(worker);
            worker
        };
        (0..queues).map(beside).collect()
    }

    #[test]
    fn a_queue_that_comes_and_goes_lives_with_its_declarer() {
        let workers = three_workers();
        let mut placement = Placement::new(workers.iter().copied(), 1);
        for &home in workers.iter().cycle().take(12) {
            assert_eq!(placement.beside(home, DECLARER), home);
            placement.add(home);
            placement.remove(home);
        }
    }

    #[test]
    fn many_queues_of_one_declarer_are_spread() {
        let workers = three_workers();
        let mut placement = Placement::new(workers.iter().copied(), 1);
        let placed = place(&mut placement, workers[1], 9);
        for worker in workers {
            assert_eq!(placed.iter().filter(|&&at| at == worker).count(), 3);
        }
    }

    #[test]
    fn few_queues_of_one_declarer_live_together_with_it() {
        let workers = three_workers();
        let mut placement = Placement::new(workers.iter().copied(), 4);
        let placed = place(&mut placement, workers[1], 24);
        assert!(placed[..4].iter().all(|&at| at == workers[1]));
        for worker in workers {
            assert_eq!(placed.iter().filter(|&&at| at == worker).count(), 8);
        }
    }

    #[test]
    fn a_queue_keeps_away_from_those_that_others_declared() {
        let workers = three_workers();
        let mut placement = Placement::new(workers.iter().copied(), 4);
        let first = placement.beside(workers[1], DECLARER);
        placement.add(first);
        let second = placement.beside(workers[1], ANOTHER);
        placement.add(second);
        assert_eq!(first, workers[1]);
        assert_ne!(second, workers[1]);
        assert_eq!(placement.beside(workers[1], DECLARER), workers[1]);
    }
}
