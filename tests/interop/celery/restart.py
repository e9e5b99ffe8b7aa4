"""The broker is restarted under a worker: it comes back by itself, and finds every task again."""

import unittest

from application import PATIENCE, CeleryTest, application

app = application("restart", task_routes={"restart.kept": {"queue": "kept"}})
KEPT = [f"kept-{number}" for number in range(10)]


@app.task
def echo(text):
    return text


@app.task
def kept(text):
    echo.delay(text)
    return text


class Before(CeleryTest):
    def test_tasks_are_sent_that_nobody_takes_yet(self):
        self.assertEqual(echo.delay("here").get(timeout=PATIENCE), "here")
        for text in KEPT:
            kept.apply_async((text,), task_id=text)


class After(CeleryTest):
    def test_the_worker_goes_on_and_the_tasks_are_there(self):
        self.assertEqual(echo.delay("back").get(timeout=PATIENCE), "back")
        self.assertTrue(app.control.ping(timeout=PATIENCE, limit=1))
        app.control.add_consumer("kept", reply=True, limit=1, timeout=PATIENCE)
        done = lambda: app.control.inspect(timeout=PATIENCE, limit=1).stats()["one@here"]["total"]
        self.eventually(lambda: done().get("restart.kept") == len(KEPT))


if __name__ == "__main__":
    unittest.main()
