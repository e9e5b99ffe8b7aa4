"""What a queue may be declared with: lifetimes, limits, priorities, where its dead letters go."""

import unittest

from amqp.exceptions import ResourceLocked
from kombu import Consumer, Exchange, Producer, Queue

from broker import BrokerTest


class Lifetimes(BrokerTest):
    def test_an_exclusive_queue_is_its_connection_s(self):
        owner = self.connect()
        Queue(self.id(), exclusive=True)(owner.default_channel).declare()
        with self.assertRaises(ResourceLocked):
            self.channel.queue_declare(self.id(), passive=True)
        owner.release()
        self.eventually(lambda: not self.exists(self.id()))

    def test_an_auto_delete_queue_goes_with_its_last_consumer(self):
        queue = Queue(self.id(), auto_delete=True)
        one, two = (Consumer(self.connect(), [queue]) for _ in range(2))
        one.consume()
        two.consume()
        one.cancel()
        self.assertTrue(self.exists(self.id()))
        two.cancel()
        self.eventually(lambda: not self.exists(self.id()))


class Expiry(BrokerTest):
    def test_an_unused_queue_expires(self):
        Queue(self.id(), expires=0.3)(self.channel).declare()
        # Not asked for by declaration, which would make it live longer.
        returned = []
        producer = Producer(self.channel, on_return=lambda *_: returned.append(True), routing_key=self.id())
        producer.publish("there", mandatory=True)
        self.assertTrue(self.exists(self.id()))
        self.assertFalse(returned)

        def gone():
            producer.publish("gone?", mandatory=True)
            self.channel.basic_qos(0, 1, False)  # The answer comes after what is returned.
            return returned

        self.eventually(gone)


class Contents(BrokerTest):
    def declared(self, **settings):
        queue = Queue(self.id(), channel=self.channel, **settings)
        queue.declare()
        self.producer = Producer(self.channel, routing_key=queue.name)
        return queue

    def waiting(self, queue):
        return [message.payload for message in iter(lambda: queue.get(no_ack=True), None)]

    def test_messages_expire_with_their_queue_s_time(self):
        queue = self.declared(message_ttl=0.1)
        self.producer.publish("old")
        self.eventually(lambda: queue.queue_declare(passive=True).message_count == 1)
        self.eventually(lambda: queue.queue_declare(passive=True).message_count == 0)

    def test_messages_expire_at_their_own_time(self):
        queue = self.declared()
        self.producer.publish("short", expiration=0.05)
        self.producer.publish("long", expiration=60)
        self.eventually(lambda: queue.queue_declare(passive=True).message_count == 1)
        self.assertEqual(self.waiting(queue), ["long"])

    def test_the_oldest_make_room(self):
        queue = self.declared(max_length=3)
        for number in range(10):
            self.producer.publish(number)
        self.eventually(lambda: queue.queue_declare(passive=True).message_count == 3)
        self.assertEqual(self.waiting(queue), [7, 8, 9])

    def test_the_oldest_make_room_by_bytes(self):
        queue = self.declared(max_length_bytes=300)
        for letter in "abcdef":
            self.producer.publish(100 * letter)
        self.eventually(lambda: queue.queue_declare(passive=True).message_count == 3)
        self.assertEqual(self.waiting(queue), [100 * letter for letter in "def"])

    def test_the_urgent_come_first(self):
        queue = self.declared(max_priority=5)
        for number, priority in enumerate([0, 5, 3, 5, 9]):
            self.producer.publish(number, priority=priority)
        self.eventually(lambda: queue.queue_declare(passive=True).message_count == 5)
        self.assertEqual(self.waiting(queue), [1, 3, 4, 2, 0])

    def test_dead_letters_go_where_they_are_sent(self):
        letters = Queue(f"{self.id()}-dead", Exchange(f"{self.id()}-dead", "direct"), "dead", channel=self.channel)
        letters.declare()
        queue = self.declared(
            max_length=1,
            queue_arguments={"x-dead-letter-exchange": letters.exchange.name, "x-dead-letter-routing-key": "dead"},
        )
        self.producer.publish("too many")
        self.producer.publish("refused")
        self.eventually(lambda: letters.queue_declare(passive=True).message_count == 1)
        queue.get().reject()
        self.eventually(lambda: letters.queue_declare(passive=True).message_count == 2)
        got = [letters.get(no_ack=True) for _ in range(2)]
        self.assertEqual([message.payload for message in got], ["too many", "refused"])
        self.assertEqual([message.headers["x-first-death-reason"] for message in got], ["maxlen", "rejected"])


if __name__ == "__main__":
    unittest.main()
