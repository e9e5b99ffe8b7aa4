"""Listens to the news. Start several: each gets all of it."""

import os

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.exchange_declare("news", exchange_type="fanout")

# A queue for this listener alone: the broker names it, and it goes when the connection does.
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, "news")

channel.basic_consume(queue, lambda ch, method, props, body: print("heard", body.decode(), flush=True), auto_ack=True)
print("listening, Ctrl-C ends", flush=True)
try:
    channel.start_consuming()
except KeyboardInterrupt:
    connection.close()
