"""What every program here needs: the broker's address and a connection that closes itself."""

import os
import socket
import time
import unittest

from amqp.exceptions import NotFound
from kombu import Connection

URL = os.environ["AMQP_URL"]
PATIENCE = 10


class BrokerTest(unittest.TestCase):
    """A test with one connection and one channel of its own."""

    def setUp(self):
        self.connection = self.connect()
        self.channel = self.connection.default_channel

    def connect(self, **settings):
        connection = Connection(URL, **settings)
        self.addCleanup(connection.release)
        return connection

    def exists(self, queue):
        try:
            self.connect().default_channel.queue_declare(queue, passive=True)
            return True
        except NotFound:
            return False

    def drain_until(self, condition, connection=None):
        """Takes what comes until `condition()` holds."""
        connection = connection or self.connection
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, "nothing happened in time")
            try:
                connection.drain_events(timeout=0.05)
            except socket.timeout:
                connection.heartbeat_check()

    def eventually(self, condition):
        """Waits until `condition()` gives something, for what no message announces."""
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            self.assertLess(time.monotonic(), deadline, "nothing happened in time")
            time.sleep(0.01)
        return found
