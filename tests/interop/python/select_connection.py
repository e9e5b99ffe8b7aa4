"""pika's SelectConnection: everything by callback, many requests in flight."""

import unittest

import pika
from pika.exceptions import ChannelClosedByClient

from broker import parameters

MESSAGES = 1000


class RoundTrip:
    """Publishes with confirms and consumes what it published, on one connection."""

    def __init__(self):
        self.confirmed, self.received, self.error = 0, [], "ran out of time"
        self.connection = pika.SelectConnection(
            parameters(),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self.on_channel),
            on_open_error_callback=self.on_end,
            on_close_callback=self.on_end,
        )
        self.connection.ioloop.call_later(20, self.connection.ioloop.stop)

    def run(self):
        self.connection.ioloop.start()
        return self

    def on_channel(self, channel):
        self.channel = channel
        channel.add_on_close_callback(self.on_channel_closed)
        channel.confirm_delivery(self.on_confirm)
        channel.basic_qos(prefetch_count=50)
        channel.queue_declare("", exclusive=True, callback=self.on_queue)

    def on_queue(self, frame):
        self.queue = frame.method.queue
        self.channel.basic_consume(self.queue, self.on_message, callback=self.on_consuming)

    def on_consuming(self, _frame):
        for number in range(MESSAGES):
            self.channel.basic_publish("", self.queue, str(number).encode())

    def on_message(self, channel, method, _properties, body):
        self.received.append(body)
        channel.basic_ack(method.delivery_tag)
        self.finish_when_done()

    def on_confirm(self, frame):
        assert isinstance(frame.method, pika.spec.Basic.Ack), frame
        tag = frame.method.delivery_tag
        self.confirmed = tag if frame.method.multiple else self.confirmed + 1
        self.finish_when_done()

    def finish_when_done(self):
        if len(self.received) == MESSAGES and self.confirmed == MESSAGES:
            self.finish(None)

    def on_channel_closed(self, _channel, reason):
        if not isinstance(reason, ChannelClosedByClient):
            self.finish(reason)

    def finish(self, error):
        self.error = error
        if self.connection.is_open:
            self.connection.close()

    def on_end(self, _connection, _reason):
        self.connection.ioloop.stop()


class OpenError:
    """Tries to open a connection that cannot be, and keeps the reason."""

    def __init__(self, **settings):
        self.reason = None
        self.connection = pika.SelectConnection(
            parameters(**settings),
            on_open_callback=lambda connection: connection.ioloop.stop(),
            on_open_error_callback=self.on_error,
        )
        self.connection.ioloop.call_later(10, self.connection.ioloop.stop)
        self.connection.ioloop.start()

    def on_error(self, connection, reason):
        self.reason = reason
        connection.ioloop.stop()


class SelectConnection(unittest.TestCase):
    def test_a_thousand_messages_make_the_round_trip(self):
        trip = RoundTrip().run()
        self.assertIsNone(trip.error)
        self.assertEqual(trip.confirmed, MESSAGES)
        self.assertEqual(trip.received, [str(number).encode() for number in range(MESSAGES)])

    def test_a_wrong_virtual_host_is_reported(self):
        reason = OpenError(virtual_host="nowhere").reason
        self.assertIn("nowhere", str(reason))

    def test_a_wrong_password_is_reported(self):
        wrong = pika.PlainCredentials("guest", "wrong")
        self.assertIn("ACCESS_REFUSED", str(OpenError(credentials=wrong).reason))


if __name__ == "__main__":
    unittest.main()
