"""Publishes until the broker holds it back and lets it go again; each step is printed."""

import time

import pika

from broker import parameters

connection = pika.BlockingConnection(parameters(heartbeat=1, blocked_connection_timeout=30))
channel = connection.channel()
queue = channel.queue_declare("", exclusive=True).method.queue
heard = []
connection.add_on_connection_blocked_callback(lambda _connection, frame: heard.append(frame.method.reason))
connection.add_on_connection_unblocked_callback(lambda _connection, frame: heard.append("unblocked"))


def publish_until(steps):
    deadline = time.monotonic() + 20
    while len(heard) < steps:
        assert time.monotonic() < deadline, heard
        # Once blocked, publishing on would fill the socket and wait for ever: only listen then.
        if not heard:
            channel.basic_publish("", queue, b"x")
        connection.process_data_events(time_limit=0.05)
    print(heard[-1])


print("publishing")
publish_until(1)
# The connection is not dropped for the heartbeats that the broker does not read.
until = time.monotonic() + 4
while time.monotonic() < until:
    connection.process_data_events(time_limit=0.5)
print("still there")
publish_until(2)
channel.basic_publish("", queue, b"last")
bodies = [body for _, _, body in iter(lambda: channel.basic_get(queue, auto_ack=True), (None, None, None))]
print("last" if bodies[-1] == b"last" else bodies)
connection.close()
