"""Answers questions: the square of a number. Its other half is rpc_ask.py."""

import os

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")


def on_question(channel, method, properties, body):
    answer = str(int(body) ** 2)
    # The answer goes where the question says, with the question's correlation id.
    reply = pika.BasicProperties(correlation_id=properties.correlation_id)
    channel.basic_publish("", properties.reply_to, answer, reply)
    channel.basic_ack(method.delivery_tag)


connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.queue_declare("squares")
channel.basic_qos(prefetch_count=1)
channel.basic_consume("squares", on_question)
print("waiting for questions, Ctrl-C ends", flush=True)
try:
    channel.start_consuming()
except KeyboardInterrupt:
    connection.close()
