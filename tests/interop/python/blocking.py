"""pika's BlockingConnection: declaring, getting, consuming, closing."""

import threading
import unittest

import pika
from pika.exceptions import (
    AuthenticationError,
    ChannelClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from broker import BrokerTest, parameters


class Connecting(BrokerTest):
    def test_the_broker_says_what_it_can_do(self):
        self.assertTrue(self.connection.publisher_confirms_supported)
        self.assertTrue(self.connection.basic_nack_supported)
        self.assertTrue(self.connection.consumer_cancel_notify_supported)
        self.assertTrue(self.connection.exchange_exchange_bindings_supported)

    def test_a_wrong_password_is_refused_with_a_reason(self):
        wrong = pika.PlainCredentials("guest", "wrong")
        with self.assertRaises((AuthenticationError, ProbableAuthenticationError)) as refused:
            pika.BlockingConnection(parameters(credentials=wrong))
        self.assertIn("403", str(refused.exception))

    def test_an_unknown_virtual_host_is_refused_with_530(self):
        with self.assertRaises(ProbableAccessDeniedError) as refused:
            pika.BlockingConnection(parameters(virtual_host="nowhere"))
        self.assertIn("(530) 'NOT_ALLOWED - vhost nowhere not found'", str(refused.exception))

    def test_the_client_may_ask_for_small_frames(self):
        small = self.connect(frame_max=4096).channel()
        queue = self.queue(small)
        body = bytes(range(256)) * 400
        small.basic_publish("", queue, body)
        self.assertEqual(small.basic_get(queue, auto_ack=True)[2], body)

    def test_heartbeats_may_be_turned_off(self):
        self.assertTrue(self.connect(heartbeat=0).channel().is_open)

    def test_many_channels_live_side_by_side(self):
        channels = [self.connection.channel() for _ in range(50)]
        queues = [self.queue(channel) for channel in channels]
        for number, channel in enumerate(channels):
            channel.basic_publish("", queues[-1 - number], str(number).encode())
        for number, queue in enumerate(reversed(queues)):
            self.assertEqual(self.get(queue)[2], str(number).encode())

    def test_a_channel_error_leaves_the_connection_open(self):
        with self.assertRaises(ChannelClosedByBroker) as closed:
            self.channel.queue_declare("missing", passive=True)
        self.assertEqual(closed.exception.reply_code, 404)
        self.assertTrue(self.connection.is_open)
        self.assertTrue(self.connection.channel().is_open)

    def test_a_program_may_open_and_close_connections_over_and_over(self):
        for _ in range(50):
            connection = pika.BlockingConnection(parameters())
            connection.channel()
            connection.close()


class Queues(BrokerTest):
    def test_what_is_published_is_got(self):
        queue = self.queue()
        self.channel.basic_publish("", queue, b"Hello World!")
        method, _, body = self.get(queue)
        self.assertEqual((body, method.exchange, method.routing_key), (b"Hello World!", "", queue))
        self.assertEqual(self.channel.basic_get(queue), (None, None, None))

    def test_every_property_comes_back(self):
        sent = pika.BasicProperties(
            content_type="text/plain",
            content_encoding="utf-8",
            headers={"text": "t", "whole": 7, "big": 2**40, "yes": True, "none": None,
                     "list": [1, "two", {"three": 3}], "bytes": b"\x00\xff"},
            delivery_mode=2,
            priority=9,
            correlation_id="correlation",
            reply_to="reply",
            expiration="60000",
            message_id="id",
            timestamp=1_700_000_000,
            type="type",
            user_id="guest",
            app_id="app",
            cluster_id="cluster",
        )
        queue = self.queue()
        self.channel.basic_publish("", queue, b"", sent)
        self.assertEqual(self.get(queue)[1], sent)

    def test_a_body_of_many_frames_comes_back_whole(self):
        queue = self.queue()
        body = bytes(range(256)) * 8192
        self.channel.basic_publish("", queue, body)
        self.assertEqual(self.get(queue)[2], body)

    def test_purge_and_delete_count_what_they_drop(self):
        queue = self.queue()
        for _ in range(3):
            self.channel.basic_publish("", queue, b"x")
        self.assertEqual(self.channel.queue_purge(queue).method.message_count, 3)
        self.channel.basic_publish("", queue, b"x")
        self.assertEqual(self.channel.queue_delete(queue).method.message_count, 1)

    def test_an_exclusive_queue_is_locked_for_other_connections(self):
        queue = self.queue()
        with self.assertRaises(ChannelClosedByBroker) as closed:
            self.connect().channel().queue_declare(queue, passive=True)
        self.assertEqual(closed.exception.reply_code, 405)

    def test_an_exclusive_queue_is_gone_once_close_returns(self):
        owner = self.connect()
        owner.channel().queue_declare("mine", exclusive=True)
        owner.close()
        self.channel.queue_declare("mine", exclusive=True)

    def test_a_different_declaration_is_refused_with_406(self):
        self.channel.queue_declare("mine", exclusive=True)
        with self.assertRaises(ChannelClosedByBroker) as closed:
            self.channel.queue_declare("mine", exclusive=True, auto_delete=True)
        self.assertEqual(closed.exception.reply_code, 406)
        self.assertIn("inequivalent arg 'auto_delete'", closed.exception.reply_text)


class Consuming(BrokerTest):
    def test_start_consuming_runs_until_stopped(self):
        queue, seen = self.queue(), []

        def on_message(channel, method, properties, body):
            seen.append(body)
            channel.basic_ack(method.delivery_tag)
            if len(seen) == 100:
                channel.stop_consuming()

        self.channel.basic_consume(queue, on_message)
        publisher = self.connect().channel()
        for number in range(100):
            publisher.basic_publish("", queue, str(number).encode())
        self.channel.start_consuming()
        self.assertEqual(seen, [str(number).encode() for number in range(100)])

    def test_the_generator_gives_what_it_did_not_yield_back(self):
        queue = self.queue()
        for number in range(10):
            self.channel.basic_publish("", queue, str(number).encode())
        for method, _, body in self.channel.consume(queue):
            self.channel.basic_ack(method.delivery_tag)
            if body == b"2":
                break
        self.channel.cancel()
        self.assertEqual(self.ready(queue), 7)
        self.assertEqual(self.get(queue)[2], b"3")

    def test_prefetch_holds_the_rest_back(self):
        queue, seen = self.queue(), []
        self.channel.basic_qos(prefetch_count=3)
        for number in range(10):
            self.channel.basic_publish("", queue, str(number).encode())
        self.channel.basic_consume(queue, lambda ch, method, props, body: seen.append(method.delivery_tag))
        self.run_until(lambda: len(seen) == 3)
        self.assertEqual(self.ready(queue), 7)
        self.channel.basic_ack(seen[-1], multiple=True)
        self.run_until(lambda: len(seen) == 6)
        self.assertEqual(self.ready(queue), 4)

    def test_a_work_queue_goes_to_whoever_is_free(self):
        queue = self.queue()
        busy, free = self.connection.channel(), self.connection.channel()
        done = {"busy": [], "free": []}
        busy.basic_qos(prefetch_count=1)
        free.basic_qos(prefetch_count=1)

        def finish(channel, method, properties, body):
            done["free"].append(body)
            channel.basic_ack(method.delivery_tag)

        busy.basic_consume(queue, lambda ch, method, props, body: done["busy"].append(body))
        free.basic_consume(queue, finish)
        for number in range(20):
            self.channel.basic_publish("", queue, str(number).encode())
        self.run_until(lambda: len(done["free"]) == 19)
        self.assertEqual(len(done["busy"]), 1)

    def test_a_deleted_queue_cancels_its_consumer(self):
        queue, cancelled = self.queue(exclusive=False), []
        self.channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
        tag = self.channel.basic_consume(queue, lambda *delivery: None)
        self.connect().channel().queue_delete(queue)
        self.run_until(lambda: cancelled)
        self.assertEqual(cancelled, [tag])

    def test_an_exclusive_consumer_has_the_queue_for_itself(self):
        queue = self.queue(exclusive=False, auto_delete=True)
        self.channel.basic_consume(queue, lambda *delivery: None, exclusive=True)
        with self.assertRaises(ChannelClosedByBroker) as closed:
            self.connect().channel().basic_consume(queue, lambda *delivery: None)
        self.assertEqual(closed.exception.reply_code, 403)
        self.assertIn("in exclusive use", closed.exception.reply_text)

    def test_nack_and_reject_bring_a_message_back_flagged(self):
        queue = self.queue()
        self.channel.basic_publish("", queue, b"again")
        method = self.get(queue, auto_ack=False)[0]
        self.assertFalse(method.redelivered)
        self.channel.basic_nack(method.delivery_tag)
        method = self.get(queue, auto_ack=False)[0]
        self.assertTrue(method.redelivered)
        self.channel.basic_reject(method.delivery_tag, requeue=True)
        method = self.get(queue, auto_ack=False)[0]
        self.assertTrue(method.redelivered)
        self.channel.basic_reject(method.delivery_tag, requeue=False)
        self.assertEqual(self.channel.basic_get(queue), (None, None, None))

    def test_recover_brings_everything_back(self):
        queue, seen = self.queue(), []
        self.channel.basic_consume(queue, lambda ch, method, props, body: seen.append(method.redelivered))
        self.channel.basic_publish("", queue, b"once more")
        self.run_until(lambda: seen == [False])
        self.channel.basic_recover(requeue=True)
        self.run_until(lambda: seen == [False, True])

    def test_another_thread_may_end_a_blocked_consumer(self):
        queue = self.queue()
        self.channel.basic_consume(queue, lambda *delivery: None)
        stop = lambda: self.connection.add_callback_threadsafe(self.channel.stop_consuming)
        timer = threading.Timer(0.2, stop)
        timer.start()
        self.channel.start_consuming()
        timer.join()
        self.assertTrue(self.connection.is_open)


if __name__ == "__main__":
    unittest.main()
