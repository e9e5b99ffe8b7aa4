//! Which worker a queue lives on: pure.
//!
//! What a queue is told by the channels of its own worker wakes no other thread, and who declares a queue mostly uses it too.

use crate::node::WorkerId;

/// How many queues of a virtual host live on each worker.
#[derive(Debug)]
pub(super) struct Placement {
    queues: Vec<(WorkerId, usize)>,
    together: usize,
}

impl Placement {
    /// So many queues live together as long as there are few, as connections do: see
    /// [`Settings::connections_together`](crate::node::Settings::connections_together).
    pub(super) fn new(workers: impl Iterator<Item = WorkerId>, together: usize) -> Self {
        Placement {
            queues: workers.map(|worker| (worker, 0)).collect(),
            together: together.max(1),
        }
    }

    /// For a queue declared by a connection that lives on `home`: there, unless another worker has clearly fewer queues.
    pub(super) fn near(&self, home: WorkerId) -> WorkerId {
        let burden = |&&(worker, queues): &&(WorkerId, usize)| (queues / self.together, worker != home);
        self.queues
            .iter()
            .min_by_key(burden)
            .map_or(home, |&(worker, _)| worker)
    }

    /// A queue comes to life there.
    pub(super) fn add(&mut self, on: WorkerId) {
        if let Some((_, queues)) = self.queues.iter_mut().find(|(worker, _)| *worker == on) {
            *queues += 1;
        }
    }

    /// A queue that lived there is no more.
    pub(super) fn remove(&mut self, on: WorkerId) {
        if let Some((_, queues)) = self.queues.iter_mut().find(|(worker, _)| *worker == on) {
            *queues = queues.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix::prelude::*;

    use super::*;
    use crate::node::Workers;

    fn three_workers() -> Vec<WorkerId> {
        System::new().block_on(async { Workers::start(3, 1).unwrap().all().collect() })
    }

    #[test]
    fn a_queue_that_comes_and_goes_lives_with_its_declarer() {
        let workers = three_workers();
        let mut placement = Placement::new(workers.iter().copied(), 1);
        for &home in workers.iter().cycle().take(12) {
            assert_eq!(placement.near(home), home);
            placement.add(home);
            placement.remove(home);
        }
    }

    #[test]
    fn many_queues_of_one_declarer_are_spread() {
        let workers = three_workers();
        let mut placement = Placement::new(workers.iter().copied(), 1);
        let placed: Vec<_> = (0..9)
            .map(|_| {
                let worker = placement.near(workers[1]);
                placement.add(worker);
                worker
            })
            .collect();
        for worker in workers {
            assert_eq!(placed.iter().filter(|&&at| at == worker).count(), 3);
        }
    }

    #[test]
    fn few_queues_of_one_declarer_live_together_with_it() {
        let workers = three_workers();
        let mut placement = Placement::new(workers.iter().copied(), 4);
        let placed: Vec<_> = (0..24)
            .map(|_| {
                let worker = placement.near(workers[1]);
                placement.add(worker);
                worker
            })
            .collect();
        assert!(placed[..4].iter().all(|&at| at == workers[1]));
        for worker in workers {
            assert_eq!(placed.iter().filter(|&&at| at == worker).count(), 8);
        }
    }
}
