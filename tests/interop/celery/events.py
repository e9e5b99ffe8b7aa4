"""Events: workers tell whoever listens what happens to tasks and to themselves."""

import threading
import unittest

from application import PATIENCE, CeleryTest, application

app = application("events", task_send_sent_event=True)


@app.task(bind=True, max_retries=1)
def second_time_lucky(self):
    if not self.request.retries:
        raise self.retry(countdown=0)
    return "lucky"


class Events(CeleryTest):
    def setUp(self):
        self.state = app.events.State()
        self.seen = []
        self.listening, self.heard = threading.Event(), threading.Event()
        self.wanted = "task-succeeded"
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()
        self.assertTrue(self.listening.wait(PATIENCE))

    def listen(self):
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": self.note})
            consuming = receiver.itercapture(limit=None, timeout=PATIENCE, wakeup=True)
            next(consuming)
            self.listening.set()
            for _ in consuming:
                if self.heard.is_set():
                    return

    def note(self, event):
        self.state.event(event)
        self.seen.append(event["type"])
        if event["type"] == self.wanted:
            self.heard.set()

    def test_all_that_happens_to_a_task_is_told(self):
        call = second_time_lucky.delay()
        self.assertTrue(self.heard.wait(PATIENCE))
        self.assertEqual(call.get(timeout=PATIENCE), "lucky")
        told = [kind for kind in self.seen if kind in ("task-received", "task-started", "task-retried")]
        self.assertCountEqual(told, 2 * ["task-received", "task-started"] + ["task-retried"])
        self.assertIn("task-sent", self.seen)
        self.assertEqual(self.state.tasks[call.id].state, "SUCCESS")

    def test_workers_are_known_by_their_heartbeats(self):
        self.wanted = "worker-heartbeat"
        self.assertTrue(self.heard.wait(PATIENCE))
        self.assertTrue(self.state.workers["one@here"].alive)


if __name__ == "__main__":
    unittest.main()
