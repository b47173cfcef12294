# SPDX-License-Identifier: Apache-2.0
"""Fencing: each level of each compute host cuts the power first and flags last; no two hosts have one power."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nova_ha.checks import hosts
from nova_ha.checks.facts import FLAGGING, ClusterFacts, Facts
from nova_ha.cluster.configuration import Configuration, Resource, seconds
from nova_ha.fencing import options, shared_power, topology
from nova_ha.fencing.fence import AGENT, CUTS_NOTHING
from nova_ha.fencing.topology import Level
from nova_ha.model import hostnames
from nova_ha.model.findings import Finding, FindingCode, error, note, warning

# Where neither the configuration says it nor the device: seconds.
_STONITH_TIMEOUT, _POWER_AGENT_TIMEOUT = 60.0, 40.0

# A parameter of agents that serve one host at each address.
_ONE_HOST_AGENT = "port_as_ip"


def levels(facts: Facts, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether every way in which Pacemaker may fence a compute host cuts its power, and then flags it."""
    configuration = cluster.configuration
    agents = {each.id: each.type for each in configuration.fencing_devices()}
    agents["watchdog"] = "fence_watchdog"
    flagging = {each.id: _mode(each) for each in configuration.of_agent(FLAGGING)}
    alone = _alone(configuration)
    known = topology.parsed(configuration.levels)
    attributes = {each.name: each.attributes for each in configuration.nodes}
    flags = next((name for name, mode in sorted(flagging.items()) if mode == "record"), "fence-nova")
    for host in hosts.watched(facts, cluster):
        own = attributes.get(host, {})
        try:
            found = topology.matching(known, host, lambda name, value, own=own: own.get(name) == value)  # type: ignore[misc]
        except topology.Misconfigured as problem:
            yield error(FindingCode.LEVEL_UNCLEAR, host, str(problem))
            continue
        if not found and hostnames.fold(host) not in alone:
            text = "no fencing level is for it: Pacemaker may take any capable device, and nobody flags the host"
            yield error(FindingCode.NO_LEVEL, host, text, f"pcs stonith level add 1 {host} POWER-DEVICE {flags}")
        for level in found:
            yield from _of_level(host, level, agents, flagging, flags)


def _mode(device: Resource) -> str:
    """What a fence_compute device is for: ``record``, ``power``, ``nothing``."""
    try:
        return options.record_only(shared_power.underscored(device.parameters).get("record_only", ""))
    except options.OptionError:
        return "nothing"


def _alone(configuration: Configuration) -> set[str]:
    """The hosts, folded, that a fence_compute powers by itself."""
    switches = [each for each in configuration.of_agent(FLAGGING) if _mode(each) == "power"]
    behind = (each for device in switches for each in shared_power.hosts(shared_power.underscored(device.parameters)))
    return {hostnames.fold(each.host) for each in behind if each.host}


def _of_level(
    host: str, level: Level, agents: Mapping[str, str], flagging: Mapping[str, str], flags: str
) -> Iterator[Finding]:
    """What is wrong with one level of a host."""
    where = f"level {level.index} ({', '.join(level.devices)})"
    if unknown := [each for each in level.devices if each not in agents]:
        text = f"{where} names {unknown[0]}, which is no fencing device: the level fails"
        kept = [each for each in level.devices if each in agents]
        yield error(FindingCode.UNKNOWN_DEVICE, host, text, _replaced(level, kept))
        return
    power = [each for each in level.devices if agents[each] not in CUTS_NOTHING or flagging.get(each) == "power"]
    marks = [each for each in level.devices if flagging.get(each) in ("record", "power")]
    others = [each for each in level.devices if each not in marks]
    for each in level.devices:
        if flagging.get(each) == "nothing":
            text = f"{where} has {each}, whose record_only has it flag nothing: nobody recovers the host"
            yield error(FindingCode.FLAG_DISABLED, host, text, f"pcs stonith update {each} record_only=1")
    if not marks:
        text = f"{where} does not end in fence_compute: a host that it fences is recovered by nobody"
        wanted = [each for each in level.devices if agents[each] != AGENT]
        yield error(FindingCode.LEVEL_WITHOUT_FLAG, host, text, _replaced(level, [*wanted, flags]))
    elif level.devices[-1] not in marks:
        text = f"{where} has a device after fence_compute, which therefore refuses to flag the host"
        yield error(FindingCode.LEVEL_WITHOUT_FLAG, host, text, _replaced(level, [*others, *marks]))
    if not power:
        text = f"{where} cuts no power: fence_compute refuses to flag the host"
        command = _replaced(level, ["POWER-DEVICE", *marks])
        yield error(FindingCode.LEVEL_WITHOUT_POWER, host, text, command)
    elif level.devices[0] in marks and level.devices[0] not in power and level.devices[-1] in marks:
        text = f"{where} begins with fence_compute, before anything has cut the power: it refuses to flag the host"
        command = _replaced(level, [*others, *marks])
        yield error(FindingCode.LEVEL_WITHOUT_POWER, host, text, command)


def _replaced(level: Level, devices: Sequence[str]) -> str:
    """The commands that give a level other devices."""
    prefix = {"target": "", "target-pattern": "regexp%", "target-attribute": "attrib%"}[level.kind]
    target = f"'{prefix}{level.text}'" if prefix else level.text
    delete = f"pcs stonith level delete {level.index} target {target}"
    return f"{delete} && pcs stonith level add {level.index} {target} {' '.join(devices)}" if devices else delete


def shared(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether two hosts stand behind one power switch: one would lose its power, the other be flagged."""
    behind: dict[tuple[str | None, ...], set[shared_power.Behind]] = {}
    shown: dict[tuple[str | None, ...], str] = {}
    for device in cluster.configuration.fencing_devices():
        given = shared_power.underscored(device.parameters)
        if device.type in CUTS_NOTHING and not (device.agent == FLAGGING and _mode(device) == "power"):
            continue
        agent = given.get("power_agent", "fence_ipmilan") if device.agent == FLAGGING else device.type
        by_plug = shared_power.is_by_plug(given)
        if not any(shared_power.address(given)) and not by_plug:
            continue
        facts = cluster.agents.get(f"stonith:{agent}")
        one_host = not by_plug and facts is not None and _ONE_HOST_AGENT in facts.parameters
        for each in shared_power.hosts(given):
            plug = None if one_host else each.plug
            which = (agent, *shared_power.address(given), plug)
            behind.setdefault(which, set()).add(each)
            # What else makes the address, power_options say, may hold a password.
            shown[which] = "" if by_plug else given.get("ip", "")
    for which, found in behind.items():
        names = sorted({hostnames.fold(each.host) for each in found if each.host})
        if len(names) > 1:
            where = " ".join(filter(None, (shown[which], which[-1])))
            text = f"{', '.join(names)} have one power ({which[0]} at {where}): one is cut off, the other one flagged"
            yield error(FindingCode.SHARED_POWER, names[0], text)


def timeouts(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether a fence has more time than the power agent that it waits for."""
    default = seconds(cluster.configuration.properties.get("stonith-timeout")) or _STONITH_TIMEOUT
    for device in cluster.configuration.of_agent(FLAGGING):
        if _mode(device) != "power":
            continue
        given = shared_power.underscored(device.parameters)
        limit = seconds(given.get("pcmk_off_timeout")) or default
        needed = seconds(given.get("power_agent_timeout")) or _POWER_AGENT_TIMEOUT
        if limit <= needed:
            text = (
                f"off has {limit:g} s, and its power agent {needed:g} s: a BMC that hangs leaves no reason in the log"
            )
            command = f"pcs stonith update {device.id} pcmk_off_timeout={needed + 20:g}s"
            yield warning(FindingCode.FENCE_TIMEOUT, device.id, text, command)


def side_by_side(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether a device for several hosts fences them at once."""
    for device in cluster.configuration.fencing_devices():
        given = shared_power.underscored(device.parameters)
        several = len({each.host for each in shared_power.hosts(given) if each.host}) > 1
        if several and given.get("pcmk_action_limit", "1") in ("", "1"):
            text = "it is for several hosts, and fences one at a time"
            command = f"pcs stonith update {device.id} pcmk_action_limit=-1"
            yield note(FindingCode.ONE_FENCE_AT_A_TIME, device.id, text, command)


def devices(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether each fencing device works, as its last monitor has it: so that it shows before it is needed."""
    for device in cluster.configuration.fencing_devices():
        state = cluster.state.resources.get(device.id)
        if device.disabled:
            text, command = "it is disabled, and fences nobody", f"pcs stonith enable {device.id}"
        elif state is None or state.failed or not state.nodes:
            text = "its monitor has failed, or it runs nowhere: its BMC may not answer. pcs status says why"
            command = f"pcs stonith cleanup {device.id}"
        else:
            continue
        yield error(FindingCode.DEVICE_FAILED, device.id, text, command)
