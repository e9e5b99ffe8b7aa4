"""Programs made of kombu's mixins: a service that answers, and comes back when its connection breaks."""

import socket
import threading
import unittest

from kombu import Connection, Consumer, Producer, Queue, uuid
from kombu.mixins import ConsumerProducerMixin

from broker import PATIENCE, URL, BrokerTest


class Squares(ConsumerProducerMixin):
    """Answers with the square of what it is asked."""

    def __init__(self, connection, queue):
        self.connection, self.queue = connection, queue
        self.ready = threading.Event()

    def get_consumers(self, Consumer, channel):
        return [Consumer([self.queue], on_message=self.answer, prefetch_count=10)]

    def on_consume_ready(self, connection, channel, consumers, **arguments):
        self.socket = connection.connection.sock
        self.ready.set()

    def answer(self, message):
        correlation = message.properties["correlation_id"]
        self.producer.publish(
            message.payload**2, routing_key=message.properties["reply_to"], correlation_id=correlation, retry=True
        )
        message.ack()


class Services(BrokerTest):
    def start(self, service):
        thread = threading.Thread(target=service.run, daemon=True)
        thread.start()
        self.addCleanup(thread.join, PATIENCE)
        self.addCleanup(setattr, service, "should_stop", True)
        self.assertTrue(service.ready.wait(PATIENCE))
        return service

    def ask(self, queue, numbers):
        """The answers, which may come in any order."""
        replies, answers = Queue(uuid(), exclusive=True, auto_delete=True), {}
        note = lambda message: answers.update({message.properties["correlation_id"]: message.payload})
        with Consumer(self.channel, [replies], on_message=note, no_ack=True):
            producer = Producer(self.channel)
            for number in numbers:
                producer.publish(
                    number, routing_key=queue.name, reply_to=replies.name, correlation_id=str(number), declare=[queue]
                )
            self.drain_until(lambda: len(answers) == len(numbers))
        return answers

    def test_a_service_answers_each_question(self):
        queue = Queue(self.id(), auto_delete=True)
        self.start(Squares(Connection(URL), queue))
        self.assertEqual(self.ask(queue, range(50)), {str(number): number**2 for number in range(50)})

    def test_a_service_comes_back_when_its_connection_breaks(self):
        queue = Queue(self.id())
        service = self.start(Squares(Connection(URL), queue))
        service.ready.clear()
        service.socket.shutdown(socket.SHUT_RDWR)
        self.assertTrue(service.ready.wait(PATIENCE))
        self.assertEqual(self.ask(queue, [3]), {"3": 9})


if __name__ == "__main__":
    unittest.main()
