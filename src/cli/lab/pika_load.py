"""What a user of pika sees: arguments are the broker's URI, what to measure, and for how many seconds.

Prints the result as `leveret perf --json` would: `rpc` as a tally, `throughput` as messages in and out.
"""

import json
import sys
import threading
import time

import pika

BODY = b"sixteen bytes it"
EMPTY_CHECK = {"published": 0, "repeated": 0}


def percentiles(latencies):
    latencies.sort()
    at = lambda share: latencies[min(int(len(latencies) * share), len(latencies) - 1)] * 1000
    return {"p50": at(0.5), "p99": at(0.99)} if latencies else None


def rpc(parameters, seconds):
    """One client asks and waits, one serves; each with a blocking connection."""
    server = pika.BlockingConnection(parameters)
    serving = server.channel()
    serving.queue_declare("lab-pika-rpc", auto_delete=True)

    def answer(channel, method, properties, body):
        channel.basic_publish("", properties.reply_to, body)

    serving.basic_consume("lab-pika-rpc", answer, auto_ack=True)
    threading.Thread(target=serving.start_consuming, daemon=True).start()
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    answers = []
    channel.basic_consume("amq.rabbitmq.reply-to", lambda *delivery: answers.append(delivery), auto_ack=True)
    properties = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to")
    latencies, begun = [], time.perf_counter()
    while (asked := time.perf_counter()) - begun < seconds:
        channel.basic_publish("", "lab-pika-rpc", BODY, properties)
        while not answers:
            connection.process_data_events(time_limit=1)
        answers.clear()
        latencies.append(time.perf_counter() - asked)
    times = len(latencies)
    result = {"times": times, "per_second": times / seconds, "latency_ms": percentiles(latencies), "errors": []}
    connection.close()
    server.add_callback_threadsafe(serving.stop_consuming)
    return result


def throughput(parameters, seconds):
    """Publishes as fast as it can, then takes everything back, each timed by itself."""
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare("lab-pika", auto_delete=True)
    sent, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for _ in range(100):
            channel.basic_publish("", "lab-pika", BODY)
        sent += 100
    # An answer tells that the broker has taken what was sent before.
    channel.queue_declare("lab-pika", passive=True)
    sending = time.perf_counter() - begun
    received, begun = 0, time.perf_counter()
    for method, _, _ in channel.consume("lab-pika", auto_ack=True, inactivity_timeout=10):
        received += method is not None
        if method is None or received == sent:
            break
    receiving = time.perf_counter() - begun
    channel.cancel()
    connection.close()
    flow = lambda count, took: {
        "messages": count,
        "seconds": took,
        "messages_per_second": count / took,
        "bytes_per_second": count * len(BODY) / took,
    }
    errors = [] if received == sent else [f"{sent - received} of {sent} messages did not come"]
    return {
        "published": flow(sent, sending),
        "consumed": flow(received, receiving),
        "check": EMPTY_CHECK | {"published": sent},
        "errors": errors,
    }


def main():
    uri, what, seconds = sys.argv[1:]
    measure = {"rpc": rpc, "throughput": throughput}[what]
    print(json.dumps(measure(pika.URLParameters(uri), float(seconds))))


if __name__ == "__main__":
    main()
