"""Producer and Consumer: every way to encode, to route, to settle."""

import unittest

from amqp.exceptions import NotFound, PreconditionFailed
from kombu import Consumer, Exchange, Producer, Queue, binding

from broker import BrokerTest

PLAIN = {"text": "häslein", "whole": 7, "list": [1, None, True]}


class Messages(BrokerTest):
    def setUp(self):
        super().setUp()
        self.queue = Queue("", exclusive=True, channel=self.channel)
        self.queue.declare()
        self.producer = Producer(self.channel, routing_key=self.queue.name)

    def sent_and_got(self, body, **options):
        self.producer.publish(body, **options)
        message = self.queue.get(no_ack=True, accept=["json", "pickle", "text/plain", "application/data"])
        self.assertIsNotNone(message, "the queue is empty")
        return message

    def test_every_serializer_brings_the_same_back(self):
        for name in "json", "pickle":
            self.assertEqual(self.sent_and_got(PLAIN, serializer=name).payload, PLAIN, name)
        self.assertEqual(self.sent_and_got("text").payload, "text")
        self.assertEqual(self.sent_and_got(b"\x00\xff").payload, b"\x00\xff")

    def test_every_compression_brings_the_same_back(self):
        body = {"text": "leveret " * 100_000}
        for name in "zlib", "bzip2", "lzma":
            message = self.sent_and_got(body, compression=name)
            self.assertEqual(message.payload, body)
            self.assertIn("compression", message.headers)

    def test_properties_and_headers_come_back(self):
        message = self.sent_and_got(
            "x",
            headers={"trace": "1", "depth": {"of": [1, 2.5, None]}},
            correlation_id="c",
            reply_to="r",
            priority=7,
            expiration=60,
            delivery_mode="transient",
            app_id="app",
        )
        self.assertEqual(message.headers, {"trace": "1", "depth": {"of": [1, 2.5, None]}})
        wanted = {"correlation_id": "c", "reply_to": "r", "priority": 7, "expiration": "60000", "delivery_mode": 1}
        self.assertEqual({name: message.properties.get(name) for name in wanted}, wanted)

    def test_what_no_queue_takes_is_returned(self):
        returned = []
        producer = Producer(self.channel, on_return=lambda error, *_: returned.append(error.reply_code))
        producer.publish("x", routing_key="nobody", mandatory=True)
        self.drain_until(lambda: returned)
        self.assertEqual(returned, [312])

    def test_confirms_are_waited_for(self):
        connection = self.connect(transport_options={"confirm_publish": True})
        producer = connection.Producer(serializer="json")
        for number in range(50):
            producer.publish(number, routing_key=self.queue.name)
        self.assertEqual([self.queue.get(no_ack=True).payload for _ in range(50)], list(range(50)))


class Routing(BrokerTest):
    def queue(self, **settings):
        queue = Queue("", exclusive=True, channel=self.channel, **settings)
        queue.declare()
        return queue

    def exchange(self, kind, **settings):
        exchange = Exchange(f"{self.id()}-{kind}", kind, channel=self.channel, auto_delete=True, **settings)
        exchange.declare()
        return exchange

    def keys(self, queue):
        """The routing keys of what waits."""
        return [message.delivery_info["routing_key"] for message in iter(lambda: queue.get(no_ack=True), None)]

    def test_each_kind_of_exchange_routes(self):
        for kind, key, expected in (
            ("direct", "a.b", ["a.b"]),
            ("topic", "a.*", ["a.b", "a.c"]),
            ("fanout", "", ["a.b", "a.c", "b"]),
        ):
            exchange = self.exchange(kind)
            queue = self.queue(exchange=exchange, routing_key=key)
            for name in "a.b", "a.c", "b":
                Producer(self.channel, exchange).publish("x", routing_key=name)
            self.assertEqual(self.keys(queue), expected, kind)

    def test_headers_choose_a_queue(self):
        exchange = self.exchange("headers")
        queue = self.queue(exchange=exchange, binding_arguments={"x-match": "all", "kind": "hare", "age": 1})
        producer = Producer(self.channel, exchange)
        producer.publish("no", headers={"kind": "hare", "age": 2}, routing_key="no")
        producer.publish("yes", headers={"kind": "hare", "age": 1}, routing_key="yes")
        self.assertEqual(self.keys(queue), ["yes"])

    def test_a_queue_may_have_many_bindings_and_lose_one(self):
        exchange = self.exchange("direct")
        queue = self.queue(bindings=[binding(exchange, routing_key=key) for key in "abc"])
        queue.unbind_from(exchange, routing_key="b")
        for key in "abcd":
            Producer(self.channel, exchange).publish("x", routing_key=key)
        self.assertEqual(self.keys(queue), ["a", "c"])

    def test_an_exchange_feeds_another(self):
        source, target = self.exchange("topic"), self.exchange("fanout")
        target.bind_to(source, routing_key="to.#")
        queue = self.queue(exchange=target)
        for key in "to.us", "elsewhere":
            Producer(self.channel, source).publish("x", routing_key=key)
        self.assertEqual(self.keys(queue), ["to.us"])

    def test_what_is_not_there_is_not_found(self):
        with self.assertRaises(NotFound):
            Queue("missing", channel=self.channel, no_declare=True).queue_declare(passive=True)
        with self.assertRaises(NotFound):
            Exchange("missing", channel=self.connection.channel()).declare(passive=True)

    def test_another_declaration_of_the_same_name_is_refused(self):
        kept = self.exchange("topic")
        with self.assertRaises(PreconditionFailed):
            Exchange(kept.name, "fanout", channel=self.connection.channel(), auto_delete=True).declare()


class Settling(BrokerTest):
    def setUp(self):
        super().setUp()
        self.queue = Queue(self.id())
        self.got = []

    def consumer(self, **settings):
        consumer = Consumer(self.channel, [self.queue], on_message=self.got.append, **settings)
        self.queue = consumer.queues[0]
        self.producer = Producer(self.connection.channel(), routing_key=self.queue.name)
        return consumer

    def test_prefetch_holds_the_rest_back_until_it_is_changed(self):
        with self.consumer(prefetch_count=2) as consumer:
            for number in range(10):
                self.producer.publish(number)
            self.drain_until(lambda: len(self.got) == 2)
            # What is published on one channel is not in order with what is asked on another.
            self.eventually(lambda: self.queue.queue_declare(passive=True).message_count == 8)
            for message in self.got:
                message.ack()
            self.drain_until(lambda: len(self.got) == 4)
            consumer.recover(requeue=True)
            self.drain_until(lambda: len(self.got) == 6)
            self.assertEqual([message.payload for message in self.got], [0, 1, 2, 3, 2, 3])
            self.assertTrue(self.got[-1].delivery_info["redelivered"])

    def test_a_requeued_message_comes_again_and_a_rejected_one_does_not(self):
        with self.consumer():
            self.producer.publish("first")
            self.producer.publish("second")
            self.drain_until(lambda: len(self.got) == 2)
            self.got[0].requeue()
            self.got[1].reject()
            self.drain_until(lambda: len(self.got) == 3)
            self.assertEqual(self.got[2].payload, "first")
            self.got[2].ack()
        self.assertEqual(self.queue.queue_declare(passive=True).message_count, 0)

    def test_a_cancelled_consumer_gets_nothing_more(self):
        consumer = self.consumer(no_ack=True)
        consumer.consume()
        consumer.cancel()
        self.producer.publish("late")
        message = self.eventually(lambda: self.queue.get(no_ack=True))
        self.assertEqual(message.payload, "late")
        self.assertEqual(self.got, [])

    def test_purge_says_how_much_there_was(self):
        self.consumer()
        for _ in range(5):
            self.producer.publish("x")
        self.eventually(lambda: self.queue.queue_declare(passive=True).message_count == 5)
        self.assertEqual(self.queue.purge(), 5)


if __name__ == "__main__":
    unittest.main()
