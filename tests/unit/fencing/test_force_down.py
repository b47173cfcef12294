# SPDX-License-Identifier: Apache-2.0
"""Telling Nova that a host is dead: within its limit, whatever the cloud does, and without a word too many."""

import contextlib
import errno
import http.server
import json
import os
import signal
import socket
import threading
import time

import pytest

from nova_ha.fencing import force_down

PARAMETERS = {"username": "nova-ha", "password": "sEcret", "tenant_name": "service"}
PARAMETERS |= {"user_domain": "Default", "project_domain": "Default", "config": "/dev/null"}

AWAY = "compute-5.a.example"  # its cell's database is away
SERVICES = (
    {"id": "1", "host": "compute-1.a.example", "forced_down": False},
    {"id": "2", "host": "compute-2.a.example", "forced_down": True},
    {"id": "3", "host": "compute-3.a.example", "forced_down": False},
    {"id": "4", "host": "compute-3.b.example", "forced_down": False},
)


class Cloud(http.server.ThreadingHTTPServer):
    """As much of Keystone and Nova as is asked of them.

    :ivar failing: HTTP status that Nova answers a change with, None to do it
    :ivar silent: whether Keystone takes requests and never answers
    :ivar changes: what was asked for: (path, body)
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.failing, self.silent, self.changes = None, threading.Event(), []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.ended = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        if self.path.endswith("/v3"):
            links = [{"rel": "self", "href": f"{self.server.url}/v3"}]
            self._answer({"version": {"id": "v3.14", "status": "stable", "links": links}})
        elif "os-services" in self.path:
            common = {"binary": "nova-compute", "state": "down", "status": "enabled", "disabled_reason": None}
            away = {"binary": "nova-compute", "host": AWAY, "status": "UNKNOWN"}
            known = [{**common, "zone": "z", "updated_at": None, **one} for one in SERVICES]
            self._answer({"services": [*known, away]})
        else:
            self._answer({"version": {"id": "v2.1", "version": "2.94", "min_version": "2.1"}})

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        given = json.loads(self.rfile.read(length))
        if self.server.silent.is_set():
            self.server.ended.wait()
            return
        if given["auth"]["identity"]["password"]["user"]["password"] != "sEcret":
            self._answer({"error": {"message": "no"}}, 401)
            return
        endpoint = {"interface": "internal", "region": "R", "region_id": "R", "id": "e"}
        endpoint["url"] = f"{self.server.url}/v2.1"
        token = {"methods": ["password"], "issued_at": "2026-01-01T00:00:00Z"}
        token["expires_at"] = "2099-01-01T00:00:00Z"
        token |= {"user": {"id": "u", "name": "n", "domain": {"id": "d", "name": "D"}}}
        token |= {"catalog": [{"type": "compute", "name": "nova", "id": "c", "endpoints": [endpoint]}]}
        self._answer({"token": token}, 201, {"X-Subject-Token": "t"})

    def do_PUT(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.changes.append((self.path, body))
        self._answer({"service": {}}, self.server.failing or 200, {"x-openstack-request-id": "req-1"})

    def _answer(self, body, status=200, headers=()):
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(text), "Content-Type": "application/json", **dict(headers)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def cloud():
    server = Cloud()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


def attempt(cloud, host="compute-1", domain=None, limit=20, **parameters):
    return force_down.attempt(host, domain, {**PARAMETERS, "auth_url": f"{cloud.url}/v3", **parameters}, limit)


@pytest.mark.parametrize(
    ("host", "domain", "id"),
    [("compute-1", None, "1"), ("compute-1.a.example", None, "1"), ("compute-3", "b.example", "4")],
)
def test_the_service_of_the_host_is_forced_down_and_nothing_else_of_it_changes(cloud, host, domain, id):
    assert attempt(cloud, host, domain) is None
    assert cloud.changes == [(f"/v2.1/os-services/{id}", {"forced_down": True})]


def test_a_service_that_is_forced_down_already_is_left_alone(cloud):
    assert attempt(cloud, "compute-2") is None
    assert cloud.changes == []


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("compute-9", "Nova has no nova-compute service of compute-9"),
        ("compute-5", "Nova can read nothing of compute-5: the database of its cell does not answer"),
        ("compute-3", "compute-3 may mean compute-3.a.example or compute-3.b.example: set the parameter domain"),
    ],
)
def test_a_host_that_nova_does_not_know_or_knows_twice(cloud, host, text):
    assert attempt(cloud, host) == text
    assert cloud.changes == []


def test_a_wrong_password_is_said_and_not_repeated(cloud):
    said = attempt(cloud, password="wr0ng")
    assert "the credentials are refused" in said
    assert "wr0ng" not in said


def test_a_cloud_that_refuses(cloud):
    cloud.failing = 500
    assert "HTTP 500" in attempt(cloud)


def test_a_cloud_that_takes_a_request_and_never_answers_costs_no_more_than_the_limit(cloud):
    cloud.silent.set()
    began = time.monotonic()
    assert attempt(cloud, limit=1) == "the cloud did not answer within 1 s"
    assert 0.9 < time.monotonic() - began < 10, "a busy machine is slow, the cloud would be slower"


@pytest.mark.parametrize("masked", [False, True], ids=["", "with-a-signal-mask-of-whoever-called"])
def test_the_limit_holds_where_python_cannot_be_interrupted(cloud, monkeypatch, masked):
    # As a look-up of a name whose server does not answer.
    def stuck(_nova, _host, _domain):
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(60)

    monkeypatch.setattr(force_down, "_force_down", stuck)
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM} if masked else set())
    try:
        assert attempt(cloud, limit=1) == "the cloud did not answer within 1 s"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def test_a_machine_that_has_no_process_left(cloud, monkeypatch):
    def fork():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(force_down.os, "fork", fork)
    assert attempt(cloud) == "no process for it: Resource temporarily unavailable"


def test_a_cloud_that_is_away():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v3"
        said = force_down.attempt("compute-1", None, {**PARAMETERS, "auth_url": url})
    assert "Connection refused" in said
    assert "sEcret" not in said
    assert "\n" not in said


def test_a_failure_of_nobody_s_is_one_line_without_its_text(cloud, monkeypatch):
    def broken(_parameters):
        raise ValueError("sEcret\nand more")

    monkeypatch.setattr(force_down, "_cloud", broken)
    assert attempt(cloud) == "unexpected ValueError"
    assert force_down.problem({}) == "unexpected ValueError"


def test_nothing_that_it_writes_gets_among_the_fence_agent_s_words(cloud, monkeypatch, capfd):
    def chatty(*_arguments):
        os.write(1, b"Status: ON\n")
        os.write(2, b"ERROR: of a library\n")

    monkeypatch.setattr(force_down, "_force_down", chatty)
    assert attempt(cloud) is None
    assert capfd.readouterr() == ("", "")


def test_what_ends_without_a_word_is_no_success(cloud, monkeypatch):
    monkeypatch.setattr(force_down, "_force_down", lambda *_arguments: force_down.os._exit(0))
    assert attempt(cloud) == "it was tried, and ended without a word"


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"config": "/dev/null"}, "no credentials: set auth_url"),
        ({"config": "/nonexistent"}, "/nonexistent"),
    ],
)
def test_parameters_by_which_the_cloud_cannot_be_reached(parameters, text):
    assert text in force_down.problem(parameters)


def test_parameters_that_will_do():
    assert force_down.problem({**PARAMETERS, "auth_url": "http://127.0.0.1:1/v3"}) is None
