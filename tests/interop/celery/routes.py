"""Tasks go to the queues they are routed to: by name, by topic, to every worker, at the worker's wish."""

import os
import unittest

from kombu import Exchange, Queue
from kombu.common import Broadcast

from application import PATIENCE, CeleryTest, application

media = Exchange("media", type="topic")

app = application(
    "routes",
    task_queues=[
        Queue("celery", Exchange("celery"), routing_key="celery"),
        Queue("video", media, routing_key="media.video.#"),
        Queue("image", media, routing_key="media.image.#"),
        Broadcast("everyone"),
    ],
    task_routes={
        "routes.encode": {"exchange": "media", "routing_key": "media.video.encode"},
        "routes.resize": {"exchange": "media", "routing_key": "media.image.resize"},
        "routes.note": {"queue": "everyone", "exchange": "everyone"},
    },
)


@app.task(bind=True)
def encode(self):
    return self.request.hostname, self.request.delivery_info["routing_key"]


@app.task(bind=True)
def resize(self):
    return self.request.hostname, self.request.delivery_info["routing_key"]


@app.task(bind=True)
def here(self):
    return self.request.hostname, self.request.delivery_info["routing_key"]


@app.task(bind=True, ignore_result=True)
def note(self):
    open(os.path.join(os.environ["FOLDER"], self.request.hostname), "w").close()


class Routes(CeleryTest):
    """Worker `one` takes from `celery`, `video` and `everyone`, worker `two` from `image` and `everyone`."""

    def test_a_topic_leads_to_the_worker_of_its_queue(self):
        calls = [task.delay() for _ in range(5) for task in (encode, resize)]
        expected = [["one@here", "media.video.encode"], ["two@here", "media.image.resize"]]
        self.assertEqual(self.results(*calls), expected * 5)

    def test_the_caller_may_choose_the_queue(self):
        self.assertEqual(here.apply_async(queue="image").get(timeout=PATIENCE)[0], "two@here")
        self.assertEqual(here.delay().get(timeout=PATIENCE)[0], "one@here")

    def test_a_broadcast_reaches_every_worker(self):
        note.delay()
        self.eventually(lambda: {"one@here", "two@here"} <= set(os.listdir(os.environ["FOLDER"])))

    def test_a_worker_takes_from_a_new_queue_until_told_to_stop(self):
        pending = here.apply_async(queue="aside")
        app.control.add_consumer("aside", destination=["two@here"], reply=True, limit=1, timeout=PATIENCE)
        self.assertEqual(pending.get(timeout=PATIENCE), ["two@here", "aside"])
        app.control.cancel_consumer("aside", destination=["two@here"], reply=True, limit=1, timeout=PATIENCE)
        late = here.apply_async(queue="aside")
        app.control.add_consumer("aside", destination=["one@here"], reply=True, limit=1, timeout=PATIENCE)
        self.assertEqual(late.get(timeout=PATIENCE), ["one@here", "aside"])


if __name__ == "__main__":
    unittest.main()
