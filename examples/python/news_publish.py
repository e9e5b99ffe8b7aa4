"""Tells the news to everybody who listens right now (see news_listen.py)."""

import os
import sys

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()

# A fanout exchange copies a message to every queue bound to it; without any, the message is dropped.
channel.exchange_declare("news", exchange_type="fanout")
text = " ".join(sys.argv[1:]) or "nothing happened"
channel.basic_publish("news", routing_key="", body=text)
print("published", text)
connection.close()
