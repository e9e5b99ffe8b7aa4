"""Adds the tasks named on the command line to the work queue; each dot in a name is a second of work."""

import os
import sys

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.queue_declare("tasks", durable=True)

# With confirms, basic_publish returns once the broker has taken the message over.
channel.confirm_delivery()
persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
for task in sys.argv[1:] or ["a task."]:
    channel.basic_publish("", "tasks", task, persistent, mandatory=True)
    print("added", task)
connection.close()
