"""aio-pika: everything awaited, on connections that come back by themselves."""

import asyncio
import os
import unittest
from urllib.parse import urlsplit, urlunsplit

import aio_pika
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.exceptions import ChannelPreconditionFailed, DeliveryError, QueueEmpty
from aio_pika.patterns import RPC, Master

URL = os.environ["AMQP_URL"]
PATIENCE = 10


class AioPikaTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.connection = await self.connect()
        self.channel = await self.connection.channel(on_return_raises=True)

    async def connect(self):
        connection = await aio_pika.connect(URL)
        self.addAsyncCleanup(connection.close)
        return connection

    def publish(self, queue, *bodies, **properties):
        """Publishes and waits for the confirms."""
        exchange = self.channel.default_exchange
        return asyncio.gather(*(exchange.publish(Message(body, **properties), queue.name) for body in bodies))

    async def seen(self, queue, count):
        """The next messages, which must come; all are acknowledged."""
        bodies = []
        async with asyncio.timeout(PATIENCE), queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    bodies.append(message.body)
                if len(bodies) == count:
                    return bodies


class Plain(AioPikaTest):
    async def test_many_publications_are_confirmed_at_once(self):
        queue = await self.channel.declare_queue(exclusive=True)
        bodies = [str(number).encode() for number in range(200)]
        await self.publish(queue, *bodies)
        self.assertEqual(await self.seen(queue, 200), bodies)

    async def test_properties_come_back(self):
        queue = await self.channel.declare_queue(exclusive=True)
        await self.publish(
            queue, b"{}", headers={"depth": {"of": [1, None]}}, delivery_mode=DeliveryMode.PERSISTENT, priority=3,
            expiration=60, correlation_id="c", content_type="application/json",
        )
        message = await queue.get(no_ack=True)
        self.assertEqual(message.headers, {"depth": {"of": [1, None]}})
        self.assertEqual((message.priority, message.expiration, message.correlation_id), (3, 60, "c"))
        with self.assertRaises(QueueEmpty):
            await queue.get()

    async def test_what_no_queue_takes_raises(self):
        with self.assertRaises(DeliveryError) as returned:
            await self.channel.default_exchange.publish(Message(b"x"), "nobody", mandatory=True)
        self.assertEqual(returned.exception.message.delivery.reply_code, 312)

    async def test_a_full_queue_refuses(self):
        limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
        queue = await self.channel.declare_queue(exclusive=True, arguments=limits)
        await self.publish(queue, b"first")
        with self.assertRaises(DeliveryError):
            await self.publish(queue, b"second")

    async def test_a_transaction_commits_or_rolls_back(self):
        channel = await self.connection.channel(publisher_confirms=False)
        queue = await channel.declare_queue(exclusive=True)
        async with channel.transaction():
            await channel.default_exchange.publish(Message(b"kept"), queue.name)
        with self.assertRaises(ZeroDivisionError):
            async with channel.transaction():
                await channel.default_exchange.publish(Message(b"lost"), queue.name)
                raise ZeroDivisionError
        self.assertEqual((await queue.get(no_ack=True)).body, b"kept")
        self.assertIsNone(await queue.get(fail=False))

    async def test_a_failed_message_is_requeued_or_dead(self):
        letters = await self.channel.declare_queue(exclusive=True)
        dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": letters.name}
        queue = await self.channel.declare_queue(exclusive=True, arguments=dead)
        await self.publish(queue, b"bad")
        for requeue in True, False:
            message = await queue.get(timeout=PATIENCE)
            with self.assertRaises(ValueError):
                async with message.process(requeue=requeue):
                    raise ValueError
        self.assertTrue(message.redelivered)
        self.assertEqual(await self.seen(letters, 1), [b"bad"])

    async def test_a_closed_channel_says_why(self):
        await self.channel.declare_exchange(self.id(), ExchangeType.TOPIC, auto_delete=True)
        other = await self.connection.channel()
        with self.assertRaises(ChannelPreconditionFailed):
            await other.declare_exchange(self.id(), ExchangeType.FANOUT, auto_delete=True)


class Patterns(AioPikaTest):
    async def test_a_remote_procedure_is_called(self):
        async def multiply(*, one, other):
            return one * other

        server = await RPC.create(await (await self.connect()).channel())
        await server.register("multiply", multiply, auto_delete=True)
        client = await RPC.create(self.channel)
        calls = (client.proxy.multiply(one=number, other=3) for number in range(20))
        async with asyncio.timeout(PATIENCE):
            self.assertEqual(await asyncio.gather(*calls), [3 * number for number in range(20)])
        await client.close()
        await server.close()

    async def test_tasks_are_shared_among_workers(self):
        done, all_done = [], asyncio.Event()

        async def work(*, number):
            done.append(number)
            if len(done) == 20:
                all_done.set()

        for _ in range(2):
            channel = await (await self.connect()).channel()
            await channel.set_qos(prefetch_count=1)
            await Master(channel).create_worker("work", work, auto_delete=True)
        master = Master(self.channel)
        for number in range(20):
            await master.create_task("work", {"number": number})
        await asyncio.wait_for(all_done.wait(), PATIENCE)
        self.assertEqual(sorted(done), list(range(20)))


class Relay:
    """Passes bytes on between clients and the broker, until their connections are cut."""

    def __init__(self):
        self.writers = []

    async def listen(self):
        """The port at which it listens."""
        server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def accept(self, reader, writer):
        broker = urlsplit(URL)
        there, back = await asyncio.open_connection(broker.hostname, broker.port)
        self.writers += [writer, back]
        await asyncio.gather(self.pass_on(reader, back), self.pass_on(there, writer))

    async def pass_on(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()

    def cut(self):
        for writer in self.writers:
            writer.transport.abort()


class Robust(AioPikaTest):
    async def test_a_consumer_comes_back_with_all_it_declared(self):
        relay = Relay()
        port = await relay.listen()
        address = urlunsplit(urlsplit(URL)._replace(netloc=f"guest:guest@127.0.0.1:{port}"))
        robust = await aio_pika.connect_robust(address, reconnect_interval=0.1)
        self.addAsyncCleanup(robust.close)
        channel = await robust.channel()
        exchange = await channel.declare_exchange(self.id(), ExchangeType.FANOUT, auto_delete=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange)
        got, back = asyncio.Queue(), asyncio.Event()
        await queue.consume(got.put, no_ack=True)
        robust.reconnect_callbacks.add(lambda *_: back.set())
        await exchange.publish(Message(b"before"), "")
        self.assertEqual((await asyncio.wait_for(got.get(), PATIENCE)).body, b"before")
        relay.cut()
        await asyncio.wait_for(back.wait(), PATIENCE)
        await exchange.publish(Message(b"after"), "")
        self.assertEqual((await asyncio.wait_for(got.get(), PATIENCE)).body, b"after")


if __name__ == "__main__":
    unittest.main()
