# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the two doors: behind each is what its attributes say, and what it is asked is noted.

They take what the doors take: ``test_doubles.py`` compares them.
"""

import inspect

from nova_ha.cloud.nova import Nova
from nova_ha.model import flag
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.evacuate_request import Requests
from nova_ha.model.snapshot import Services

# What changes something in Nova.
SERVICE_CHANGES = ("force_down", "disable", "enable")
CHANGES = (*SERVICE_CHANGES, "evacuate", "reset_state", "stop", "pause", "reboot", "confirm_resize", "delete")
CHANGES += ("tag", "untag")


def given(what):
    """It, if it is not to be raised; what it returns, if it is to be called."""
    if isinstance(what, Exception):
        raise what
    return what() if callable(what) else what


class FakeCloud:
    """Stands in for ``nova.Nova``.

    :ivar asked: each question: its method, or (method, arguments ...)
    :ivar changes: what was to be changed: (method, id of the service or instance, further arguments ...)
    :ivar failing: by the method of a change, what is raised or called then
    """

    def __init__(self, *services, failing=()):
        self.known = {each.host: each for each in services}
        self.away = ()  # hosts of a cell whose database does not answer
        self.on = {}  # host -> its instances
        self.records = []
        self.live = ()
        self.resized = ()
        self.tagged = ()
        self.errors = ()
        self.selected = None  # a Selection in the place of the usual one
        # Any of these may be an exception, which is raised then.
        self.requests = {}  # instance id -> its Requests
        self.claimed = frozenset()
        self.actions = {}  # instance id -> what was asked for it, newest first
        self.hypervisor = "QEMU"
        self.asked = []
        self.changes = []
        self.failing = dict(failing)

    def services(self):
        self._note("services")
        return Services(self.known, self.away)

    def aggregates(self):
        self._note("aggregates")
        return {"rack": frozenset({"compute-1"})}

    def selection(self, tag):
        self._note("selection")
        return self.selected or Selection(True, frozenset({f"{tag}-image"}))

    def hypervisor_type(self, host, node):
        self._note("hypervisor_type", host, node)
        return given(self.hypervisor)

    def instances(self, host):
        self._note("instances", host)
        return tuple(self.on.get(host, ()))

    def instance(self, id):
        self._note("instance", id)
        return next((each for every in self.on.values() for each in every if each.id == id), None)

    def migrations(self, host):
        self._note("migrations", host)
        return tuple(each for each in self.records if host in (each.source, each.destination))

    def live_migrations(self, host):
        self._note("live_migrations", host)
        return self.live

    def resizes(self, host):
        self._note("resizes", host)
        return self.resized

    def restoring(self):
        self._note("restoring")
        return self.tagged

    def in_error(self):
        self._note("in_error")
        return self.errors

    def evacuation_requests(self, instance):
        self._note("evacuation_requests", instance)
        return given(self.requests.get(instance, Requests()))

    def claims(self, instance):
        self._note("claims", instance)
        return given(self.claimed)

    def instance_actions(self, id):
        self._note("instance_actions", id)
        return given(self.actions.get(id, ()))

    def __getattr__(self, name):
        if name not in CHANGES:
            raise AttributeError(f"no change of Nova's: {name}")

        def change(subject, *details, **more):
            inspect.signature(getattr(Nova, name)).bind(self, subject, *details, **more)
            self.changes.append((name, subject.id, *details, *([more] if more else [])))
            given(self.failing.get(name))
            return f"req-{len(self.changes)}"

        return change

    def _note(self, *question):
        self.asked.append(question if len(question) > 1 else question[0])


class FakeCluster:
    """Stands in for ``pacemaker.Cluster``, with as much of it as unit tests need.

    :param flags: ``{host: value}``
    :param node: the name of the node that asks
    :ivar asked: each question and change: (method, arguments ...)
    """

    attribute = flag.ATTRIBUTE

    def __init__(self, flags=(), node="control-1"):
        self.values = dict(flags)
        self.node = node
        self.engines = {"nova-evacuate": {node}}  # resource -> nodes on which it is active
        self.parameters = {}  # resource -> its parameters
        self.nodes = set()  # those that are online
        self.off = set()  # hosts on which nova-compute is proved to be stopped
        self.put_off = None  # what an operator has put off
        self.failing = None  # what every call raises
        self.asked = []

    def local_node(self):
        self._note("local_node")
        return self.node

    def flags(self):
        self._note("flags")
        return dict(self.values)

    def flag(self, host):
        self._note("flag", host)
        return self.values.get(host)

    def flagged(self, attribute):
        self._note("flagged", attribute)
        return {f"host of {attribute}"}

    def swap_flag(self, host, old, new):
        self._note("swap_flag", host, old, new)
        if self.values.get(host) != old:
            return False
        self.values[host] = new
        if new is None:
            del self.values[host]
        return True

    def pauses(self):
        self._note("pauses")
        return self.put_off

    def active(self, agent):
        self._note("active", agent)
        return {resource: set(nodes) for resource, nodes in self.engines.items()}

    def resource_parameters(self, agent):
        self._note("resource_parameters", agent)
        return {resource: dict(known) for resource, known in self.parameters.items()}

    def online(self):
        self._note("online")
        return set(self.nodes)

    def stopped(self, hosts):
        self._note("stopped", *hosts)
        return self.off & set(hosts)

    def _note(self, *question):
        self.asked.append(question)
        given(self.failing)


class FakeAccount:
    """Stands in for ``status_report.Account`` where events are told to it."""

    def __init__(self):
        self.events = []

    def event(self, event, host, instance=None, request=None, reason=None, code=None, command=None):
        self.events.append((event, host, instance, request, reason, code))
