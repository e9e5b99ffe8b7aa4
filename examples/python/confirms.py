"""Publishes with confirms: the broker says what it has taken over and returns what it could not route."""

import os

import pika
from pika.exceptions import UnroutableError

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()
queue = channel.queue_declare("", exclusive=True).method.queue

for number in range(100):
    channel.basic_publish("", queue, f"order {number}", mandatory=True)
print("100 orders confirmed")

try:
    channel.basic_publish("", "no such queue", "lost order", mandatory=True)
except UnroutableError as error:
    print("returned:", error.messages[0].method.reply_text)
connection.close()
