"""Results over AMQP: values, exceptions, states on the way, many at once."""

import threading
import unittest

from celery import chain, group

from application import PATIENCE, CeleryTest, application

app = application("results")


@app.task
def add(one, other):
    return one + other


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True)
def halfway(self):
    self.update_state(state="HALFWAY", meta={"done": 50})
    return "done"


@app.task
def size(text):
    return len(text)


class Results(CeleryTest):
    def test_a_value_comes_back(self):
        self.assertEqual(add.delay(3, 4).get(timeout=PATIENCE), 7)

    def test_an_exception_comes_back_with_its_trace(self):
        failed = fail.delay("no such thing")
        with self.assertRaisesRegex(ValueError, "no such thing"):
            failed.get(timeout=PATIENCE)
        self.assertEqual(failed.state, "FAILURE")
        self.assertIn("raise ValueError(text)", failed.traceback)

    def test_a_state_on_the_way_is_seen(self):
        seen = []
        halfway.delay().get(timeout=PATIENCE, on_message=lambda meta: seen.append(meta["status"]))
        self.assertEqual(seen, ["HALFWAY", "SUCCESS"])

    def test_a_group_comes_back_in_order(self):
        many = group(add.s(number, number) for number in range(200))()
        self.assertEqual(many.get(timeout=PATIENCE), [2 * number for number in range(200)])

    def test_a_chain_hands_each_value_on(self):
        self.assertEqual(chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=PATIENCE), 10)

    def test_every_thread_gets_its_own(self):
        got = {}
        # Celery names a thread's queue of results by an identity that a thread begun later may get again.
        together = threading.Barrier(8, timeout=PATIENCE)

        def call(number):
            together.wait()
            got[number] = add.delay(number, 1).get(timeout=PATIENCE)

        threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(got, {number: number + 1 for number in range(8)})

    def test_a_large_argument_arrives_compressed_or_not(self):
        text = "leveret " * 250_000
        calls = [size.delay(text)]
        calls += [size.apply_async((text,), compression=how) for how in ("zlib", "bzip2", "lzma")]
        self.assertEqual(self.results(*calls), [len(text)] * 4)


if __name__ == "__main__":
    unittest.main()
