"""Follows what is reported: world_follow.py PATTERN..., where * is one word and # any number of words."""

import os
import sys

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.exchange_declare("world", exchange_type="topic")
queue = channel.queue_declare("", exclusive=True).method.queue
for pattern in sys.argv[1:] or ["#"]:
    channel.queue_bind(queue, "world", routing_key=pattern)


def on_report(channel, method, properties, body):
    print(f"{method.routing_key}: {body.decode()}", flush=True)


channel.basic_consume(queue, on_report, auto_ack=True)
print("following, Ctrl-C ends", flush=True)
try:
    channel.start_consuming()
except KeyboardInterrupt:
    connection.close()
