# SPDX-License-Identifier: Apache-2.0
"""Receivers on this machine: one that is posted to, and a mail server."""

import contextlib
import http.server
import json
import socketserver
import threading

from nova_ha.notifications.conditions import Condition, Kind
from nova_ha.notifications.courier import Courier
from nova_ha.notifications.outbox import Outbox
from nova_ha.notifications.spool import Spool

SECRET = "T0KEN-s3cret"


class Inbox(http.server.ThreadingHTTPServer):
    """Answers each POST with ``status``, and keeps what it took.

    :ivar status: an HTTP status; "hang": no answer until the test is over; "take and hang": likewise, but it is taken
    """

    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), _Post)
        self.url = f"http://127.0.0.1:{self.server_port}/hooks/{SECRET}"
        self.status = 200
        self.headers = {}
        self.taken = []
        self.asked = 0
        self.authorizations = []
        self.over = threading.Event()

    def told(self):
        """(status, event, host) of all that was taken in the format plain, in order."""
        return [(each["status"], each["event"], each["host"]) for body in self.taken for each in body["notifications"]]


class _Post(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        self.server.authorizations.append(self.headers["Authorization"])
        status = self.server.status
        if status in (200, "take and hang") and self.path.endswith(SECRET):
            self.server.taken.append(body)
        if "hang" in str(status):
            self.server.over.wait()
            status = 500
        self.send_response(status if self.path.endswith(SECRET) else 404)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mail; ``refuses`` has the commands that it refuses, each with its answer."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Mail)
        self.port = self.server_address[1]
        self.refuses = {}
        self.mails = []

    def handle_error(self, *_):
        """Whoever speaks TLS to it leaves it in the middle of a line."""


class _Mail(socketserver.StreamRequestHandler):
    def handle(self):
        self._say("220 here")
        while line := self.rfile.readline():
            verb = line.decode("latin-1").strip().partition(" ")[0].upper().partition(":")[0]
            if verb in self.server.refuses:
                self._say(self.server.refuses[verb])
            elif verb == "EHLO":
                self._say("250-here\r\n250 AUTH PLAIN")
            elif verb == "DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(lines).decode())
                self._say("250 taken")
            else:
                self._say({"AUTH": "235 welcome", "QUIT": "221 bye"}.get(verb, "250 well"))

    def _say(self, text):
        self.wfile.write(f"{text}\r\n".encode())


@contextlib.contextmanager
def serving(server):
    """Has it answer; ends what hangs."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        if isinstance(server, Inbox):
            server.over.set()
        server.shutdown()
        server.server_close()


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


EVERY = [kind.value for kind in Kind]


def down(*hosts):
    """The conditions that these hosts are down."""
    found = [Condition(Kind.HOST_DOWN, host, None, f"{host} is dead") for host in hosts]
    return {each.key: each for each in found}


def over(*hosts):
    """That they are not any more."""
    return {f"host_down/{host}/": f"{host} is not flagged any more" for host in hosts}


def outbox(directory, wanted=EVERY, spool=Spool):
    return Outbox("webhook-plain-1", "plain webhook", wanted, spool(f"{directory}/webhook-plain-1"))


def courier(receiver, box, clock=None, a_minute=600):
    times = {"clock": clock, "epoch": clock} if clock else {}
    return Courier(receiver, box, "nova-evacuate", "control-1", a_minute, **times)
