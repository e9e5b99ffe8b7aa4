"""Remote control: questions and orders go to every worker by fanout, answers come to a queue of the caller's."""

import time
import unittest

from celery.exceptions import TaskRevokedError

from application import PATIENCE, CeleryTest, application

app = application("control")


@app.task
def nap(seconds):
    time.sleep(seconds)
    return "rested"


class Control(CeleryTest):
    """Two workers of one process each, `one` and `two`."""

    def ask(self, **scope):
        """The inspector, which waits until both have answered, unless told of fewer."""
        return app.control.inspect(timeout=PATIENCE, limit=len(scope.get("destination", "12")), **scope)

    def test_every_worker_answers_a_ping(self):
        answers = app.control.ping(timeout=PATIENCE, limit=2)
        self.assertCountEqual(answers, [{"one@here": {"ok": "pong"}}, {"two@here": {"ok": "pong"}}])

    def test_one_worker_alone_answers_when_it_alone_is_asked(self):
        self.assertEqual(self.ask(destination=["two@here"]).ping(), {"two@here": {"ok": "pong"}})

    def test_workers_tell_what_they_are(self):
        self.assertIn("control.nap", self.ask().registered()["one@here"])
        stats = self.ask().stats()
        self.assertEqual({worker["pool"]["max-concurrency"] for worker in stats.values()}, {1})
        queues = self.ask().active_queues()
        self.assertEqual([queue["name"] for queue in queues["two@here"]], ["celery"])

    def test_a_revoked_task_is_not_run(self):
        napping = [nap.delay(0.3) for _ in range(2)]
        late = nap.apply_async((0,), countdown=0.5)
        app.control.revoke(late.id, reply=True, limit=2, timeout=PATIENCE)
        with self.assertRaises(TaskRevokedError):
            late.get(timeout=PATIENCE)
        self.assertEqual(self.results(*napping), ["rested"] * 2)

    def test_a_running_task_is_terminated(self):
        napping = nap.delay(60)
        running = lambda: [task for tasks in self.ask().active().values() for task in tasks]
        self.eventually(lambda: napping.id in [task["id"] for task in running()])
        app.control.revoke(napping.id, terminate=True)
        with self.assertRaises(TaskRevokedError):
            napping.get(timeout=PATIENCE)

    def test_a_larger_pool_takes_more_tasks(self):
        two = ["two@here"]
        before = self.ask(destination=two).stats()["two@here"]["prefetch_count"]
        app.control.pool_grow(1, destination=two, reply=True, limit=1, timeout=PATIENCE)
        self.assertEqual(self.ask(destination=two).stats()["two@here"]["prefetch_count"], 2 * before)
        app.control.pool_shrink(1, destination=two, reply=True, limit=1, timeout=PATIENCE)


if __name__ == "__main__":
    unittest.main()
