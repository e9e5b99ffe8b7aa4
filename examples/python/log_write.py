"""Writes a line to the log: log_write.py SEVERITY TEXT..."""

import os
import sys

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()

# A direct exchange hands a message to the queues bound with exactly its routing key: here, the severity.
channel.exchange_declare("log", exchange_type="direct")
severity = sys.argv[1] if len(sys.argv) > 1 else "info"
text = " ".join(sys.argv[2:]) or "all is well"
channel.basic_publish("log", routing_key=severity, body=text)
print("wrote", severity, text)
connection.close()
