#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The recording proxy: stands in front of nova-api, writes down every request, and misbehaves when told to.

It runs in the cloud container from its own file alone, hence the standard library only and no import of the lab.
Requests are passed on unchanged, ``Host`` included, so that Nova's ``next`` links lead back through here.

Each request is one JSON line: ``time`` of arrival (seconds since the epoch), ``duration`` (seconds), ``method``,
``path`` with the query, ``action`` and ``instance`` of a server action, ``service`` (the body of a change to a compute
service), ``microversion``, ``status`` (null when the client got no answer), ``request_id``, ``client``, and
``injected`` (the name of the rule that interfered, or null).

Rules come as a JSON list to ``PUT /rules`` of the control port (``impair`` is the client). The first rule that matches
a request, and whose ``share`` and ``count`` allow it, is applied.
"""

import argparse
import dataclasses
import http.client
import http.server
import json
import os
import random
import re
import socket
import sys
import threading
import time
from typing import Optional

ACTION_PATH = re.compile(r"/servers/([^/?]+)/action$")
SERVICE_PATH = re.compile(r"/os-services/[^/?]+$")
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding",
    "upgrade",
}  # fmt: skip


@dataclasses.dataclass
class Rule:
    """One disturbance. What is None or empty matches everything.

    :param name: how the request log calls it
    :param method: HTTP method to match
    :param path: regular expression, searched in path and query
    :param action: server action to match, as ``evacuate``
    :param share: probability that it applies to a request that matches
    :param count: how many requests it still applies to; None is no limit
    :param latency: seconds to wait before the request is passed on (or answered)
    :param status: answer with this HTTP status in Nova's place
    :param retry_after: with ``status``: seconds after which the client is told to ask again
    :param late: with ``status``: pass the request on all the same, as a gateway does that gives up too early
    :param refuse: close the connection at once, nothing is passed on
    :param drop_reply: pass the request on, then close the connection without an answer
    :raises ValueError: no effect, or more than one beside latency, or a path that is no regular expression
    """

    name: str
    method: Optional[str] = None
    path: Optional[str] = None
    action: Optional[str] = None
    share: float = 1.0
    count: Optional[int] = None
    latency: float = 0.0
    status: Optional[int] = None
    retry_after: Optional[int] = None
    late: bool = False
    refuse: bool = False
    drop_reply: bool = False

    def __post_init__(self):
        ends = [effect for effect in ("status", "refuse", "drop_reply") if getattr(self, effect)]
        if len(ends) > 1 or not (ends or self.latency):
            raise ValueError(f"rule {self.name!r}: wants latency, one of status, refuse, drop_reply, or both")
        if (self.retry_after is not None or self.late) and not self.status:
            raise ValueError(f"rule {self.name!r}: retry_after and late are nothing without status")
        try:
            re.compile(self.path or "")
        except re.error as error:
            raise ValueError(f"rule {self.name!r}: path: {error}") from error

    def matches(self, method, path, action):
        """Whether a request is of the kind this rule is about."""
        return (
            (self.method is None or self.method == method)
            and (self.path is None or re.search(self.path, path) is not None)
            and (self.action is None or self.action == action)
        )


class Rules:
    """The rules in force; shared by all threads."""

    def __init__(self, chance=random.random):
        self._chance = chance
        self._lock = threading.Lock()
        self._rules = []

    def replace(self, items):
        """Put rules in force in place of the former ones.

        :param items: list of dicts with the fields of ``Rule``
        :raises ValueError: one of them is not a rule; the former ones stay
        """
        try:
            rules = [Rule(**item) for item in items]
        except TypeError as error:
            raise ValueError(str(error)) from error
        with self._lock:
            self._rules = rules

    def current(self):
        """The rules as dicts, with the counts that are left."""
        with self._lock:
            return [dataclasses.asdict(rule) for rule in self._rules]

    def choose(self, method, path, action):
        """The rule to apply to a request, or None; uses up one of its count."""
        with self._lock:
            for rule in self._rules:
                if rule.count == 0 or not rule.matches(method, path, action):
                    continue
                if self._chance() >= rule.share:
                    continue
                if rule.count is not None:
                    rule.count -= 1
                return rule
        return None


def describe(method, path, body):
    """What the log says of a request: ``action`` and ``instance``, or ``service`` when it changes a service."""
    bare_path = path.partition("?")[0]
    action = instance = service = None
    found = ACTION_PATH.search(bare_path)
    if found:
        instance = found.group(1)
        content = _json_object(body)
        # Nova takes exactly one key; its name is the action.
        action = next(iter(content), None)
    elif method == "PUT" and SERVICE_PATH.search(bare_path):
        service = _json_object(body)
    return {"action": action, "instance": instance, "service": service}


def _json_object(body):
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


class Journal:
    """Appends JSON lines to a file; each in one write, so that lines of several threads never mix."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, line):
        """Append one dict as one line."""
        os.write(self._file, (json.dumps(line) + "\n").encode())


class _Handler(http.server.BaseHTTPRequestHandler):
    """What the proxy's and the control port's handlers have in common."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one packet
    timeout = 300  # seconds that a client may keep an idle connection

    def log_message(self, *args):
        """The journal is the log."""

    def read_body(self):
        """The request's body; our clients (requests, http.client) always send its length."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def send(self, status, headers, body):
        """Answer with exactly these headers."""
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in (204, 304) and self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, status, content, headers=()):
        """Answer with a JSON document."""
        self.send(status, [("Content-Type", "application/json"), *headers], json.dumps(content).encode())


class ProxyHandler(_Handler):
    """Passes requests on to Nova; the server carries ``upstream``, ``rules`` and ``journal``."""

    def _handle(self):
        arrival, begun = time.time(), time.monotonic()
        body = self.read_body()
        told = describe(self.command, self.path, body)
        rule = self.server.rules.choose(self.command, self.path, told["action"])
        status, request_id = self._answer(rule, body)
        self.server.journal.write({
            "time": arrival,
            "duration": round(time.monotonic() - begun, 4),
            "method": self.command,
            "path": self.path,
            **told,
            "microversion": self.headers.get("OpenStack-API-Version"),
            "status": status,
            "request_id": request_id,
            "client": self.headers.get("User-Agent"),
            "injected": rule.name if rule else None,
        })  # fmt: skip

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _answer(self, rule, body):
        """Serve one request.

        :return: the status that the client was sent or None, and the request id that Nova gave it or None
        """
        if rule and rule.latency:
            time.sleep(rule.latency)
        if rule and rule.refuse:
            return self._hang_up(), None
        if rule and rule.status and not rule.late:
            return self._interfere(rule), None
        try:
            status, headers, reply = self._forward(body)
        except ConnectionRefusedError:
            return self._complain(503, "nova-api refuses connections"), None
        except (OSError, http.client.HTTPException) as error:
            return self._complain(502, f"nova-api closed the connection: {error}"), None
        request_id = next((value for name, value in headers if name.lower() == "x-openstack-request-id"), None)
        if rule and rule.drop_reply:
            return self._hang_up(), request_id
        if rule and rule.late:
            return self._interfere(rule), request_id
        try:
            self.send(status, headers, reply)
            self.wfile.flush()
        except OSError:  # the client has gone: it never saw this answer
            return self._hang_up(), request_id
        return status, request_id

    def _forward(self, body):
        # A connection for each request: on a kept one that Nova has just closed we could not tell whether the request
        # was taken up, and sending an evacuation again may run it twice.
        connection = http.client.HTTPConnection(*self.server.upstream, timeout=self.timeout)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            reply = answer.read()
        finally:
            connection.close()
        dropped = HOP_BY_HOP if self.command == "HEAD" else HOP_BY_HOP | {"content-length"}
        return answer.status, [pair for pair in answer.getheaders() if pair[0].lower() not in dropped], reply

    def _interfere(self, rule):
        headers = [("Retry-After", str(rule.retry_after))] if rule.retry_after is not None else []
        return self._complain(rule.status, f"injected: {rule.name}", headers)

    def _complain(self, status, message, headers=()):
        try:
            self.send_json(status, {"error": {"code": status, "message": message}}, headers)
            self.wfile.flush()
        except OSError:
            return self._hang_up()
        return status

    def _hang_up(self):
        self.close_connection = True
        return None


class ControlHandler(_Handler):
    """The control port: GET, PUT and DELETE ``/rules``."""

    def do_GET(self):  # noqa: N802 (the name http.server calls)
        """The rules in force."""
        self.send_json(200, self.server.rules.current())

    def do_PUT(self):  # noqa: N802
        """Replace the rules."""
        try:
            self.server.rules.replace(json.loads(self.read_body()))
        except ValueError as error:
            self.send_json(400, {"error": str(error)})
            return
        self.send_json(200, self.server.rules.current())

    def do_DELETE(self):  # noqa: N802
        """Interfere no more."""
        self.server.rules.replace([])
        self.send_json(200, [])


class Server(http.server.ThreadingHTTPServer):
    """A threading server whose handlers share the rules, the journal and the address of Nova."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, handler, rules, journal=None, upstream=None):
        self.rules, self.journal, self.upstream = rules, journal, upstream
        super().__init__(("", port), handler)

    def handle_error(self, request, client_address):
        """Clients may go at any time; everything else is worth a traceback."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, socket.timeout)):
            super().handle_error(request, client_address)


def main():
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="Recording proxy in front of nova-api")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-port", type=int, required=True)
    parser.add_argument("--upstream-port", type=int, required=True, help="of nova-api, on this host")
    parser.add_argument("--log", required=True, help="file that each request is appended to")
    options = parser.parse_args()
    rules = Rules()
    control = Server(options.control_port, ControlHandler, rules)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    Server(
        options.port, ProxyHandler, rules, Journal(options.log), ("127.0.0.1", options.upstream_port)
    ).serve_forever()


if __name__ == "__main__":
    main()
