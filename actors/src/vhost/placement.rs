//! Which worker a queue lives on.
//!
//! What a queue is told by those of its own worker wakes no other thread. Each of its messages passes the connection of a consumer,
//! so it lives where that lives; and connections are spread. As long as there are so few of them that some worker has none, the
//! queues that one connection declared stay together, and keep away from those of others, who may be busy with them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::ConnectionId;
use crate::node::{WorkerId, Workers};

/// How many queues of a virtual host live on each worker.
#[derive(Debug)]
pub(super) struct Placement {
    workers: Workers,
    homes: Mutex<Vec<Home>>,
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

impl Declarer {
    /// Nobody knows who declared what a restart brought back.
    fn of(declarer: ConnectionId) -> Self {
        match declarer {
            ConnectionId::NOBODY => Declarer::Several,
            known => Declarer::One(known),
        }
    }
}

impl Placement {
    /// So many queues of one declarer live together as long as there are few, as connections do: see
    /// [`Settings::connections_together`](crate::node::Settings::connections_together).
    pub(super) fn new(workers: Workers, together: usize) -> Self {
        let home = |worker| Home {
            worker,
            queues: 0,
            declarer: Declarer::Several,
        };
        Placement {
            homes: Mutex::new(workers.all().map(home).collect()),
            workers,
            together: together.max(1),
        }
    }

    /// The threads.
    pub(super) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// A place for a queue that somebody on `home` needs, but does not consume: there, unless another worker has fewer queues.
    /// Those of the same declarer count less, since they mostly belong together.
    pub(super) fn beside_user(&self, home: WorkerId, declarer: ConnectionId) -> WorkerId {
        let few = self.together > 1 && !self.workers.seats().are_everywhere();
        let together = if few { usize::MAX } else { self.together };
        self.place(home, Declarer::of(declarer), together)
    }

    /// A place for a queue the first consumer of which is on `home`.
    pub(super) fn beside_consumer(&self, home: WorkerId, declarer: ConnectionId) -> WorkerId {
        match self.workers.seats().are_everywhere() {
            true => home,
            false => self.place(home, Declarer::of(declarer), usize::MAX),
        }
    }

    /// A place for a queue that nobody declares now, `home` if it makes no difference.
    pub(super) fn near(&self, home: WorkerId) -> WorkerId {
        self.place(home, Declarer::Several, 1)
    }

    /// A queue comes to life there.
    pub(super) fn add(&self, on: WorkerId) {
        if let Some(home) = self.homes().iter_mut().find(|home| home.worker == on) {
            home.queues += 1;
        }
    }

    /// A queue that lived there is no more.
    pub(super) fn remove(&self, on: WorkerId) {
        if let Some(home) = self.homes().iter_mut().find(|home| home.worker == on) {
            home.queues = home.queues.saturating_sub(1);
        }
    }

    /// The worker with the fewest queues; so many of the same declarer count as none.
    fn place(&self, near: WorkerId, declarer: Declarer, together: usize) -> WorkerId {
        let burden = |home: &&mut Home| match declarer {
            Declarer::One(_) if home.declarer == declarer => (home.queues / together, home.worker != near),
            _ => (home.queues, home.worker != near),
        };
        let mut homes = self.homes();
        let Some(home) = homes.iter_mut().min_by_key(burden) else {
            return near;
        };
        if home.queues == 0 {
            home.declarer = declarer;
        } else if home.declarer != declarer {
            home.declarer = Declarer::Several;
        }
        home.worker
    }

    fn homes(&self) -> MutexGuard<'_, Vec<Home>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use actix::prelude::*;

    use super::*;
    use crate::node::Seat;

    const DECLARER: ConnectionId = ConnectionId(1);
    const ANOTHER: ConnectionId = ConnectionId(2);

    fn three_workers(together: usize) -> (Placement, Vec<WorkerId>) {
        System::new().block_on(async {
            let workers = Workers::start(3, together).unwrap();
            let all = workers.all().collect();
            (Placement::new(workers, together), all)
        })
    }

    /// Where so many queues come to live that are placed one after the other.
    fn place(placement: &Placement, queues: usize, choose: impl Fn() -> WorkerId) -> Vec<WorkerId> {
        let next = |_| {
            let worker = choose();
            placement.add(worker);
            worker
        };
        (0..queues).map(next).collect()
    }

    /// Has a connection live on each of three workers.
    fn everywhere(placement: &Placement, home: WorkerId) -> Vec<Seat> {
        let seats = placement.workers().seats();
        (0..12).map(|_| seats.take_near(home)).collect()
    }

    #[test]
    fn a_queue_that_comes_and_goes_lives_with_who_uses_it() {
        let (placement, workers) = three_workers(1);
        for &home in workers.iter().cycle().take(12) {
            assert_eq!(placement.beside_user(home, DECLARER), home);
            placement.add(home);
            placement.remove(home);
        }
    }

    #[test]
    fn many_queues_of_one_declarer_are_spread() {
        let (placement, workers) = three_workers(1);
        let placed = place(&placement, 9, || placement.beside_user(workers[1], DECLARER));
        for worker in workers {
            assert_eq!(placed.iter().filter(|&&at| at == worker).count(), 3);
        }
    }

    #[test]
    fn where_each_worker_has_connections_few_queues_of_a_declarer_live_together() {
        let (placement, workers) = three_workers(4);
        let _taken = everywhere(&placement, workers[0]);
        let placed = place(&placement, 24, || placement.beside_user(workers[1], DECLARER));
        assert!(placed[..4].iter().all(|&at| at == workers[1]));
        for worker in workers {
            assert_eq!(placed.iter().filter(|&&at| at == worker).count(), 8);
        }
    }

    #[test]
    fn a_queue_keeps_away_from_those_that_others_declared() {
        let (placement, workers) = three_workers(4);
        let beside = |who| place(&placement, 1, || placement.beside_user(workers[1], who))[0];
        assert_eq!(beside(DECLARER), workers[1]);
        assert_ne!(beside(ANOTHER), workers[1]);
        assert_eq!(beside(DECLARER), workers[1]);
    }

    #[test]
    fn while_a_worker_has_no_connection_all_queues_of_a_declarer_live_together_away_from_those_of_others() {
        let (placement, workers) = three_workers(4);
        let consumed = place(&placement, 24, || placement.beside_consumer(workers[1], DECLARER));
        let used = place(&placement, 24, || placement.beside_user(workers[1], DECLARER));
        assert!(consumed.iter().chain(&used).all(|&at| at == workers[1]));
        let apart = place(&placement, 1, || placement.beside_consumer(workers[1], ANOTHER));
        assert_ne!(apart[0], workers[1]);
    }

    #[test]
    fn queues_of_which_nobody_knows_the_declarer_are_spread_while_connections_are_few() {
        let (placement, workers) = three_workers(4);
        let placed = place(&placement, 9, || {
            placement.beside_consumer(workers[1], ConnectionId::NOBODY)
        });
        for worker in workers {
            assert_eq!(placed.iter().filter(|&&at| at == worker).count(), 3);
        }
    }

    #[test]
    fn where_each_worker_has_connections_a_queue_lives_with_its_consumer() {
        let (placement, workers) = three_workers(1);
        let _taken = everywhere(&placement, workers[0]);
        for declarer in [DECLARER, ANOTHER, ConnectionId::NOBODY] {
            let placed = place(&placement, 5, || placement.beside_consumer(workers[1], declarer));
            assert!(placed.iter().all(|&at| at == workers[1]));
        }
    }
}
