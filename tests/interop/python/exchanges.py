"""Every kind of exchange and binding, through pika."""

import unittest

from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

import pika
from broker import BrokerTest


class Exchanges(BrokerTest):
    def exchange(self, kind, name="e", **settings):
        settings.setdefault("auto_delete", True)
        self.channel.exchange_declare(name, kind, **settings)
        return name

    def bound(self, exchange, key="", arguments=None):
        queue = self.queue()
        self.channel.queue_bind(queue, exchange, key, arguments)
        return queue

    def bodies(self, queue):
        bodies = []
        while True:
            method, _, body = self.channel.basic_get(queue, auto_ack=True)
            if method is None:
                return bodies
            bodies.append(body)

    def test_direct_goes_by_the_exact_key(self):
        exchange = self.exchange("direct")
        info, error = self.bound(exchange, "info"), self.bound(exchange, "error")
        self.channel.basic_publish(exchange, "error", b"fire")
        self.assertEqual((self.bodies(info), self.bodies(error)), ([], [b"fire"]))

    def test_fanout_goes_to_every_queue(self):
        exchange = self.exchange("fanout")
        queues = [self.bound(exchange) for _ in range(3)]
        self.channel.basic_publish(exchange, "ignored", b"all")
        self.assertEqual([self.bodies(queue) for queue in queues], [[b"all"]] * 3)

    def test_topic_matches_words(self):
        exchange = self.exchange("topic")
        star, hash_ = self.bound(exchange, "europe.*"), self.bound(exchange, "europe.#")
        for key in ("europe", "europe.weather", "europe.weather.today", "asia.weather"):
            self.channel.basic_publish(exchange, key, key.encode())
        self.assertEqual(self.bodies(star), [b"europe.weather"])
        self.assertEqual(self.bodies(hash_), [b"europe", b"europe.weather", b"europe.weather.today"])

    def test_headers_match_all_or_any(self):
        exchange = self.exchange("headers")
        wanted = {"format": "pdf", "pages": 3}
        every = self.bound(exchange, arguments={**wanted, "x-match": "all"})
        some = self.bound(exchange, arguments={**wanted, "x-match": "any"})
        for body, headers in ((b"both", wanted), (b"one", {"pages": 3}), (b"none", {"pages": 4})):
            self.channel.basic_publish(exchange, "", body, pika.BasicProperties(headers=headers))
        self.assertEqual(self.bodies(every), [b"both"])
        self.assertEqual(self.bodies(some), [b"both", b"one"])

    def test_an_exchange_may_feed_another(self):
        first, second = self.exchange("topic", "first"), self.exchange("fanout", "second")
        queue = self.bound(second)
        self.channel.exchange_bind(second, first, "a.*")
        self.channel.basic_publish(first, "a.b", b"through")
        self.assertEqual(self.bodies(queue), [b"through"])
        self.channel.exchange_unbind(second, first, "a.*")

    def test_what_finds_no_way_takes_the_alternate_one(self):
        spare = self.exchange("fanout", "spare")
        caught = self.bound(spare)
        main = self.exchange("direct", "main", arguments={"alternate-exchange": spare})
        self.channel.basic_publish(main, "nobody", b"caught")
        self.assertEqual(self.bodies(caught), [b"caught"])
        self.channel.exchange_delete(main)

    def test_an_auto_delete_exchange_goes_with_its_last_binding(self):
        exchange = self.exchange("fanout")
        queue = self.bound(exchange)
        self.channel.queue_unbind(queue, exchange, "")
        with self.assertRaises(ChannelClosedByBroker) as closed:
            self.channel.exchange_declare(exchange, passive=True)
        self.assertEqual(closed.exception.reply_code, 404)

    def test_an_unknown_kind_is_refused(self):
        with self.assertRaises((ChannelClosedByBroker, ConnectionClosedByBroker)) as closed:
            self.exchange("nonsense")
        self.assertIn("unknown exchange type 'nonsense'", closed.exception.reply_text)


if __name__ == "__main__":
    unittest.main()
