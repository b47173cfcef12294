# SPDX-License-Identifier: Apache-2.0
"""What the lab does to the engine's options, and what it reads of Pacemaker's status, without a cluster."""

import types

import pytest

from tests.lab import cluster, nodes, settings

STATUS = """\
<pacemaker-result>
  <summary><current_dc with_quorum="true"/></summary>
  <failures>
    <failure op_key="nova-evacuate_monitor_10000" node="control-2" exitreason="engine hung"
             last-rc-change="2026-01-01 00:00:00Z"/>
    <failure op_key="nova-evacuate-too_start_0" node="control-1" exitreason="another"
             last-rc-change="2026-01-01 00:00:00Z"/>
  </failures>
  <fence_history>
    <fence_event action="reboot" target="a" status="success"/>
    <fence_event action="reboot" target="b" status="failed" exit-reason="no route"/>
    <fence_event action="reboot" target="a" status="failed" exit-reason="no route"/>
    <fence_event action="reboot" target="b" status="success"/>
  </fence_history>
</pacemaker-result>
"""
CIB = """\
<cib><configuration><resources>
  <primitive id="nova-evacuate">
    <instance_attributes><nvpair name="verbose" value="true"/></instance_attributes>
    <meta_attributes><nvpair name="failure-timeout" value="120s"/></meta_attributes>
  </primitive>
  <primitive id="nova-evacuate-too"/>
</resources></configuration></cib>
"""


@pytest.fixture
def controls(monkeypatch):
    """Control nodes with a file each, of which one is off; remembers what pcs was asked for."""
    there = types.SimpleNamespace(files={}, asked=[], engine="control-2")

    def execute(node, *command, stdin=None, **options):
        if command[0] == "cat":
            code = 255 if node == "control-3" else 0 if node in there.files else 1
            return types.SimpleNamespace(stdout=there.files.get(node, ""), returncode=code)
        if command[0] == "crm_mon":
            return types.SimpleNamespace(stdout=STATUS, returncode=0)
        if command[0] == "cibadmin":
            return types.SimpleNamespace(stdout=CIB)
        if command == ("sh",):
            there.asked.append((node, stdin.splitlines()))
            return None
        if "rm -f" in command[-1]:
            del there.files[node]
        else:
            there.files[node] = stdin
        return None

    monkeypatch.setattr(nodes, "execute", execute)
    monkeypatch.setattr(cluster, "active_on", lambda chosen, resource: there.engine)
    return there


def test_options_are_written_once_and_taken_away(controls):
    chosen = settings.Settings()
    for _ in range(2):
        cluster.set_options(chosen, {"guard": {"least": 1}, "order": {"groups": "a, b"}})
    text = "[guard]\nleast = 1\n\n[order]\ngroups = a, b\n"
    assert controls.files == {"control-1": text, "control-2": text}
    [(node, lines)] = controls.asked
    # Pacemaker gives the agent all parameters, and what is not given would count as taken away.
    assert (node, "export OCF_RESKEY_verbose=true" in lines) == (controls.engine, True)
    assert lines[-1].split()[1::3] == ["reload-agent", "monitor"]
    for _ in range(2):
        cluster.set_options(chosen, {})
    assert controls.files == {}
    assert len(controls.asked) == 2


def test_an_engine_that_does_not_run_is_not_told(controls):
    controls.engine = None
    cluster.set_options(settings.Settings(), {"guard": {"least": 1}})
    assert controls.files
    assert controls.asked == []


def test_failures_are_those_of_one_resource(controls):
    assert cluster.failures(settings.Settings(), "nova-evacuate") == [
        "nova-evacuate_monitor_10000 on control-2: engine hung"
    ]


@pytest.mark.parametrize(
    ("age", "is_late"), [(0, False), (120 + cluster.FORGETS, False), (121 + cluster.FORGETS, True)]
)
def test_failures_last_that_no_timeout_ends_or_has_ended_and_fencing_that_was_not_made_good(
    controls, monkeypatch, age, is_late
):
    monkeypatch.setattr(cluster, "cib", lambda chosen: CIB)
    monkeypatch.setattr(cluster, "time", types.SimpleNamespace(time=lambda: 1767225600 + age))
    assert cluster.lasting_failures(settings.Settings()) == [
        *(["nova-evacuate_monitor_10000 on control-2: engine hung"] if is_late else []),
        "nova-evacuate-too_start_0 on control-1: another",
        "reboot of b: no route",
    ]


def test_a_failure_of_which_the_cluster_has_no_time_counts_as_new(controls, monkeypatch):
    monkeypatch.setattr(cluster, "cib", lambda chosen: CIB)
    lasting = cluster.lasting_failures(settings.Settings())
    monkeypatch.setitem(globals(), "STATUS", STATUS.replace('last-rc-change="2026-01-01 00:00:00Z"', ""))
    # What no failure-timeout ends lasts, however new it is.
    assert set(lasting) - set(cluster.lasting_failures(settings.Settings())) == {
        "nova-evacuate_monitor_10000 on control-2: engine hung"
    }
