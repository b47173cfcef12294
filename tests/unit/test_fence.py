# SPDX-License-Identifier: Apache-2.0
"""Fencing on a scripted Pacemaker: what is flagged, when, and what is not."""

import re

import pytest

from nova_ha.cluster import Cluster, ClusterError
from nova_ha.fence import FenceError, PowerSwitch, Recorder
from nova_ha.power import PowerError

LEVEL = '<fencing-level target="compute-1" index="1" devices="fence_ipmilan-1,fence_compute"/>'


class Pacemaker:
    """A runner with a CIB of a few nodes behind it.

    :param flags: ``{host: flag or None}``
    :param deaf: a word of the command that is refused
    :param forgetful: writes are answered with success, and lost
    :param levels: the fencing topology's levels, as XML; devices are named after their agents
    """

    def __init__(self, flags, deaf=None, forgetful=False, levels=LEVEL):
        self.flags, self.deaf, self.forgetful, self.levels = flags, deaf, forgetful, levels
        self.written = []

    def __call__(self, command, timeout):
        if self.deaf in command:
            return 102, "", "Connection to the CIB manager failed: Transport endpoint is not connected"
        if command[0] == "crm_attribute":
            host, value = command[command.index("--node") + 1], command[-1]
            assert command[command.index("--lifetime") + 1] == "forever"
            self.written.append((host, value))
            if not self.forgetful:
                self.flags[host] = value
            return 0, "", ""
        assert command[:3] == ["cibadmin", "--query", "--xpath"]
        if "fencing-level" in command[3]:
            return self._answer([self.levels] if self.levels else [])
        if "primitive" in command[3]:
            devices = re.findall('@id="((fence_[a-z]+)[^"]*)"', command[3])
            return self._answer([f'<primitive id="{device}" type="{agent}"/>' for device, agent in devices])
        only_flagged = "nvpair" in command[3]
        nodes = [self._node(host, value) for host, value in self.flags.items() if value or not only_flagged]
        return self._answer(nodes)

    @staticmethod
    def _answer(found):
        return (0, f"<xpath-query>{''.join(found)}</xpath-query>", "") if found else (105, "", "No such device")

    @staticmethod
    def _node(host, value):
        pair = f'<nvpair id="x" name="evacuate" value="{value}"/>' if value else ""
        return f'<node uname="{host}" type="remote"><instance_attributes>{pair}</instance_attributes></node>'


class Power:
    """A power agent with a state; ``broken`` names the action that fails."""

    def __init__(self, state="on", broken=None):
        self.state, self.broken, self.calls = state, broken, []

    def _do(self, action):
        self.calls.append(action)
        if action == self.broken:
            raise PowerError(f"fence_x {action}: no answer within 1 s")

    def off(self):
        self._do("off")
        self.state = "off"

    def on(self):
        self._do("on")
        self.state = "on"

    def status(self):
        self._do("status")
        return self.state

    def monitor(self):
        self._do("monitor")


def failure(function, *arguments):
    with pytest.raises((FenceError, ClusterError)) as failed:
        function(*arguments)
    return str(failed.value)


def test_power_goes_off_before_the_flag_is_written():
    pacemaker, power = Pacemaker({"compute-1": None}), Power()
    power.off = lambda: pacemaker.written.append("power off")
    PowerSwitch(Cluster(runner=pacemaker), power).off("compute-1")
    assert pacemaker.written == ["power off", ("compute-1", "yes")]


def test_what_is_not_proved_off_is_not_flagged():
    pacemaker = Pacemaker({"compute-1": None})
    text = failure(PowerSwitch(Cluster(runner=pacemaker), Power(broken="off")).off, "compute-1")
    assert text == "compute-1 is not proved to be off, and is not flagged: fence_x off: no answer within 1 s"
    assert pacemaker.written == []


@pytest.mark.parametrize("former", [None, "no", "restart", "yes", "control-1@1"])
def test_a_host_is_flagged_whatever_its_flag_was(former):
    pacemaker = Pacemaker({"compute-1": former})
    Recorder(Cluster(runner=pacemaker)).off("compute-1")
    assert pacemaker.flags == {"compute-1": "yes"}


def test_a_flag_that_pacemaker_took_and_lost_is_a_failure():
    recorder = Recorder(Cluster(runner=Pacemaker({"compute-1": None}, forgetful=True)))
    assert failure(recorder.off, "compute-1") == "compute-1 is not flagged, though Pacemaker took the flag"


@pytest.mark.parametrize("deaf", ["crm_attribute", "cibadmin"])
def test_a_flag_that_is_not_known_to_be_written_is_a_failure(deaf):
    recorder = Recorder(Cluster(runner=Pacemaker({"compute-1": None}, deaf=deaf)))
    assert failure(recorder.off, "compute-1").startswith("compute-1 is not known to be flagged: ")


def test_unfencing_leaves_the_flag_alone():
    pacemaker = Pacemaker({"compute-1": "yes"})
    Recorder(Cluster(runner=pacemaker)).on("compute-1")
    PowerSwitch(Cluster(runner=pacemaker), Power("off")).on("compute-1")
    assert pacemaker.written == []


@pytest.mark.parametrize(
    ("value", "state"),
    [(None, "on"), ("no", "on"), ("restart", "on"), ("go", "off"), ("yes", "off"), ("c@1", "off"), ("?", "off")],
)
def test_the_recorder_s_status_is_the_flag(value, state):
    assert Recorder(Cluster(runner=Pacemaker({"compute-1": value}))).status("compute-1") == state


def test_the_switch_s_status_is_the_power():
    assert PowerSwitch(Cluster(runner=Pacemaker({"compute-1": "yes"})), Power("on")).status("compute-1") == "on"


def test_the_recorder_lists_remote_nodes_and_the_switch_none():
    hosts = Cluster(runner=Pacemaker({"compute-1": "yes", "compute-2": None}))
    assert Recorder(hosts).hosts() == {"compute-1": "off", "compute-2": "on"}
    assert PowerSwitch(hosts, Power()).hosts() == {}


def test_monitor_looks_at_what_off_will_need():
    assert Recorder(Cluster(runner=Pacemaker({"compute-1": None}))).monitor() is None
    assert "cannot be read" in failure(Recorder(Cluster(runner=Pacemaker({}, deaf="cibadmin"))).monitor)
    hosts = Cluster(runner=Pacemaker({"compute-1": None}))
    assert failure(PowerSwitch(hosts, Power(broken="monitor")).monitor) == "fence_x monitor: no answer within 1 s"
    assert "cannot be read" in failure(PowerSwitch(Cluster(runner=Pacemaker({}, deaf="cibadmin")), Power()).monitor)


@pytest.mark.parametrize(
    ("name", "domain", "found"),
    [
        ("compute-1", None, "compute-1"),
        ("compute-1.cloud.example", None, "compute-1"),
        ("compute-2", None, "compute-2.cloud.example"),
        ("compute-3", "b.example", "compute-3.b.example"),
    ],
)
def test_a_host_is_found_by_the_cluster_s_own_name(name, domain, found):
    known = ["compute-1", "compute-2.cloud.example", "compute-3.a.example", "compute-3.b.example"]
    assert Cluster(runner=Pacemaker(dict.fromkeys(known))).resolve(name, domain) == found


def test_a_host_that_is_unknown_or_ambiguous():
    hosts = Cluster(runner=Pacemaker(dict.fromkeys(["compute-3.a.example", "compute-3.b.example"])))
    assert failure(hosts.resolve, "compute-9") == "the cluster knows no node 'compute-9'"
    assert "compute-3.a.example or compute-3.b.example" in failure(hosts.resolve, "compute-3")


def test_a_name_is_data():
    asked = []

    def runner(command, timeout):
        asked.append(command[3])
        return 105, "", ""

    failure(Cluster(runner=runner).resolve, "x\"] | //* ['")
    assert asked == []
    failure(Cluster(runner=runner).resolve, "x\"] | //*")
    assert asked == ["//nodes/node[@uname='x\"] | //*' or @uname='x\"] | //*' or starts-with(@uname,'x\"] | //*.')]"]


@pytest.mark.parametrize(
    ("levels", "flagged"),
    [
        (LEVEL, True),
        ('<fencing-level target-pattern="compute-.*" devices="fence_ipmilan-1,fence_compute"/>', True),
        ('<fencing-level target-attribute="evacuate" target-value="no" devices="fence_redfish,fence_compute"/>', True),
        (LEVEL + '<fencing-level target="compute-1" devices="fence_ipmilan-2,fence_ipmilan-3,fence_compute"/>', True),
        (LEVEL + '<fencing-level target="compute-1" devices="fence_sbd"/>', True),
        ("", False),
        ('<fencing-level target="compute-2" devices="fence_ipmilan-1,fence_compute"/>', False),
        ('<fencing-level target="compute-1" devices="fence_compute"/>', False),
        ('<fencing-level target="compute-1" devices="fence_compute,fence_ipmilan-1"/>', False),
        ('<fencing-level target="compute-1" devices="fence_ipmilan-1"/>', False),
        (LEVEL + '<fencing-level target="compute-1" index="2" devices="fence_compute"/>', False),
    ],
)
def test_a_device_that_only_flags_demands_one_that_cuts_the_power_before_it(levels, flagged):
    pacemaker = Pacemaker({"compute-1": "no"}, levels=levels)
    recorder = Recorder(Cluster(runner=pacemaker))
    if flagged:
        recorder.off("compute-1")
    else:
        assert "record_only proves nothing by itself" in failure(recorder.off, "compute-1")
    assert pacemaker.flags == {"compute-1": "yes" if flagged else "no"}
