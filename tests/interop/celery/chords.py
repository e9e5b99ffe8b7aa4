"""A chord waits for all of a group: results are kept in files, for those over AMQP have no place to meet."""

import os
import unittest

from celery import chain, chord, group

from application import PATIENCE, CeleryTest, application

app = application(
    "chords",
    result_backend="file://" + os.environ["FOLDER"],
    result_chord_retry_interval=0.1,
)


@app.task
def square(number):
    return number * number


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail():
    raise ValueError("no number")


class Chords(CeleryTest):
    def test_the_body_runs_after_all_of_the_header(self):
        self.assertEqual(chord(square.s(number) for number in range(20))(total.s()).get(PATIENCE), 2470)

    def test_a_group_in_a_chain_is_a_chord(self):
        canvas = chain(square.s(2), group(square.s(), square.s()), total.s())
        self.assertEqual(canvas().get(PATIENCE), 32)

    def test_a_failure_in_the_header_is_the_failure_of_the_body(self):
        with self.assertRaisesRegex(Exception, "no number"):
            chord([square.s(2), fail.s()])(total.s()).get(PATIENCE)


if __name__ == "__main__":
    unittest.main()
