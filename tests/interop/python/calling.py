"""Request and reply: over a queue of one's own, and over the direct reply-to name."""

import threading
import unittest

import pika

from broker import BrokerTest, parameters


class Server(threading.Thread):
    """Answers each request with its body in upper case, until the queue is gone."""

    def __init__(self, queue):
        super().__init__(daemon=True)
        self.connection = pika.BlockingConnection(parameters())
        self.channel = self.connection.channel()
        self.channel.basic_qos(prefetch_count=1)
        self.channel.basic_consume(queue, self.answer)

    def answer(self, channel, method, properties, body):
        reply = pika.BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", properties.reply_to, body.upper(), reply)
        channel.basic_ack(method.delivery_tag)

    def run(self):
        self.channel.start_consuming()
        self.connection.close()


class Calling(BrokerTest):
    def setUp(self):
        super().setUp()
        self.requests = self.queue(exclusive=False, auto_delete=True)
        self.replies = {}
        self.server = Server(self.requests)
        self.server.start()
        self.addCleanup(self.stop)

    def stop(self):
        self.connect().channel().queue_delete(self.requests)
        self.server.join(10)
        self.assertFalse(self.server.is_alive())

    def note(self, channel, method, properties, body):
        self.replies[properties.correlation_id] = body

    def call(self, number, reply_to):
        properties = pika.BasicProperties(reply_to=reply_to, correlation_id=str(number))
        self.channel.basic_publish("", self.requests, f"call {number}".encode(), properties)

    def everything_is_answered(self, reply_to):
        for number in range(20):
            self.call(number, reply_to)
        self.run_until(lambda: len(self.replies) == 20)
        self.assertEqual(self.replies, {str(n): f"CALL {n}".encode() for n in range(20)})

    def test_replies_come_to_an_exclusive_queue(self):
        replies = self.queue()
        self.channel.basic_consume(replies, self.note, auto_ack=True)
        self.everything_is_answered(replies)

    def test_replies_come_directly(self):
        self.channel.basic_consume("amq.rabbitmq.reply-to", self.note, auto_ack=True)
        self.everything_is_answered("amq.rabbitmq.reply-to")


if __name__ == "__main__":
    unittest.main()
