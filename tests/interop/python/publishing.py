"""pika as a publisher: confirms, returns, transactions."""

import unittest

import pika
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError

from broker import BrokerTest


class Confirms(BrokerTest):
    def setUp(self):
        super().setUp()
        self.channel.confirm_delivery()

    def test_each_publish_waits_for_its_confirm(self):
        queue = self.queue()
        for number in range(200):
            self.channel.basic_publish("", queue, str(number).encode())
        self.assertEqual(self.ready(queue), 200)

    def test_persistent_messages_to_a_durable_queue_are_confirmed(self):
        queue = self.queue(exclusive=False, durable=True)
        persistent = pika.BasicProperties(delivery_mode=2)
        for number in range(100):
            self.channel.basic_publish("", queue, str(number).encode(), persistent, mandatory=True)
        self.assertEqual(self.channel.queue_delete(queue).method.message_count, 100)

    def test_an_unroutable_mandatory_message_is_returned(self):
        with self.assertRaises(UnroutableError) as returned:
            self.channel.basic_publish("", "nowhere", b"lost", mandatory=True)
        (message,) = returned.exception.messages
        self.assertEqual(message.method.reply_code, 312)
        self.assertEqual(message.method.reply_text, "NO_ROUTE")
        self.assertEqual((message.method.routing_key, message.body), ("nowhere", b"lost"))

    def test_an_unroutable_message_nobody_insists_on_is_confirmed(self):
        self.channel.basic_publish("", "nowhere", b"dropped")

    def test_a_full_queue_that_rejects_is_a_nack(self):
        if not self.has_length_limit():
            self.skipTest("this broker has no length limits yet")
        queue = self.queue(arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
        self.channel.basic_publish("", queue, b"fits")
        with self.assertRaises(NackError):
            self.channel.basic_publish("", queue, b"does not")

    def has_length_limit(self):
        queue = self.queue(arguments={"x-max-length": 1})
        for _ in range(2):
            self.channel.basic_publish("", queue, b"x")
        return self.ready(queue) == 1


class Returns(BrokerTest):
    def test_without_confirms_the_return_reaches_the_callback(self):
        returned = []
        self.channel.add_on_return_callback(lambda *message: returned.append(message))
        self.channel.basic_publish("amq.direct", "nowhere", b"lost", mandatory=True)
        self.run_until(lambda: returned)
        _, method, _, body = returned[0]
        self.assertEqual((method.reply_code, method.exchange, body), (312, "amq.direct", b"lost"))

    def test_publishing_to_a_missing_exchange_closes_the_channel(self):
        self.channel.basic_publish("missing", "", b"")
        with self.assertRaises(ChannelClosedByBroker) as closed:
            self.queue()
        self.assertEqual(closed.exception.reply_code, 404)
        self.assertIn("NOT_FOUND - no exchange 'missing'", closed.exception.reply_text)


class Transactions(BrokerTest):
    def setUp(self):
        super().setUp()
        self.channel.tx_select()

    def test_nothing_is_there_before_the_commit(self):
        queue = self.queue()
        self.channel.basic_publish("", queue, b"one")
        self.channel.basic_publish("", queue, b"two")
        self.assertEqual(self.ready(queue), 0)
        self.channel.tx_commit()
        self.assertEqual(self.ready(queue), 2)

    def test_a_rollback_forgets_the_publications(self):
        queue = self.queue()
        self.channel.basic_publish("", queue, b"one")
        self.channel.tx_rollback()
        self.channel.tx_commit()
        self.assertEqual(self.ready(queue), 0)

    def test_a_rolled_back_ack_may_be_given_again(self):
        queue = self.queue()
        self.channel.basic_publish("", queue, b"one")
        self.channel.tx_commit()
        tag = self.get(queue, auto_ack=False)[0].delivery_tag
        self.channel.basic_ack(tag)
        self.channel.tx_rollback()
        self.channel.basic_ack(tag)
        self.channel.tx_commit()
        self.channel.close()
        self.channel = self.connection.channel()
        self.assertEqual(self.ready(queue), 0)


if __name__ == "__main__":
    unittest.main()
