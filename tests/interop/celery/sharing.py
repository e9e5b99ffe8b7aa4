"""With a prefetch of one, no task waits behind another while a worker is idle."""

import os
import time
import unittest

from application import PATIENCE, CeleryTest, application

app = application("sharing", task_acks_late=True, worker_prefetch_multiplier=1)
RELEASED = os.path.join(os.environ["FOLDER"], "released")


@app.task(bind=True)
def until_released(self):
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(RELEASED) and time.monotonic() < deadline:
        time.sleep(0.02)
    return self.request.hostname


@app.task(bind=True)
def where(self):
    return self.request.hostname


class Sharing(CeleryTest):
    """Two workers of one process each, `one` and `two`."""

    def test_the_idle_worker_does_it_all(self):
        busy = until_released.delay()
        hosts = set(self.results(*[where.delay() for _ in range(20)]))
        open(RELEASED, "w").close()
        self.assertEqual(hosts | {busy.get(timeout=PATIENCE)}, {"one@here", "two@here"})
        self.assertEqual(len(hosts), 1)


if __name__ == "__main__":
    unittest.main()
