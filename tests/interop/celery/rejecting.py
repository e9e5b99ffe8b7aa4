"""Tasks that reject their message: it comes again, or goes where dead letters go."""

import unittest

from celery.exceptions import Reject
from kombu import Exchange, Queue

from application import PATIENCE, CeleryTest, application

dead = Queue("dead", Exchange("dead", type="fanout"))

app = application(
    "rejecting",
    task_acks_late=True,
    task_queues=[Queue("celery", queue_arguments={"x-dead-letter-exchange": "dead"})],
)


@app.task(bind=True)
def not_at_first(self):
    redelivered = self.request.delivery_info["redelivered"]
    if not redelivered:
        raise Reject("not yet", requeue=True)
    return "at last"


@app.task
def never(text):
    raise Reject(text, requeue=False)


class Rejecting(CeleryTest):
    def test_a_task_may_ask_to_come_again(self):
        self.assertEqual(not_at_first.delay().get(timeout=PATIENCE), "at last")

    def test_a_refused_task_is_found_among_the_dead_letters(self):
        with app.connection_for_read() as connection:
            letters = dead(connection.default_channel)
            letters.declare()
            call = never.delay("no")
            letter = self.eventually(letters.get)
            self.assertEqual(letter.headers["id"], call.id)
            death = letter.headers["x-death"][0]
            self.assertEqual((death["reason"], death["queue"], death["count"]), ("rejected", "celery", 1))
            letter.ack()


if __name__ == "__main__":
    unittest.main()
