# SPDX-License-Identifier: Apache-2.0
"""Fencing on a scripted Pacemaker: what is flagged, when, and what is not."""

import pytest

from nova_ha.cluster.pacemaker import ClusterError
from nova_ha.fencing import fence
from nova_ha.fencing.fence import FenceError, PowerSwitch, Recorder
from nova_ha.fencing.power_agent import PowerError
from nova_ha.fencing.shared_power import Devices
from tests.unit.pacemaker import LEVEL, Pacemaker


class Power:
    """A power agent with a state; ``broken`` names the action that fails; ``one``: it serves one host."""

    def __init__(self, state="on", broken=None, one=True):
        self.state, self.broken, self.one, self.calls = state, broken, one, []

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

    def serves_one(self):
        self._do("metadata")
        return self.one


BMC = {"ip": "192.0.2.1"}


def switch(pacemaker, power, plug="compute-1", **parameters):
    return PowerSwitch(Devices(runner=pacemaker), power, parameters or BMC, plug)


SMALL = 'translate(@uname, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")'


def failure(function, *arguments):
    with pytest.raises((FenceError, ClusterError)) as failed:
        function(*arguments)
    return str(failed.value)


def test_power_goes_off_before_the_flag_is_written():
    pacemaker, power = Pacemaker({"compute-1": None}), Power()
    power.off = lambda: pacemaker.written.append("power off")
    switch(pacemaker, power).off("compute-1")
    assert pacemaker.written == ["power off", ("compute-1", "yes")]


def test_what_is_not_proved_off_is_not_flagged():
    pacemaker = Pacemaker({"compute-1": None})
    text = failure(switch(pacemaker, Power(broken="off")).off, "compute-1")
    assert text == "compute-1 is not proved to be off, and is not flagged: fence_x off: no answer within 1 s"
    assert pacemaker.written == []


@pytest.mark.parametrize("former", [None, "no", "restart", "yes", "control-1@1"])
def test_a_host_is_flagged_whatever_its_flag_was(former):
    pacemaker = Pacemaker({"compute-1": former})
    Recorder(Devices(runner=pacemaker)).off("compute-1")
    assert pacemaker.flags == {"compute-1": "yes"}


def test_a_flag_that_pacemaker_took_and_lost_is_a_failure():
    recorder = Recorder(Devices(runner=Pacemaker({"compute-1": None}, forgetful=True)))
    assert failure(recorder.off, "compute-1") == "compute-1 is not flagged, though Pacemaker took the flag"


@pytest.mark.parametrize("deaf", ["crm_attribute", "cibadmin"])
def test_a_flag_that_is_not_known_to_be_written_is_a_failure(deaf):
    recorder = Recorder(Devices(runner=Pacemaker({"compute-1": None}, deaf=deaf)))
    assert failure(recorder.off, "compute-1").startswith("compute-1 is not known to be flagged: ")


def test_unfencing_leaves_the_flag_alone():
    pacemaker = Pacemaker({"compute-1": "yes"})
    Recorder(Devices(runner=pacemaker)).on("compute-1")
    switch(pacemaker, Power("off")).on("compute-1")
    assert pacemaker.written == []


@pytest.mark.parametrize(
    ("value", "state"),
    [(None, "on"), ("no", "on"), ("restart", "on"), ("go", "off"), ("yes", "off"), ("c@1", "off"), ("?", "off")],
)
def test_the_recorder_s_status_is_the_flag(value, state):
    assert Recorder(Devices(runner=Pacemaker({"compute-1": value}))).status("compute-1") == state


def test_the_switch_s_status_is_the_power():
    assert switch(Pacemaker({"compute-1": "yes"}), Power("on")).status("compute-1") == "on"


def test_the_recorder_lists_remote_nodes_and_the_switch_none():
    hosts = Devices(runner=Pacemaker({"compute-1": "yes", "compute-2": None}))
    assert Recorder(hosts).hosts() == {"compute-1": "off", "compute-2": "on"}
    assert PowerSwitch(hosts, Power(), BMC).hosts() == {}


def test_monitor_looks_at_what_off_will_need():
    assert Recorder(Devices(runner=Pacemaker({"compute-1": None}))).monitor() is None
    assert "cannot be read" in failure(Recorder(Devices(runner=Pacemaker({}, deaf="cibadmin"))).monitor)
    hosts = Pacemaker({"compute-1": None})
    assert failure(switch(hosts, Power(broken="monitor")).monitor) == "fence_x monitor: no answer within 1 s"
    assert "cannot be read" in failure(switch(Pacemaker({}, deaf="cibadmin"), Power()).monitor)


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
    assert Devices(runner=Pacemaker(dict.fromkeys(known))).resolve(name, domain) == found


def test_a_host_that_is_unknown_or_ambiguous():
    hosts = Devices(runner=Pacemaker(dict.fromkeys(["compute-3.a.example", "compute-3.b.example"])))
    assert failure(hosts.resolve, "compute-9") == "the cluster knows no node 'compute-9'"
    assert "compute-3.a.example or compute-3.b.example" in failure(hosts.resolve, "compute-3")


@pytest.mark.parametrize(
    ("name", "plug", "domain", "host"),
    [
        ("compute-1", "compute-1", None, "compute-1"),
        ("compute-1", "7", None, "compute-1"),  # a plug of its power agent
        ("compute-1", "192.0.2.1", None, "compute-1"),  # its BMC
        ("compute-1", "compute-1.cloud.example", None, "compute-1"),  # as Nova calls it
        ("compute-1.cloud.example", "bmc-1", None, "compute-1"),
        ("compute-3.a.example", "compute-3", None, "compute-3.a.example"),  # which alone could be two hosts
        ("compute-3.a.example", "compute-3", "a.example", "compute-3.a.example"),
        (None, "compute-1.cloud.example", None, "compute-1"),
        (None, "compute-3", "b.example", "compute-3.b.example"),
    ],
)
def test_the_host_is_the_one_that_pacemaker_names(name, plug, domain, host):
    known = ["compute-1", "compute-2", "compute-3.a.example", "compute-3.b.example"]
    assert fence.target(Devices(runner=Pacemaker(dict.fromkeys(known))), name, plug, domain) == host


@pytest.mark.parametrize(
    ("name", "plug", "domain", "text"),
    [
        ("compute-9", "compute-1", None, "the cluster knows no node 'compute-9'"),
        (None, "7", None, "the cluster knows no node '7'"),
        (None, "compute-3", None, "compute-3.a.example or compute-3.b.example"),
        ("compute-1", "compute-2", None, "its plug 'compute-2' is the name of another host, compute-2: see to pcmk_ho"),
        ("compute-1", "compute-2.x", None, "its plug 'compute-2.x' is the name of another host, compute-2"),
        ("compute-3.a.example", "compute-3", "b.example", "is the name of another host, compute-3.b.example"),
        (None, "x" * 256, None, f"'{'x' * 80}'... cannot be the name of a host"),
        ("compute-1", "x" * 256, None, f"'{'x' * 80}'... cannot be the name of a host"),
        ("compute-1", "7\n8", None, r"'7\n8' cannot be the name of a host"),
        ("compute-1\0", "7", None, r"'compute-1\x00' cannot be the name of a host"),
    ],
)
def test_a_host_that_could_be_another_one(name, plug, domain, text):
    known = ["compute-1", "compute-2", "compute-3.a.example", "compute-3.b.example"]
    assert text in failure(fence.target, Devices(runner=Pacemaker(dict.fromkeys(known))), name, plug, domain)


def test_a_name_is_data():
    asked = []

    def runner(command, timeout):
        asked.append(command[3])
        return 105, "", ""

    failure(Devices(runner=runner).resolve, "x\"] | //* ['")
    assert asked == []
    failure(Devices(runner=runner).resolve, 'x"] | //*')
    (xpath,) = asked
    assert xpath.replace(SMALL, "") == "//nodes/node[='x\"] | //*' or ='x\"] | //*' or starts-with(,'x\"] | //*.')]"


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
        # The second supply has power still when the flag is written.
        ('<fencing-level target="compute-1" devices="fence_apc-1,fence_compute,fence_apc-2"/>', False),
        ('<fencing-level target="compute-1" devices="fence_apc-1,fence_compute,fence_compute-2"/>', False),
        (LEVEL + '<fencing-level target="compute-1" index="2" devices="fence_compute"/>', False),
        # It lets a level fail where the network does, and cuts nothing.
        ('<fencing-level target="compute-1" devices="fence_heuristics_ping,fence_compute"/>', False),
        ('<fencing-level target="compute-1" devices="fence_heuristics_ping,fence_ipmilan-1,fence_compute"/>', True),
        # The fencer has a device of its own.
        ('<fencing-level target="compute-1" devices="watchdog,fence_compute"/>', True),
        # Where Pacemaker has no level for the host, it may take this device alone.
        ('<fencing-level target-pattern="compute-\\d+" devices="fence_ipmilan-1,fence_compute"/>', False),
        ('<fencing-level target-pattern="compute-[[:digit:]]+" devices="fence_ipmilan-1,fence_compute"/>', True),
        ('<fencing-level target="Compute-1" devices="fence_ipmilan-1,fence_compute"/>', True),
        ('<fencing-level target="compute-1" index="10" devices="fence_ipmilan-1,fence_compute"/>', False),
        # A level for the host by its name hides the one by a pattern.
        (LEVEL + '<fencing-level target-pattern="compute-." devices="fence_compute"/>', True),
        (
            '<fencing-level target-pattern="compute-." devices="fence_ipmilan-1,fence_compute"/>'
            '<fencing-level target="compute-1" devices="fence_sbd"/>',
            False,
        ),
        # Of two patterns it may take either.
        (
            '<fencing-level target-pattern="compute-.*" devices="fence_ipmilan-1,fence_compute"/>'
            '<fencing-level target-pattern="compute-1" devices="fence_ipmilan-1,fence_compute"/>',
            True,
        ),
        (
            '<fencing-level target-pattern="comp.*" devices="fence_ipmilan-1,fence_compute"/>'
            '<fencing-level target-pattern="compute-." devices="fence_compute"/>',
            False,
        ),
    ],
)
def test_a_device_that_only_flags_demands_one_that_cuts_the_power_before_it(levels, flagged):
    pacemaker = Pacemaker({"compute-1": "no"}, levels=levels)
    recorder = Recorder(Devices(runner=pacemaker))
    if flagged:
        recorder.off("compute-1")
    else:
        text = failure(recorder.off, "compute-1")
        assert "record_only proves nothing by itself" in text or "a device comes after fence_compute" in text
    assert pacemaker.flags == {"compute-1": "yes" if flagged else "no"}


@pytest.mark.parametrize(
    ("levels", "text"),
    [
        (
            '<fencing-level target-pattern="compute-(?:1|2)" devices="fence_ipmilan-1,fence_compute"/>',
            "compute-1 is not flagged: target-pattern 'compute-(?:1|2)' of fencing level level-1 is no POSIX extended ",
        ),
        (
            LEVEL + '<fencing-level target="compute-1" index="1" devices="fence_ipmilan-2"/>',
            "compute-1 is not flagged: fencing levels level-1 and level-2 have one target and one index (1), ",
        ),
        (
            '<fencing-level target="compute-1" devices="unknown-1,fence_compute"/>',
            "compute-1 is not flagged: a fencing level of compute-1 has 'unknown-1', which is no fencing device",
        ),
        (
            LEVEL + '<fencing-level target="compute-1" devices="unknown-1,unknown-2"/>',
            "compute-1 is not flagged: a fencing level of compute-1 has 'unknown-1', which is no fencing device",
        ),
    ],
)
def test_levels_that_cannot_be_understood_are_a_failed_fence_of_either_device(levels, text):
    pacemaker, power = Pacemaker({"compute-1": "no"}, levels=levels), Power()
    for device in (Recorder(Devices(runner=pacemaker)), switch(pacemaker, power)):
        assert failure(device.off, "compute-1").startswith(text)
    assert (power.state, pacemaker.flags) == ("on", {"compute-1": "no"})


def test_the_levels_are_those_of_the_name_that_pacemaker_gives():
    levels = '<fencing-level target-pattern="compute-.*" devices="fence_ipmilan-1,fence_compute"/>'
    pacemaker = Pacemaker({"compute-1": None}, levels=levels)
    recorder = Recorder(Devices(runner=pacemaker))
    assert "record_only proves nothing by itself" in failure(recorder.off, "compute-1", "COMPUTE-1")
    recorder.off("compute-1", "compute-1")
    assert pacemaker.flags == {"compute-1": "yes"}


ALONE = {"ip": "192.0.2.1", "pcmk_host_list": "compute-1"}
MAPPED = {"pcmk_host_map": "compute-1:7;compute-2:8"}


@pytest.mark.parametrize(
    ("devices", "given", "plug", "one"),
    [
        ([ALONE], BMC, "compute-1", True),
        ([ALONE, {"ip": "192.0.2.2", "pcmk_host_list": "compute-2"}], BMC, "compute-1", True),
        ([{**ALONE, "pcmk_host_list": "COMPUTE-1"}], BMC, "compute-1", True),
        # The same address, another port of it or another system behind it.
        ([ALONE, {"ip": "192.0.2.1", "ipport": "6231", "pcmk_host_list": "compute-2"}], BMC, "compute-1", True),
        ([ALONE, {"ip": "192.0.2.1", "systems-uri": "/2", "pcmk_host_list": "compute-2"}], BMC, "compute-1", True),
        # Its plugs tell hosts apart.
        ([{"ip": "192.0.2.1", **MAPPED}], BMC, "7", False),
        ([{"ip": "192.0.2.1", "pcmk_host_list": "compute-1,compute-2"}], BMC, "compute-1", False),
        ([{"port_as_ip": "1", **MAPPED}], {"port_as_ip": "1", "ip": "7"}, "7", True),
        ([{"ip": "192.0.2.1", "pcmk_host_map": "compute-2:8"}], BMC, "7", False),
        # Two of one host, for its two power supplies.
        ([{"ip": "192.0.2.1", "pcmk_host_map": f"compute-1:{plug}"} for plug in (7, 8)], BMC, "7", False),
    ],
)
def test_a_host_whose_power_is_its_own_is_powered_off(devices, given, plug, one):
    pacemaker, power = Pacemaker({"compute-1": None}, devices=devices), Power(one=one)
    switch(pacemaker, power, None, **given).monitor()
    switch(pacemaker, power, plug, **given).off("compute-1")
    assert (power.state, pacemaker.flags) == ("off", {"compute-1": "yes"})


@pytest.mark.parametrize(
    ("devices", "given", "plug", "one"),
    [
        ([{"ip": "192.0.2.1", "pcmk_host_list": "compute-1 compute-2"}], BMC, "compute-1", True),
        ([{"ip": "192.0.2.1", **MAPPED}], BMC, "7", True),  # which it does not look at
        ([ALONE, {**ALONE, "pcmk_host_list": "compute-2"}], BMC, "compute-1", True),  # copied, and forgotten
        ([ALONE, {**ALONE, "ipport": "", "pcmk_host_list": "compute-2"}], BMC, "compute-1", True),
        ([ALONE, {"ip": "192.0.2.1", "pcmk_host_check": "none"}], BMC, "compute-1", True),
        ([{"ip": "192.0.2.1", "pcmk_host_map": "compute-1:7;compute-2:7"}], BMC, "7", False),
        ([{"ip": "192.0.2.1", "pcmk_host_map": "compute-1=7 compute-2=7"}], BMC, "7", False),
        ([{"port_as_ip": "on", "pcmk_host_map": "compute-1:7;compute-2:7"}], {"port_as_ip": "1", "ip": "7"}, "7", True),
    ],
)
def test_a_host_whose_power_could_be_another_s_is_neither_powered_off_nor_flagged(devices, given, plug, one):
    pacemaker, power = Pacemaker({"compute-1": None}, devices=devices), Power(one=one)
    assert "have one power; give each host a device" in failure(switch(pacemaker, power, None, **given).monitor)
    text = failure(switch(pacemaker, power, plug, **given).off, "compute-1")
    assert text.startswith("compute-1 is not powered off: by the devices' parameters its power is that of ")
    assert ("compute-2, too" in text) or ("any host, too" in text)
    assert (power.state, pacemaker.written) == ("on", [])


def test_an_agent_that_does_not_say_whether_plugs_tell_hosts_apart_powers_none_off():
    shared = [{"ip": "192.0.2.1", **MAPPED}]
    pacemaker, power = Pacemaker({"compute-1": None}, devices=shared), Power(broken="metadata")
    assert "fence_x metadata: no answer" in failure(switch(pacemaker, power, "7").off, "compute-1")
    assert (power.state, pacemaker.written) == ("on", [])


@pytest.mark.parametrize(
    ("levels", "flagged"),
    [
        ("", True),
        ('<fencing-level target="compute-1" devices="fence_compute"/>', True),
        ('<fencing-level target="compute-1" devices="fence_apc-1,fence_compute"/>', True),
        ('<fencing-level target="compute-2" devices="fence_compute,fence_apc-1"/>', True),
        ('<fencing-level target="compute-1" devices="fence_compute,fence_apc-1"/>', False),
        ('<fencing-level target="compute-1" devices="fence_compute-1,fence_compute-2"/>', False),
        (LEVEL + '<fencing-level target="compute-1" devices="fence_compute-1,fence_compute-2"/>', False),
    ],
)
def test_a_device_that_powers_hosts_itself_demands_to_be_the_last_of_its_level(levels, flagged):
    pacemaker, power = Pacemaker({"compute-1": "no"}, levels=levels), Power()
    if flagged:
        switch(pacemaker, power).off("compute-1")
    else:
        text = "compute-1 is not flagged: in a fencing level of compute-1 a device comes after fence_compute"
        assert failure(switch(pacemaker, power).off, "compute-1") == text
    assert (power.state, pacemaker.flags["compute-1"]) == (("off", "yes") if flagged else ("on", "no"))


TWO_WAYS = [ALONE, {"ip": "192.0.2.2", "pcmk_host_list": "Compute-1"}]
TWO_PLUGS = [{"ip": "192.0.2.1", "pcmk_host_map": f"compute-1:{plug}"} for plug in (7, 8)]


@pytest.mark.parametrize(
    ("devices", "levels", "flagged"),
    [
        (TWO_WAYS, "", False),
        (TWO_PLUGS, "", False),
        # The fencer ignores it.
        (TWO_WAYS, '<fencing-level target-pattern="compute-\\d+" devices="fence_compute-1,fence_compute-2"/>', False),
        # Either will do, as the levels say.
        (TWO_WAYS, '<fencing-level target="compute-1" devices="fence_compute-1"/>', True),
        # The same power twice, the power of another host, and a device that only flags.
        ([ALONE, ALONE], "", True),
        ([ALONE, {"ip": "192.0.2.2", "pcmk_host_list": "compute-2"}], "", True),
        ([ALONE, {"record_only": "1", "pcmk_host_list": "compute-1"}], "", True),
    ],
)
def test_two_powers_of_one_host_without_a_level_are_no_proof(devices, levels, flagged):
    pacemaker, power = Pacemaker({"compute-1": None}, levels=levels, devices=devices), Power(one=False)
    if flagged:
        switch(pacemaker, power).off("compute-1")
    else:
        text = "compute-1 is not powered off: no fencing level is for it, so that Pacemaker takes one of its 2 devices "
        assert failure(switch(pacemaker, power).off, "compute-1").startswith(text)
    assert (power.state, pacemaker.flags["compute-1"]) == (("off", "yes") if flagged else ("on", None))


def test_the_metadata_is_not_asked_for_where_it_does_not_matter():
    power = Power()
    switch(Pacemaker({"compute-1": None}, devices=[ALONE]), power).off("compute-1")
    assert power.calls == ["off"]


def test_with_a_bmc_for_each_host_monitor_looks_at_pacemaker_only():
    power = Power()
    switch(Pacemaker({"compute-1": None}), power, None, port_as_ip="1").monitor()
    assert power.calls == []
