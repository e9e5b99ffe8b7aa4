"""A worker told to stop finishes what runs; what it did not begin is done by another."""

import time
import unittest

from application import CeleryTest, application

app = application("stopping", task_acks_late=True)


@app.task(bind=True)
def nap(self):
    time.sleep(0.5)
    return self.request.hostname


class Stopping(CeleryTest):
    """Worker `one` is told to stop when it has taken tasks, then worker `two` starts."""

    def test_every_task_is_done_by_one_worker_or_the_other(self):
        hosts = self.results(*[nap.delay() for _ in range(4)])
        self.assertEqual(hosts[0], "one@here")
        self.assertLessEqual(set(hosts), {"one@here", "two@here"})


if __name__ == "__main__":
    unittest.main()
