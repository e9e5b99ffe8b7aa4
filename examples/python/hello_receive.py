"""Prints what arrives in the queue `hello`, until interrupted."""

import os

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")


def on_message(channel, method, properties, body):
    print("received", body.decode(), flush=True)
    # The broker forgets the message only now; had we failed before, it would come again.
    channel.basic_ack(method.delivery_tag)


connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.queue_declare("hello", durable=True)
channel.basic_consume("hello", on_message)
print("waiting for messages, Ctrl-C ends", flush=True)
try:
    channel.start_consuming()
except KeyboardInterrupt:
    connection.close()
