"""Heartbeats and time-outs, as pika sees them."""

import time
import unittest

from pika.exceptions import AMQPConnectionError

from broker import BrokerTest


class Liveness(BrokerTest):
    def test_an_idle_connection_is_kept_alive_by_heartbeats(self):
        idle = self.connect(heartbeat=1)
        channel = idle.channel()
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            idle.process_data_events(time_limit=0.5)
        channel.queue_declare("", exclusive=True)

    def test_the_broker_drops_a_client_that_fell_silent(self):
        silent = self.connect(heartbeat=1)
        queue = self.queue(silent.channel(), exclusive=False, auto_delete=True)
        held = silent.channel()
        self.channel.basic_publish("", queue, b"held")
        while held.basic_get(queue)[0] is None:
            pass
        deadline = time.monotonic() + 10
        while self.ready(queue) == 0:
            self.assertLess(time.monotonic(), deadline, "the silent client still holds its message")
            time.sleep(0.1)
        self.assertTrue(self.get(queue)[0].redelivered)
        with self.assertRaises(AMQPConnectionError):
            silent.process_data_events()

    def test_a_timer_runs_while_the_connection_waits(self):
        called = []
        self.connection.call_later(0.1, lambda: called.append(True))
        self.run_until(lambda: called)


if __name__ == "__main__":
    unittest.main()
