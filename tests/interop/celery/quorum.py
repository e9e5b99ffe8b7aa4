"""Tasks in a quorum queue, where tasks for later wait in the broker: in a cascade of queues with dead letters."""

import time
import unittest

from application import PATIENCE, CeleryTest, application

app = application(
    "quorum",
    broker_transport_options={"confirm_publish": True},
    task_default_queue_type="quorum",
    task_default_exchange_type="topic",
    worker_detect_quorum_queues=True,
)


@app.task
def now():
    return time.time()


@app.task(bind=True, max_retries=1)
def second_time_lucky(self):
    if not self.request.retries:
        raise self.retry(countdown=1)
    return "lucky"


class Quorum(CeleryTest):
    def test_tasks_are_done(self):
        self.assertEqual(len(self.results(*[now.delay() for _ in range(50)])), 50)

    def test_a_task_for_later_comes_when_it_is_due(self):
        asked = time.time()
        late, later = now.apply_async(countdown=1), now.apply_async(countdown=3)
        self.assertGreaterEqual(late.get(timeout=PATIENCE), asked + 1)
        self.assertGreaterEqual(later.get(timeout=PATIENCE), asked + 3)

    def test_a_retry_comes_when_it_is_due(self):
        self.assertEqual(second_time_lucky.delay().get(timeout=PATIENCE), "lucky")


if __name__ == "__main__":
    unittest.main()
