"""Shows the log's lines of some severities: log_read.py SEVERITY..."""

import os
import sys

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.exchange_declare("log", exchange_type="direct")
queue = channel.queue_declare("", exclusive=True).method.queue

# One binding for each severity of interest.
for severity in sys.argv[1:] or ["info", "warning", "error"]:
    channel.queue_bind(queue, "log", routing_key=severity)


def on_line(channel, method, properties, body):
    print(f"[{method.routing_key}] {body.decode()}", flush=True)


channel.basic_consume(queue, on_line, auto_ack=True)
print("reading, Ctrl-C ends", flush=True)
try:
    channel.start_consuming()
except KeyboardInterrupt:
    connection.close()
