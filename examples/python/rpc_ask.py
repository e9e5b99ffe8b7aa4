"""Asks for the square of each number given: rpc_ask.py NUMBER..."""

import os
import sys
import uuid

import pika

# Consuming from this name and giving it as reply_to needs no reply queue at all.
REPLY_TO = "amq.rabbitmq.reply-to"

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.queue_declare("squares")
answers = {}


def on_answer(channel, method, properties, body):
    answers[properties.correlation_id] = body.decode()


def ask(number):
    question = str(uuid.uuid4())
    properties = pika.BasicProperties(reply_to=REPLY_TO, correlation_id=question)
    channel.basic_publish("", "squares", str(number), properties)
    while question not in answers:
        connection.process_data_events(time_limit=1)
    return answers.pop(question)


channel.basic_consume(REPLY_TO, on_answer, auto_ack=True)
for number in sys.argv[1:] or ["7"]:
    print(number, "squared is", ask(number))
connection.close()
