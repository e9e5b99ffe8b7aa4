"""Tasks acknowledged late come again when the worker that had them has died."""

import time
import unittest

from application import PATIENCE, CeleryTest, application

app = application("redelivery", task_acks_late=True)


@app.task(bind=True)
def stuck_on_one(self):
    if self.request.hostname == "one@here":
        time.sleep(PATIENCE)
    return self.request.hostname, self.request.delivery_info["redelivered"]


class Redelivery(CeleryTest):
    """Worker `one` is killed when it has taken tasks, then worker `two` starts."""

    def test_another_worker_does_its_tasks(self):
        calls = [stuck_on_one.delay() for _ in range(3)]
        results = self.results(*calls)
        self.assertEqual([host for host, _ in results], ["two@here"] * 3)
        self.assertIn(True, [again for _, again in results])


if __name__ == "__main__":
    unittest.main()
