"""The actors that the worker runs, and the broker by which they are reached."""

import os
import time

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

broker = RabbitmqBroker(url=os.environ["AMQP_URL"], confirm_delivery=True, max_priority=10)
dramatiq.set_broker(broker)


def note(text):
    """Writes a line where the tests read it."""
    with open(os.path.join(os.environ["FOLDER"], "notes"), "a") as notes:
        print(text, file=notes)


@dramatiq.actor
def say(text):
    note(text)


@dramatiq.actor
def double(number):
    return 2 * number


@dramatiq.actor
def say_number(number):
    note(number)


@dramatiq.actor
def say_when():
    note(time.time())


@dramatiq.actor(max_retries=5, min_backoff=20, max_backoff=50)
def third_time_lucky(mark):
    path = os.path.join(os.environ["FOLDER"], mark)
    with open(path, "a") as tries:
        tries.write(".")
    if os.path.getsize(path) < 3:
        raise RuntimeError("not yet")
    note(f"{mark} lucky")


@dramatiq.actor(max_retries=1, min_backoff=20, max_backoff=50, queue_name="doomed")
def doomed(mark):
    raise RuntimeError(mark)


@dramatiq.actor(queue_name="stuck")
def stuck_on_first(mark):
    path = os.path.join(os.environ["FOLDER"], mark)
    if not os.path.exists(path):
        open(path, "w").close()
        print(f"{mark} taken", flush=True)
        time.sleep(60)
    note(f"{mark} done")
