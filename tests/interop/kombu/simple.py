"""SimpleQueue and SimpleBuffer: kombu's queue with the face of Python's."""

import unittest

from kombu.simple import SimpleBuffer

from broker import PATIENCE, BrokerTest


class Simple(BrokerTest):
    def setUp(self):
        super().setUp()
        self.queue = self.connection.SimpleQueue(self.id())
        self.addCleanup(self.queue.close)

    def test_what_is_put_is_got_in_order(self):
        for number in range(10):
            self.queue.put({"number": number})
        self.eventually(lambda: self.queue.qsize() == 10)
        for number in range(10):
            message = self.queue.get(timeout=PATIENCE)
            self.assertEqual(message.payload, {"number": number})
            message.ack()

    def test_an_empty_queue_says_so(self):
        with self.assertRaises(self.queue.Empty):
            self.queue.get_nowait()
        with self.assertRaises(self.queue.Empty):
            self.queue.get(timeout=0.05)

    def test_a_getter_waits_for_the_next(self):
        self.queue.put("first")
        self.queue.get(timeout=PATIENCE).ack()
        self.connect().SimpleQueue(self.id()).put("second")
        self.assertEqual(self.queue.get(timeout=PATIENCE).payload, "second")

    def test_a_requeued_message_comes_again_and_a_rejected_one_does_not(self):
        self.queue.put("again")
        self.queue.get(timeout=PATIENCE).requeue()
        self.queue.get(timeout=PATIENCE).reject()
        with self.assertRaises(self.queue.Empty):
            self.queue.get(timeout=0.05)

    def test_clear_says_how_much_there_was(self):
        self.queue.put("held")
        self.queue.get(timeout=PATIENCE)
        other = self.connect().SimpleQueue(f"{self.id()}-other")
        for _ in range(3):
            other.put("x")
        self.eventually(lambda: len(other) == 3)
        self.assertEqual(other.clear(), 3)

    def test_what_a_closed_getter_held_comes_again(self):
        self.queue.put("held")
        other = self.connect()
        self.assertEqual(other.SimpleQueue(self.id()).get(timeout=PATIENCE).payload, "held")
        other.release()
        message = self.queue.get(timeout=PATIENCE)
        self.assertTrue(message.delivery_info["redelivered"])
        message.ack()

    def test_a_buffer_needs_no_acknowledgement(self):
        with SimpleBuffer(self.connection, f"{self.id()}-buffer") as buffer:
            buffer.put("now")
            self.assertEqual(buffer.get(timeout=PATIENCE).payload, "now")


if __name__ == "__main__":
    unittest.main()
