# SPDX-License-Identifier: Apache-2.0
"""The tenant: what he chooses, and what he writes down of what he was told. Nova is a list."""

import threading
import types

import novaclient.exceptions
import pytest

from tests.campaign import client, plan
from tests.lab import workload


class Cloud:
    """Instances that do what they are told, unless ``deaf``; a request is refused if ``refusing``."""

    def __init__(self):
        self.entries = {}
        self.asked = []
        self.deaf = self.refusing = False

    def add(self, ident, host, status="ACTIVE", task=None):
        self.entries[ident] = {"id": ident, "host": host, "status": status, "task_state": task}

    def create(self, settings, count, host, **how):
        self.asked.append(("create", None))
        if self.refusing:
            raise novaclient.exceptions.ClientException(500)
        self.add("new", "a", "BUILD" if self.deaf else "ACTIVE")
        return ["new"]

    def stop(self, ident):
        self._ask("stop", ident, lambda: self.entries[ident].update(status="SHUTOFF"))

    def delete(self, ident):
        self._ask("delete", ident, lambda: self.entries.pop(ident))

    def _ask(self, what, ident, deed):
        self.asked.append((what, ident))
        if self.refusing:
            raise novaclient.exceptions.ClientException(500)
        if not self.deaf:
            deed()


@pytest.fixture
def cloud(monkeypatch):
    there = Cloud()
    monkeypatch.setattr(workload, "instances", lambda settings: [dict(entry) for entry in there.entries.values()])
    monkeypatch.setattr(workload, "client", lambda settings: types.SimpleNamespace(servers=there))
    monkeypatch.setattr(workload, "create", there.create)
    monkeypatch.setattr(client, "PATIENCE", 0.01)
    return there


def worked(deeds, mine=(), standing=()):
    """What the tenant wrote down of his deeds, as ``[(what, instance, host, accepted, confirmed)]``."""
    field = types.SimpleNamespace(
        settings=None, say=lambda text: None, at=lambda seconds: True, over=threading.Event(), standing=lambda: standing
    )
    tenant = client.Client(field, [plan.Deed(at, what, pick) for at, what, pick in deeds], mine)
    tenant.work()
    return [(done.what, done.instance, done.host, done.accepted, done.confirmed) for done in tenant.done]


def test_what_is_done_is_confirmed(cloud):
    cloud.add("i", "a")
    cloud.add("j", "b")
    assert worked([(0, "stop", 0.0), (1, "delete", 0.9), (2, "create", 0.5)], ["i", "j"]) == [
        ("stop", "i", "a", True, True),
        ("delete", "j", "b", True, True),
        ("create", "new", "a", True, True),
    ]


def test_what_does_not_come_is_not(cloud):
    cloud.add("i", "a")
    cloud.deaf = True
    assert worked([(0, "stop", 0.0), (1, "create", 0.0)], ["i"]) == [
        ("stop", "i", "a", True, False),
        ("create", "new", "a", True, False),
    ]


def test_what_is_refused_was_asked_for_all_the_same(cloud):
    cloud.add("i", "a")
    cloud.refusing = True
    assert worked([(0, "stop", 0.0), (1, "create", 0.0)], ["i"]) == [
        ("stop", "i", "a", False, False),
        ("create", None, None, False, False),
    ]


def test_he_takes_his_own_that_run_and_are_left_alone_where_no_host_is_recovered(cloud):
    cloud.add("not his", "a")
    cloud.add("stopped", "a", "SHUTOFF")
    cloud.add("busy", "a", task="rebuilding")
    cloud.add("dead", "b")
    cloud.add("fit", "a")
    cloud.deaf = True
    found = worked([(0, "stop", 0.0), (1, "stop", 0.0)], ["stopped", "busy", "dead", "fit"], standing={"b"})
    # The second time there is none left: nothing is done twice to one instance.
    assert [instance for _what, instance, *_rest in found] == ["fit"]
