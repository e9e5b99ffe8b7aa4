"""Priorities: of the tasks that wait, the urgent ones are run first."""

import os
import unittest

from application import CeleryTest, application

app = application(
    "urgency",
    task_acks_late=True,
    task_ignore_result=True,
    task_queue_max_priority=10,
    task_default_priority=3,
    worker_prefetch_multiplier=1,
)
DONE = os.path.join(os.environ["FOLDER"], "done")


@app.task
def note(text):
    with open(DONE, "a") as done:
        print(text, file=done)


class Asking(CeleryTest):
    """Before there is a worker."""

    def test_tasks_are_sent_in_this_order(self):
        for number, priority in enumerate([0, 5, 9, 5, 0, 9]):
            note.apply_async((f"{priority} {number}",), priority=priority)
        note.delay("3 default")


class Doing(CeleryTest):
    """Once a worker has started."""

    def test_they_are_run_in_that_order(self):
        urgent_first = ["9 2", "9 5", "5 1", "5 3", "3 default", "0 0", "0 4"]
        self.eventually(lambda: os.path.exists(DONE))
        self.eventually(lambda: open(DONE).read().splitlines() == urgent_first)


if __name__ == "__main__":
    unittest.main()
