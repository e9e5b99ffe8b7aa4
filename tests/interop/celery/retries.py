"""Tasks that fail and are tried again: each retry is a new message that the worker holds for a while."""

import time
import unittest

from application import PATIENCE, CeleryTest, application

app = application("retries")


@app.task(bind=True, max_retries=5)
def asks_again(self, times):
    if self.request.retries < times:
        raise self.retry(countdown=0.05)
    return self.request.retries


@app.task(bind=True, autoretry_for=(ConnectionError,), retry_kwargs={"countdown": 0.05}, max_retries=3)
def breaks(self, times):
    if self.request.retries < times:
        raise ConnectionError(f"broken {self.request.retries}")
    return self.request.retries


@app.task(bind=True, autoretry_for=(ConnectionError,), retry_backoff=True, retry_jitter=False)
def breaks_once(self):
    if not self.request.retries:
        raise ConnectionError("broken")
    return time.time()


class Retries(CeleryTest):
    def test_a_task_that_asks_is_tried_again(self):
        self.assertEqual(asks_again.delay(3).get(timeout=PATIENCE), 3)

    def test_a_task_that_breaks_is_tried_again(self):
        self.assertEqual(breaks.delay(2).get(timeout=PATIENCE), 2)

    def test_back_off_is_kept(self):
        asked = time.time()
        self.assertGreaterEqual(breaks_once.delay().get(timeout=PATIENCE), asked + 1)

    def test_the_last_failure_is_the_result(self):
        with self.assertRaisesRegex(ConnectionError, "broken 3"):
            breaks.delay(9).get(timeout=PATIENCE)

    def test_a_caller_that_waits_sees_each_retry(self):
        seen = []
        asks_again.delay(2).get(timeout=PATIENCE, on_message=lambda meta: seen.append(meta["status"]))
        self.assertEqual(seen, ["RETRY", "RETRY", "SUCCESS"])


if __name__ == "__main__":
    unittest.main()
