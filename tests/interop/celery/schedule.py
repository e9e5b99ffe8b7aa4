"""Beat sends tasks when they are due."""

import os
import unittest

from application import CeleryTest, application

app = application(
    "schedule",
    beat_schedule={"often": {"task": "schedule.note", "schedule": 0.2, "args": ("tick",)}},
    task_ignore_result=True,
)
NOTES = os.path.join(os.environ["FOLDER"], "notes")


@app.task
def note(text):
    with open(NOTES, "a") as notes:
        print(text, file=notes)


class Schedule(CeleryTest):
    def test_a_task_is_run_again_and_again(self):
        self.eventually(lambda: os.path.exists(NOTES))
        self.eventually(lambda: open(NOTES).read().startswith(5 * "tick\n"))


if __name__ == "__main__":
    unittest.main()
