"""Sends one message to the queue `hello`. Its other half is hello_receive.py."""

import os

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()

# Both programs declare the queue, so that it does not matter which one starts first.
channel.queue_declare("hello", durable=True)

# The default exchange, named "", takes a message to the queue its routing key names.
channel.basic_publish(
    exchange="",
    routing_key="hello",
    body="Hello World!",
    properties=pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent),
)
print("sent Hello World!")
connection.close()
