# SPDX-License-Identifier: Apache-2.0
"""Writes the configuration and the state of a cluster with many compute hosts, set up as docs/deploy.md says.

Three control nodes; each compute host a remote node with a power device of its own and a level of it and the flagging
one; the engine; the clone of NovaCompute with its rules. Everything runs that should, has been looked for everywhere,
and stays where it is (``pcs`` sets that on new clusters), so that the scheduler finds nothing to do. Flagged hosts have
been fenced and have started again: the cluster reaches them, and nova-compute does not run there.
"""

import hashlib
from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement

CONTROLS = ("control-1", "control-2", "control-3")
CLONE = "nova-compute-clone"
HELD_BACK = "nova-compute-not-flagged"  # the constraint that keeps nova-compute off flagged hosts

_POWER = {"ip": "192.0.2.1", "username": "admin", "password": "PASSWORD", "lanplus": "1", "cipher": "3"}
_ENGINE = {
    "auth_url": "http://192.0.2.1:5000/v3", "username": "nova-ha", "password": "PASSWORD", "tenant_name": "service",
    "user_domain": "Default", "project_domain": "Default",
}  # fmt: skip
_FEATURES = "3.16.2"  # of Pacemaker 2.1.5; newer ones read what older ones wrote
_RUNNING, _NOT_RUNNING = 0, 7  # OCF's exit codes of a monitor


def compute(number):
    """Name of the compute host of that number."""
    return f"compute-{number}"


def cluster(hosts, flagged=0, held_back=True):
    """The cluster's information base, as XML's text.

    :param hosts: how many compute hosts
    :param flagged: how many of them, the first ones, carry the flag
    :param held_back: whether there is the rule that keeps nova-compute off flagged hosts
    """
    names = [compute(number) for number in range(1, hosts + 1)]
    cib = ElementTree.Element("cib", {
        "crm_feature_set": _FEATURES, "validate-with": "pacemaker-3.9", "admin_epoch": "0", "epoch": "1",
        "num_updates": "0", "have-quorum": "1", "dc-uuid": "1",
    })  # fmt: skip
    configuration = SubElement(cib, "configuration")
    _properties(SubElement(configuration, "crm_config"))
    _nodes(SubElement(configuration, "nodes"), names, set(names[:flagged]))
    _resources(SubElement(configuration, "resources"), names)
    _constraints(SubElement(configuration, "constraints"), held_back)
    _levels(SubElement(configuration, "fencing-topology"), names)
    _meta(SubElement(configuration, "rsc_defaults"), {"resource-stickiness": "1"}, "rsc_defaults")
    _status(SubElement(cib, "status"), names, set(names[:flagged]))
    return ElementTree.tostring(cib, encoding="unicode")


# What is configured


def _properties(parent):
    properties = SubElement(parent, "cluster_property_set", id="cib-bootstrap-options")
    _pairs(properties, {"cluster-infrastructure": "corosync", "concurrent-fencing": "true"})


def _nodes(parent, names, flagged):
    for number, name in enumerate(CONTROLS, 1):
        _attributes(SubElement(parent, "node", id=str(number), uname=name), {"osprole": "controller"})
    for name in names:
        flag = {"evacuate": "control-1@1780000000"} if name in flagged else {}
        node = SubElement(parent, "node", id=name, uname=name, type="remote")
        _attributes(node, {"osprole": "compute", **flag})


def _resources(parent, names):
    for name in names:
        remote = _primitive(parent, name, "ocf:pacemaker:remote", {"server": name})
        _operations(remote, monitor=("60s", "30s"), start=("0s", "60s"), stop=("0s", "60s"))
    for name in names:
        _operations(_primitive(parent, _power(name), "stonith:fence_ipmilan", {**_POWER, "pcmk_host_list": name}))
    _operations(_primitive(parent, "fence-nova", "stonith:fence_compute", {"record_only": "1"}))
    engine = _primitive(parent, "nova-evacuate", "ocf:openstack:NovaEvacuate", _ENGINE, {"failure-timeout": "120s"})
    _operations(engine, monitor=("10s", "20s"), start=("0s", "60s"))
    clone = SubElement(parent, "clone", id=CLONE)
    nova_compute = _primitive(clone, "nova-compute", "ocf:openstack:NovaCompute", {}, {"failure-timeout": "120s"})
    _operations(nova_compute, monitor=("10s", "20s"), start=("0s", "600s"), stop=("0s", "240s"))
    _meta(clone, {"interleave": "true"})


def _constraints(parent, held_back):
    _rule(parent, "nova-evacuate-on-control", "nova-evacuate", "0", [("eq", "osprole", "controller")])
    _rule(parent, "nova-compute-on-compute", CLONE, "0", [("eq", "osprole", "compute")])
    if held_back:
        standing = [("defined", "evacuate", None), ("ne", "evacuate", "no")]
        _rule(parent, HELD_BACK, CLONE, "-INFINITY", standing)


def _levels(parent, names):
    for name in names:
        devices = f"{_power(name)},fence-nova"
        SubElement(parent, "fencing-level", id=f"level-{name}", target=name, index="1", devices=devices)


def _primitive(parent, name, agent, parameters, meta=None):
    primitive = SubElement(parent, "primitive", {"id": name, **_agent(agent)})
    if parameters:
        _pairs(SubElement(primitive, "instance_attributes", id=f"{name}-instance_attributes"), parameters)
    if meta:
        _meta(primitive, meta)
    return primitive


def _agent(name):
    """``class:provider:type`` or ``class:type``, as XML's attributes."""
    parts = name.split(":")
    return dict(zip(("class", "provider", "type") if len(parts) == 3 else ("class", "type"), parts))


def _meta(parent, pairs, name=None):
    _pairs(SubElement(parent, "meta_attributes", id=f"{name or parent.get('id')}-meta_attributes"), pairs)


def _operations(primitive, **operations):
    """:param operations: ``name=(interval, timeout)``; none: the monitor of a fence device"""
    parent = SubElement(primitive, "operations")
    for name, (interval, timeout) in (operations or {"monitor": ("60s", "20s")}).items():
        id = f"{primitive.get('id')}-{name}"
        SubElement(parent, "op", id=id, name=name, interval=interval, timeout=timeout)


def _rule(parent, name, resource, score, expressions):
    """:param expressions: ``(operation, attribute, value or None)``, all of which must hold"""
    discovery = {} if score == "-INFINITY" else {"resource-discovery": "exclusive"}
    constraint = SubElement(parent, "rsc_location", {"id": name, "rsc": resource, **discovery})
    rule = SubElement(constraint, "rule", {"id": f"{name}-rule", "boolean-op": "and", "score": score})
    for number, (operation, attribute, value) in enumerate(expressions):
        wanted = {} if value is None else {"value": value}
        what = {"id": f"{name}-rule-{number}", "attribute": attribute, "operation": operation, **wanted}
        SubElement(rule, "expression", what)


def _attributes(node, pairs):
    _pairs(SubElement(node, "instance_attributes", id=f"nodes-{node.get('id')}"), pairs)


def _pairs(parent, pairs):
    for name, value in pairs.items():
        SubElement(parent, "nvpair", id=f"{parent.get('id')}-{name}", name=name, value=value)


def _power(name):
    return f"ipmi-{name}"


# What has happened


def _status(parent, names, flagged):
    """What runs on control nodes is spread evenly over them."""
    remote, power, engine = "ocf:pacemaker:remote", "stonith:fence_ipmilan", "ocf:openstack:NovaEvacuate"
    for number, control in enumerate(CONTROLS):
        member = {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"}
        node = SubElement(parent, "node_state", {"id": str(number + 1), "uname": control, **member})
        history = SubElement(SubElement(node, "lrm", id=str(number + 1)), "lrm_resources")
        for place, name in enumerate(names):
            here = place % len(CONTROLS) == number
            _history(history, name, remote, {"server": name}, ("60", "30"), here)
            _history(history, _power(name), power, {**_POWER, "pcmk_host_list": name}, ("60", "20"), here)
        flagging = {"record_only": "1"}
        _history(history, "fence-nova", "stonith:fence_compute", flagging, ("60", "20"), number == 0)
        _history(history, "nova-evacuate", engine, _ENGINE, ("10", "20"), number == 1)
    for name in names:
        node = SubElement(parent, "node_state", id=name, uname=name, remote_node="true", in_ccm="true")
        history = SubElement(SubElement(node, "lrm", id=name), "lrm_resources")
        _history(history, "nova-compute", "ocf:openstack:NovaCompute", {}, ("10", "20"), name not in flagged)


def _history(parent, name, agent, parameters, monitor, running):
    """A resource that was started here and is watched since, or was looked for and not found.

    :param monitor: interval and timeout, in seconds
    """
    interval, timeout = (f"{seconds}000" for seconds in monitor)
    resource = SubElement(parent, "lrm_resource", {"id": name, **_agent(agent)})
    if running:
        _result(resource, "start", "0", _RUNNING, parameters)
        _result(resource, "monitor", interval, _RUNNING, {**parameters, "CRM_meta_timeout": timeout})
    else:
        _result(resource, "monitor", "0", _NOT_RUNNING, parameters)


def _result(resource, operation, interval, code, parameters):
    key = f"{resource.get('id')}_{operation}_{interval}"
    transition = f"1:1:{code}:00000000-0000-4000-8000-000000000000"
    SubElement(resource, "lrm_rsc_op", {
        "id": key if interval != "0" else f"{resource.get('id')}_last_0", "operation_key": key,
        "operation": operation, "crm_feature_set": _FEATURES, "transition-key": transition,
        "transition-magic": f"0:{code};{transition}", "call-id": "1", "rc-code": str(code), "op-status": "0",
        "interval": interval, "last-rc-change": "1780000000", "exec-time": "1", "queue-time": "0",
        "op-digest": digest(parameters),
    })  # fmt: skip


def digest(parameters):
    """By what Pacemaker knows whether parameters have changed since an operation: else it would restart everything."""
    text = "".join(f' {name}="{value}"' for name, value in sorted(parameters.items()))
    return hashlib.md5(f" <parameters{text}/>\n".encode()).hexdigest()
