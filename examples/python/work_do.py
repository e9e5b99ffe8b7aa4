"""Does the tasks of the work queue one by one. Start several: each task is done by one of them."""

import os
import time

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")


def on_task(channel, method, properties, body):
    time.sleep(body.count(b"."))
    print("did", body.decode(), flush=True)
    channel.basic_ack(method.delivery_tag)


connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.queue_declare("tasks", durable=True)

# One unacknowledged task at a time: the next one goes to whoever is free.
channel.basic_qos(prefetch_count=1)
channel.basic_consume("tasks", on_task)
print("waiting for tasks, Ctrl-C ends", flush=True)
try:
    channel.start_consuming()
except KeyboardInterrupt:
    connection.close()
