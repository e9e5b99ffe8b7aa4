"""What every application here needs: the broker's address, a log that is easy to wait for, a patient test."""

import os
import time
import unittest

from celery import Celery

PATIENCE = 20


def application(name, **settings):
    """A Celery application that gets its results over AMQP, unless `settings` say otherwise."""
    app = Celery(name, broker=os.environ["AMQP_URL"], backend="rpc://")
    app.conf.update(
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=True,
        worker_log_color=False,
        worker_log_format="%(message)s",
        worker_task_log_format="%(message)s",
        result_expires=60,
    )
    app.conf.update(settings)
    return app


class CeleryTest(unittest.TestCase):
    def results(self, *pending):
        """What came of these calls, which all must come to something."""
        return [result.get(timeout=PATIENCE) for result in pending]

    def eventually(self, condition):
        """Waits until `condition()` gives something, for what no message announces."""
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            self.assertLess(time.monotonic(), deadline, "nothing happened in time")
            time.sleep(0.02)
        return found
