"""Connections that live: heartbeats, other hosts, a broken one that is made anew under its user."""

import socket
import time
import unittest

from kombu import Connection, Consumer, Exchange, Producer, Queue, pools

from broker import URL, BrokerTest


def break_off(connection):
    """Ends a connection's socket under it."""
    connection.connection.sock.shutdown(socket.SHUT_RDWR)


class Heartbeats(BrokerTest):
    def test_a_connection_that_beats_lives(self):
        beating = self.connect(heartbeat=1)
        beating.ensure_connection(max_retries=1)
        self.assertEqual(beating.connection.heartbeat, 1)
        end = time.monotonic() + 3.2
        while time.monotonic() < end:
            beating.heartbeat_check(rate=4)
            try:
                beating.drain_events(timeout=0.1)
            except socket.timeout:
                pass
        self.assertIsNotNone(beating.default_channel.queue_declare("", exclusive=True))

    def test_a_connection_that_does_not_is_closed(self):
        silent = self.connect(heartbeat=1)
        silent.ensure_connection(max_retries=1)
        with self.assertRaises(silent.connection_errors):
            end = time.monotonic() + 10
            while time.monotonic() < end:
                try:
                    silent.drain_events(timeout=0.1)
                except socket.timeout:
                    pass


class Revival(BrokerTest):
    def test_a_producer_publishes_after_its_connection_broke(self):
        queue = Queue(self.id(), Exchange(self.id()), routing_key="r")
        producer = Producer(self.channel, queue.exchange, routing_key="r")
        producer.publish("one", retry=True, declare=[queue])
        # Nothing orders what comes over different connections.
        bound = queue(self.channel)
        self.eventually(lambda: bound.queue_declare(passive=True).message_count == 1)
        break_off(self.connection)
        producer.publish("two", retry=True, declare=[queue], retry_policy={"interval_start": 0, "max_retries": 3})
        got = []
        with Consumer(self.connect(), [queue], on_message=got.append, no_ack=True) as consumer:
            self.drain_until(lambda: len(got) == 2, consumer.connection)
        self.assertEqual([message.payload for message in got], ["one", "two"])

    def test_a_consumer_goes_on_after_its_connection_broke(self):
        queue, got = Queue(self.id()), []
        consumer = Consumer(self.channel, [queue], on_message=got.append)
        consumer.consume()
        revived = []

        def on_revive(channel):
            consumer.revive(channel)
            consumer.consume()
            revived.append(channel)

        drain = self.connection.ensure(
            self.connection, lambda: self.connection.drain_events(timeout=10), on_revive=on_revive, interval_start=0
        )
        other = self.connect().Producer()
        other.publish("one", routing_key=queue.name)
        drain()
        break_off(self.connection)
        other.publish("two", routing_key=queue.name)
        while len(got) < 3:
            drain()
        self.assertEqual([message.payload for message in got], ["one", "one", "two"])
        self.assertEqual(len(revived), 1)

    def test_the_next_host_is_tried(self):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            dead = f"amqp://guest:guest@127.0.0.1:{nobody.getsockname()[1]}//"
        connection = self.enterContext(Connection([dead, URL], failover_strategy="round-robin"))
        connection.ensure_connection(max_retries=3, interval_start=0)
        self.assertTrue(connection.default_channel.is_open)


class Pools(BrokerTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(pools.reset)

    def test_connections_are_used_again(self):
        pool = pools.connections[self.connection]
        with pool.acquire(block=True) as first, pool.acquire(block=True) as second:
            self.assertIsNot(first.connection, second.connection)
            channels = first.default_channel, second.default_channel
        with pool.acquire(block=True) as again:
            self.assertIn(again.default_channel, channels)

    def test_a_pooled_producer_publishes_to_what_it_declares(self):
        queue = Queue(self.id(), auto_delete=True)
        pool = pools.producers[self.connection]
        with pool.acquire(block=True) as producer:
            producer.publish("pooled", routing_key=queue.name, declare=[queue])
        message = self.eventually(lambda: queue(self.channel).get(no_ack=True))
        self.assertEqual(message.payload, "pooled")


if __name__ == "__main__":
    unittest.main()
