"""pidbox: orders and questions to all processes of a kind, or to one, and their answers."""

import threading
import unittest

from kombu.pidbox import Mailbox

from broker import PATIENCE, BrokerTest


class Process(threading.Thread):
    """Listens to a mailbox and answers until told to stop."""

    def __init__(self, test, hostname):
        super().__init__(daemon=True)
        self.hostname = hostname
        self.connection = test.connect()
        self.heard = []
        mailbox = Mailbox("hares", type=test.kind)(self.connection)
        handlers = {"where": self.where, "note": self.note, "stop": self.stop}
        self.node = mailbox.Node(hostname, state=None, handlers=handlers)
        self.running = True
        test.addCleanup(self.join, PATIENCE)
        channel = self.connection.channel()
        self.consumer = self.node.Consumer(channel=channel)
        self.consumer.register_callback(self.handle)
        self.consumer.consume()

    def handle(self, body, message):
        self.node.handle_message(body, message)

    def where(self, state, **arguments):
        return self.hostname

    def note(self, state, text):
        self.heard.append(text)

    def stop(self, state):
        self.running = False

    def run(self):
        while self.running:
            self.connection.drain_events(timeout=PATIENCE)


class Boxes(BrokerTest):
    kind = "fanout"

    def setUp(self):
        super().setUp()
        self.mailbox = Mailbox("hares", type=self.kind)(self.connection)
        self.processes = [Process(self, name) for name in ("white", "brown")]
        for process in self.processes:
            process.start()
        self.addCleanup(self.mailbox.abcast, "stop")

    def test_everyone_is_asked(self):
        answers = self.mailbox.multi_call("where", timeout=PATIENCE, limit=2)
        self.assertCountEqual(answers, [{"white": "white"}, {"brown": "brown"}])

    def test_one_is_asked(self):
        answers = self.mailbox.call(["brown"], "where", timeout=PATIENCE)
        self.assertEqual(answers, [{"brown": "brown"}])

    def test_everyone_is_told(self):
        self.mailbox.abcast("note", {"text": "run"})
        self.eventually(lambda: all(process.heard == ["run"] for process in self.processes))

    def test_one_is_told(self):
        self.mailbox.cast(["white"], "note", {"text": "hide"})
        self.mailbox.abcast("note", {"text": "run"})
        self.eventually(lambda: [p.heard for p in self.processes] == [["hide", "run"], ["run"]])


if __name__ == "__main__":
    unittest.main()
