"""Reports something from somewhere: world_report.py PLACE.SUBJECT TEXT..."""

import os
import sys

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()

# A topic exchange matches the words of a routing key, which dots separate.
channel.exchange_declare("world", exchange_type="topic")
key = sys.argv[1] if len(sys.argv) > 1 else "europe.weather"
text = " ".join(sys.argv[2:]) or "mild"
channel.basic_publish("world", routing_key=key, body=text)
print("reported", key, text)
connection.close()
