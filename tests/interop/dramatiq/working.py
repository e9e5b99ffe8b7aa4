"""A worker does what actors are sent: at once, later, again, in a pipeline, until it is a dead letter."""

import os
import time
import unittest

from dramatiq import pipeline

import actors
from actors import broker

PATIENCE = 20


class DramatiqTest(unittest.TestCase):
    def eventually(self, condition):
        """Waits until `condition()` gives something, for what no message announces."""
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            self.assertLess(time.monotonic(), deadline, "nothing happened in time")
            time.sleep(0.02)
        return found

    def notes(self):
        """What the actors have noted."""
        path = os.path.join(os.environ["FOLDER"], "notes")
        return open(path).read().splitlines() if os.path.exists(path) else []

    def noted(self, *texts):
        self.eventually(lambda: set(texts) <= set(self.notes()))


class Working(DramatiqTest):
    def test_messages_are_processed_once_each(self):
        texts = [f"hello {number}" for number in range(100)]
        for text in texts:
            actors.say.send(text)
        self.noted(*texts)
        self.assertEqual(sorted(note for note in self.notes() if note.startswith("hello")), sorted(texts))

    def test_a_delayed_message_waits(self):
        due = time.time() + 0.3
        actors.say_when.send_with_options(delay=300)
        said = self.eventually(lambda: [note for note in self.notes() if note[0].isdigit() and "." in note])
        self.assertGreaterEqual(float(said[0]), due - 0.01)

    def test_a_failed_message_is_tried_again_with_back_off(self):
        actors.third_time_lucky.send("retried")
        self.noted("retried lucky")

    def test_a_pipeline_hands_each_value_on(self):
        pipeline([actors.double.message(5), actors.double.message(), actors.say_number.message()]).run()
        self.noted("20")

    def test_nothing_is_left_when_all_is_done(self):
        for number in range(5):
            actors.say.send_with_options(args=(f"counted {number}",), delay=10 * number)
        self.noted(*(f"counted {number}" for number in range(5)))
        self.eventually(lambda: broker.get_queue_message_counts("default") == (0, 0, 0))


class DeadLetters(DramatiqTest):
    def test_a_message_that_fails_too_often_is_a_dead_letter(self):
        actors.doomed.send("doom")
        self.eventually(lambda: broker.get_queue_message_counts("doomed") == (0, 0, 1))


class Asking(DramatiqTest):
    """Before there is a worker."""

    def test_messages_are_sent_in_this_order(self):
        for number, priority in enumerate([0, 9, 5, 9]):
            actors.say.send_with_options(args=(f"{priority} {number}",), broker_priority=priority)


class Doing(DramatiqTest):
    """Once a worker of one thread has started."""

    def test_urgent_ones_are_done_first(self):
        self.noted("0 0")
        self.assertEqual(self.notes(), ["9 1", "9 3", "5 2", "0 0"])


class Redelivery(DramatiqTest):
    """The worker is killed when it has taken the message, and another started."""

    def test_what_a_killed_worker_had_is_done_by_the_next(self):
        actors.stuck_on_first.send("stuck")
        self.noted("stuck done")


if __name__ == "__main__":
    unittest.main()
