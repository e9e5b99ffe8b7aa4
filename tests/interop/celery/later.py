"""Tasks for later: the worker takes them early, holds them until their time, and asks for more meanwhile."""

import time
import unittest
from datetime import datetime, timedelta, timezone

from celery.exceptions import TaskRevokedError

from application import PATIENCE, CeleryTest, application

app = application("later", worker_prefetch_multiplier=1)


@app.task
def now():
    return time.time()


class Later(CeleryTest):
    def test_a_countdown_is_kept(self):
        asked = time.time()
        self.assertGreaterEqual(now.apply_async(countdown=0.3).get(timeout=PATIENCE), asked + 0.29)

    def test_a_time_of_day_is_kept(self):
        due = datetime.now(timezone.utc) + timedelta(seconds=0.3)
        self.assertGreaterEqual(now.apply_async(eta=due).get(timeout=PATIENCE), due.timestamp() - 0.01)

    def test_a_task_past_its_time_is_revoked(self):
        with self.assertRaises(TaskRevokedError):
            now.apply_async(countdown=0.3, expires=0.1).get(timeout=PATIENCE)

    def test_tasks_that_wait_do_not_use_the_prefetch_up(self):
        waiting = [now.apply_async(countdown=60) for _ in range(20)]
        self.assertTrue(now.delay().get(timeout=PATIENCE))
        held = self.eventually(lambda: app.control.inspect(timeout=1, limit=1).scheduled())
        self.assertEqual(len(held["one@here"]), len(waiting))
        app.control.revoke([result.id for result in waiting])


if __name__ == "__main__":
    unittest.main()
