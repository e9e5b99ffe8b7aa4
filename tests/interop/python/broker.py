"""What every program here needs: the broker's address and a connection that closes itself."""

import os
import time
import unittest

import pika

URL = os.environ["AMQP_URL"]


def parameters(**settings):
    """The broker under test; `settings` override what its URL says."""
    wanted = pika.URLParameters(URL)
    wanted.socket_timeout = 10
    wanted.blocked_connection_timeout = 10
    for name, value in settings.items():
        setattr(wanted, name, value)
    return wanted


class BrokerTest(unittest.TestCase):
    """A test with one connection and one channel of its own."""

    def setUp(self):
        self.connection = self.connect()
        self.channel = self.connection.channel()

    def connect(self, **settings):
        connection = pika.BlockingConnection(parameters(**settings))
        self.addCleanup(lambda: connection.is_open and connection.close())
        return connection

    def queue(self, channel=None, **settings):
        """A queue of this connection, named by the broker."""
        settings.setdefault("exclusive", True)
        return (channel or self.channel).queue_declare("", **settings).method.queue

    def get(self, queue, auto_ack=True):
        """The next message of `queue`, which must be there already."""
        method, properties, body = self.channel.basic_get(queue, auto_ack=auto_ack)
        self.assertIsNotNone(method, f"{queue} is empty")
        return method, properties, body

    def ready(self, queue):
        return self.channel.queue_declare(queue, passive=True).method.message_count

    def run_until(self, condition, connection=None, seconds=10):
        """Serves `connection` until `condition()` holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, "nothing happened in time")
            (connection or self.connection).process_data_events(time_limit=0.05)
