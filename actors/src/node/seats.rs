//! How many connections live on each worker, and on which the next one is to live.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::workers::WorkerId;

/// The seats of a broker's workers.
#[derive(Debug)]
pub struct Seats {
    /// By worker.
    taken: Vec<(WorkerId, AtomicUsize)>,
    all: AtomicUsize,
    together: usize,
}

impl Seats {
    /// `together` is as in [`Settings`](super::Settings::connections_together).
    pub(super) fn new(workers: impl Iterator<Item = WorkerId>, together: usize) -> Self {
        Seats {
            taken: workers.map(|worker| (worker, AtomicUsize::new(0))).collect(),
            all: AtomicUsize::new(0),
            together: together.max(1),
        }
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.all.load(Ordering::Acquire)
    }

    /// Whether each worker has a connection.
    pub(crate) fn are_everywhere(&self) -> bool {
        self.taken
            .iter()
            .all(|(_, taken)| taken.load(Ordering::Relaxed) > 0)
    }

    /// Takes a seat for a connection that `home` has accepted: beside those that came just before, until they are as many as
    /// live together, then where there are fewest; at home if that makes no difference.
    pub fn take_near(self: &Arc<Self>, home: WorkerId) -> Seat {
        let burden = |(_, (worker, taken)): &(usize, &(WorkerId, AtomicUsize))| {
            (taken.load(Ordering::Relaxed) / self.together, *worker != home)
        };
        let least = self.taken.iter().enumerate().min_by_key(burden);
        let (at, worker) = least.map_or((0, home), |(at, &(worker, _))| (at, worker));
        if let Some((_, taken)) = self.taken.get(at) {
            taken.fetch_add(1, Ordering::Relaxed);
        }
        Seat {
            others: self.all.fetch_add(1, Ordering::AcqRel),
            seats: Arc::clone(self),
            worker,
            at,
        }
    }
}

/// One connection's seat; it is free again when this is dropped.
#[derive(Debug)]
pub struct Seat {
    /// Connections that there were when it was taken.
    pub others: usize,
    /// Where it is.
    pub worker: WorkerId,
    seats: Arc<Seats>,
    at: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((_, taken)) = self.seats.taken.get(self.at) {
            taken.fetch_sub(1, Ordering::Relaxed);
        }
        self.seats.all.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use actix::prelude::*;

    use super::*;
    use crate::node::Workers;

    fn three_workers(together: usize) -> (Arc<Seats>, Vec<WorkerId>) {
        System::new().block_on(async {
            let workers = Workers::start(3, together).unwrap();
            (Arc::clone(workers.seats()), workers.all().collect())
        })
    }

    #[test]
    fn connections_that_come_and_go_live_where_they_were_accepted() {
        let (seats, workers) = three_workers(1);
        for &home in workers.iter().cycle().take(12) {
            let seat = seats.take_near(home);
            assert_eq!((seat.worker, seat.others), (home, 0));
        }
        assert_eq!(seats.taken(), 0);
    }

    #[test]
    fn connections_that_stay_are_spread() {
        let (seats, workers) = three_workers(1);
        let mut taken: Vec<_> = (0..9).map(|_| seats.take_near(workers[1])).collect();
        assert_eq!((taken[0].worker, taken[8].others), (workers[1], 8));
        for &worker in &workers {
            assert_eq!(taken.iter().filter(|seat| seat.worker == worker).count(), 3);
        }
        taken.retain(|seat| seat.worker != workers[2]);
        assert_eq!(seats.take_near(workers[1]).worker, workers[2]);
        assert_eq!(seats.taken(), 6);
    }

    #[test]
    fn few_connections_live_together() {
        let (seats, workers) = three_workers(4);
        let taken: Vec<_> = (0..24).map(|_| seats.take_near(workers[1])).collect();
        assert_eq!(taken[0].worker, workers[1]);
        for few in taken.chunks(4) {
            assert!(few.iter().all(|seat| seat.worker == few[0].worker));
        }
        for &worker in &workers {
            assert_eq!(taken.iter().filter(|seat| seat.worker == worker).count(), 8);
        }
    }
}
