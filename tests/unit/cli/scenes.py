# SPDX-License-Identifier: Apache-2.0
"""A cluster in memory, and an engine's account, as ``nova-ha`` finds them."""

import collections
import re
import time
from xml.etree import ElementTree

RESOURCE = "nova-evacuate"
ID = "8d3f1a2b-0000-4000-8000-{:012d}"


class Pacemaker:
    """Answers Pacemaker's commands out of memory.

    :param active: nodes on which the engine is active
    :param resources: ``{NovaEvacuate resource: {parameter: value}}``
    """

    def __init__(self, flags=(), active=("control-2",), resources=None, node="control-1", attribute="evacuate"):
        self.flags = dict(flags)
        self.active = active
        self.resources = {RESOURCE: {}} if resources is None else resources
        self.node = node
        self.attribute = attribute
        self.steal = None  # what a flag becomes just before it is changed
        self.away = False
        self.put_off = None  # what an operator has put off
        self.beside = {}  # {attribute beside the flag: {host: value}}
        self.published = {}  # what each node's engine has published

    def __call__(self, command, timeout):
        if self.away:
            return 102, "", "Connection to the CIB manager failed"
        out = getattr(self, f"_{command[0]}")(*command[1:])
        return (0, out, "") if out else (105, "", "No such device or address")

    def _attrd_updater(self, _name, name, *_query):
        if name == "nova-ha-history":
            return ""
        assert name == f"nova-ha-status-{RESOURCE}"
        return "".join(f'name="{name}" host="{node}" value="{text}"\n' for node, text in self.published.items())

    def _crm_node(self, *_name):
        return self.node

    def _crm_mon(self, *_options):
        nodes = "".join(f'<node name="{node}"/>' for node in self.active)
        engine = f'id="{RESOURCE}" resource_agent="ocf:openstack:NovaEvacuate"'
        return f'<r><resources><resource {engine} active="true">{nodes}</resource></resources></r>'

    def _cibadmin(self, action, _xpath, xpath, *more):
        if "crm_config" in xpath:
            return self._paused(action, xpath, *more)
        if action == "--replace":
            return self._replace(xpath, ElementTree.fromstring(more[1]).get("value"))
        for name, values in self.beside.items():
            if f'@name="{name}"' in xpath and action == "--query":
                return f"<xpath-query>{''.join(self._with(name, *each) for each in values.items())}</xpath-query>"
        if "//primitive" in xpath:
            found = [self._primitive(name, values) for name, values in self.resources.items()]
        elif f"@name='{self.attribute}'" in xpath or f'@name="{self.attribute}"' in xpath:
            found = [self._node(host) for host in self.flags]
        else:
            found = [self._node(host) for host in (*self.flags, "compute-9") if f'"{host}"' in xpath]
        return f"<xpath-query>{''.join(found)}</xpath-query>" if found else None

    def _paused(self, action, xpath, *more):
        if action == "--query":
            pair = ElementTree.Element("nvpair", name=f"{self.attribute}-paused", value=self.put_off or "")
            return ElementTree.tostring(pair, encoding="unicode") if self.put_off else None
        self.put_off = self.steal or self.put_off
        if f'[@value="{self.put_off}"]' in xpath:
            self.put_off = ElementTree.fromstring(more[1]).get("value") if action == "--replace" else None
        return "<done/>"

    def _crm_attribute(self, *options):
        assert options[:5] == ("--type", "crm_config", "--name", f"{self.attribute}-paused", "--update")
        self.put_off = self.steal or options[5]
        return "<done/>"

    def _replace(self, xpath, value):
        host, old = re.search('uname="([^"]+)".*@value="([^"]+)"', xpath).groups()
        self.flags[host] = self.steal or self.flags[host]
        if self.flags[host] == old:
            self.flags[host] = value
        return "<done/>"

    @staticmethod
    def _with(name, host, value):
        pair = f'<nvpair id="{host}-{name}" name="{name}" value="{value}"/>'
        return f'<node id="{host}" uname="{host}"><instance_attributes id="s">{pair}</instance_attributes></node>'

    def _node(self, host):
        pair = f'<nvpair id="{host}-f" name="{self.attribute}" value="{self.flags.get(host)}"/>'
        held = f'<instance_attributes id="s">{pair}</instance_attributes>' if host in self.flags else ""
        return f'<node id="{host}" uname="{host}">{held}</node>'

    def _primitive(self, name, values):
        pairs = "".join(f'<nvpair name="{key}" value="{value}"/>' for key, value in values.items())
        return f'<primitive id="{name}"><instance_attributes>{pairs}</instance_attributes></primitive>'


def doing(
    number=1, what="wait", reason="evacuation 7 is running", failures=0, last=None, needs_operator=False, age=30, **more
):
    """An instance as the engine's account has it."""
    return ID.format(number), {
        "name": f"web-{number}",
        "doing": what,
        "code": "evacuating" if what == "wait" else None,
        "reason": reason,
        "command": None,
        "needs_operator": needs_operator,
        "since": time.time() - age,
        "restart": None,
        "failures": failures,
        "last_failure": last,
        **more,
    }


def account(
    flag,
    instances=(),
    what="recover",
    reason="its instances are being recovered",
    needs_operator=False,
    age=200,
    **more,
):
    """A host as the engine's account has it."""
    why = {"code": None, "reason": reason, "command": None, "needs_operator": needs_operator}
    counts = dict(collections.Counter(about["doing"] for _, about in instances))
    progress = {"begun": None, "back": 0, "counts": counts}
    return {
        **{"flag": flag, "doing": what, **why, "since": time.time() - age},
        **{**progress, "instances": dict(instances), **more},
    }


def event(what="evacuation_accepted", host="compute-1", number=1, **more):
    """An event as the engine keeps it."""
    known = {"time": 1000.0, "level": "info", "event": what, "host": host}
    unknown = dict.fromkeys(["instance", "request", "code", "reason", "command"])
    return {**known, **unknown, "instance": ID.format(number) if number else None, **more}
