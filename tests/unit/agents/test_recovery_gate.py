# SPDX-License-Identifier: Apache-2.0
"""The gate before nova-compute, on a scripted Pacemaker."""

import types

import pytest

from nova_ha.agents import recovery_gate
from nova_ha.agents.framework import Failure, ocf
from nova_ha.cluster.pacemaker import Cluster, ClusterError, NotInstalled
from tests.unit.agent_programs import Clock, failure
from tests.unit.doubles import FakeCluster
from tests.unit.pacemaker import Pacemaker


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(recovery_gate.time, "sleep", clock.sleep)
    return clock


@pytest.fixture(autouse=True)
def name(monkeypatch):
    monkeypatch.setattr(ocf, "OCF_RESOURCE_INSTANCE", "nova-compute")


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(ocf.logger, "warning", said.append)
    return said


RULE = "pcs constraint location nova-compute-clone rule score=-INFINITY defined evacuate and evacuate ne no"


class Flags(FakeCluster):
    """A cluster whose flag of compute-1 is each of these in turn; at ``?`` it does not answer, the last one stays."""

    def __init__(self, *values):
        super().__init__()
        self.coming = list(values)

    def flags(self):
        self.values["compute-1"] = self.coming.pop(0) if len(self.coming) > 1 else self.coming[0]
        self.failing = ClusterError("no answer") if self.values["compute-1"] == "?" else None
        return {host: value for host, value in super().flags().items() if value is not None}


def await_recovery(clock, delay, *flags, waits=True):
    recovery_gate.await_recovery(Flags(*flags), "compute-1", delay, clock.left, waits)


@pytest.mark.parametrize(
    ("flags", "delay", "waited"),
    [
        ([None], 0, 0),
        ([None], 10, 0),
        (["no"], 0, 0),
        (["no"], 10, 10),
        (["yes", "control-1@1", "no"], 0, 4),
        (["go", "restart", "no"], 0, 4),
        (["yes", "no"], 10, 12),
        (["?", None], 10, 2),  # Pacemaker did not answer at first; nothing says that there was a recovery
        (["no", "yes", None], 10, 12),  # fenced once more during the pause
    ],
)
def test_what_waits_waits_until_the_host_is_recovered(clock, flags, delay, waited):
    await_recovery(clock, delay, *flags)
    assert clock.now == waited


@pytest.mark.parametrize("value", ["yes", "control-1@1700000000", "something else"])
def test_what_waits_gives_up_before_its_timeout(clock, value):
    code, reason = failure(await_recovery, clock, 0, value)
    assert code == ocf.OCF_ERR_GENERIC
    assert reason.startswith(f"compute-1 is being recovered (flag {value}): nova-compute is not started. ")
    assert 50 < clock.now < 60


def test_what_waits_says_once_that_it_holds_the_cluster_up_and_how_to_prevent_it(clock, warnings):
    await_recovery(clock, 0, "yes", "yes", "no")
    assert warnings == [
        "compute-1 is being recovered (flag yes): start waits for the end, and Pacemaker fences no other host "
        f"meanwhile. With this rule the cluster does not try before: {RULE}"
    ]


@pytest.mark.parametrize(
    ("flags", "delay", "waited"), [([None], 10, 0), (["no"], 0, 0), (["no"], 10, 10), (["?", "?", None], 0, 4)]
)
def test_a_start_that_may_be_lasts_no_longer_than_it_must(clock, flags, delay, waited):
    await_recovery(clock, delay, *flags, waits=False)
    assert clock.now == waited


@pytest.mark.parametrize(("flags", "delay", "waited"), [(["yes"], 0, 0), (["restart"], 0, 0), (["no", "yes"], 10, 10)])
def test_a_start_that_the_cluster_should_not_have_tried_fails_at_once_and_names_the_rule(clock, flags, delay, waited):
    code, reason = failure(lambda: await_recovery(clock, delay, *flags, waits=False))
    # A soft error: Pacemaker tries again after failure-timeout, and bans no host for ever.
    assert code == ocf.OCF_ERR_GENERIC
    assert reason == (
        f"compute-1 is being recovered (flag {flags[-1]}): nova-compute is not started. "
        f"With this rule the cluster does not try before: {RULE}"
    )
    assert clock.now == waited


@pytest.mark.parametrize(
    ("flags", "domain", "why"),
    [
        ({"compute-1.a": "yes"}, None, "yes of compute-1.a"),
        ({"COMPUTE-1": "restart"}, None, "restart of COMPUTE-1"),
        ({"compute-1": "no", "compute-1.a": "yes"}, None, "yes of compute-1.a"),
        ({"compute-1": "yes", "compute-1.a": "no"}, None, "yes"),
        ({"compute-1.a": "no"}, None, None),
        ({"compute-11": "yes", "compute-1.a": "yes"}, "b", None),
        ({"compute-1.b": "yes"}, "b", "yes of compute-1.b"),
    ],
)
def test_a_flag_of_another_name_of_the_host_counts_too(clock, flags, domain, why):
    """The host was renamed in the cluster in the middle of its recovery; the cluster's rule does not look there."""
    there = types.SimpleNamespace(attribute="evacuate", flags=lambda: flags)
    start = lambda: recovery_gate.await_recovery(there, "compute-1", 0, clock.left, False, domain)  # noqa: E731
    if why is None:
        start()
    else:
        assert f"compute-1 is being recovered (flag {why}): " in failure(start)[1]


@pytest.mark.parametrize(("waits", "least", "most"), [(True, 50, 60), (False, 15, 20)])
def test_what_is_not_known_is_not_started(clock, waits, least, most):
    code, reason = failure(lambda: await_recovery(clock, 0, "?", waits=waits))
    assert code == ocf.OCF_ERR_GENERIC
    assert reason.startswith("whether compute-1 is being recovered is not known (")
    assert reason.endswith("): nova-compute is not started")
    assert least < clock.now <= most


@pytest.mark.parametrize(("end", "delay", "waited"), [(60.0, 31, 30), (20.0, 5, 0), (130.0, 120, 100)])
def test_a_delay_that_does_not_fit_is_cut_short_and_keeps_no_host_out(clock, warnings, end, delay, waited):
    clock.end = end
    await_recovery(clock, delay, "no", waits=False)
    assert clock.now == waited
    assert warnings == [
        f"evacuation_delay: {waited} of {delay} s fit into the timeout of start, and nova-compute is started after "
        f"these. For all of them: pcs resource update nova-compute op start timeout={delay + 60}s"
    ]


def test_a_delay_that_fits_is_not_cut_short(clock, warnings):
    await_recovery(clock, 30, "no", waits=False)
    assert (clock.now, warnings) == (30, [])


def test_a_host_without_pacemakers_programs_does_not_wait_for_them():
    def runner(command, timeout):
        raise NotInstalled(f"{command[0]} is not installed")

    with pytest.raises(NotInstalled):
        recovery_gate.await_recovery(Cluster(runner=runner), "compute-1", 0, lambda: 100, waits=True)


def check(monkeypatch, pacemaker, node=None, left=lambda: 1, own="compute-1.example.org", **given):
    """Go through the gate, as an agent that Pacemaker runs (on ``node``) or somebody by hand."""
    if node:
        monkeypatch.setenv("OCF_RESKEY_CRM_meta_on_node", node)
    monkeypatch.setattr(recovery_gate.os, "uname", lambda: type("Uname", (), {"nodename": own}))
    monkeypatch.setattr(recovery_gate, "Cluster", lambda attribute: Cluster(attribute, runner=pacemaker))
    recovery_gate.check(given, left)


def another(command, timeout):
    """A runner behind which compute-1 has another attribute than ours."""
    pair = '<instance_attributes><nvpair name="another" value="yes"/></instance_attributes>'
    return (0, f'<node uname="compute-1">{pair}</node>', "") if '"another"' in command[-1] else (105, "", "")


def test_it_goes_by_the_agent_s_parameters(monkeypatch, clock):
    # The pause after a recovery,
    check(monkeypatch, Pacemaker({"compute-1": "no"}), "compute-1", clock.left, evacuation_delay="7")
    assert clock.now == 7
    # the attribute that is the flag,
    check(monkeypatch, another, "compute-1")
    with pytest.raises(Failure, match="is being recovered"):
        check(monkeypatch, another, "compute-1", attribute="another")
    # and the domain, where nobody says which host it is.
    both = {"compute-1.a.example": "yes", "compute-1.b.example": None}
    monkeypatch.delenv("OCF_RESKEY_CRM_meta_on_node")
    with pytest.raises(Failure, match="set the parameter domain"):
        check(monkeypatch, Pacemaker(both), own="compute-1")
    check(monkeypatch, Pacemaker(both), own="compute-1", domain="b.example")


def test_the_host_is_the_one_that_pacemaker_names(monkeypatch):
    check(monkeypatch, Pacemaker({"compute-1": "yes", "compute-2": None}), "compute-2")
    code, reason = failure(check, monkeypatch, Pacemaker({"compute-1": "yes", "compute-2": None}), "compute-1")
    assert code == ocf.OCF_ERR_GENERIC
    assert reason.startswith("compute-1 is being recovered (flag yes): nova-compute is not started")


def test_by_hand_the_host_is_the_one_of_this_name(monkeypatch):
    check(monkeypatch, Pacemaker({"compute-1": None, "compute-2": "yes"}))
    assert failure(check, monkeypatch, Pacemaker({"compute-1": "yes", "compute-2": None}))[0] == ocf.OCF_ERR_GENERIC
    code, reason = failure(check, monkeypatch, Pacemaker({"compute-2": "yes"}))
    assert code == ocf.OCF_ERR_GENERIC
    assert reason == "the cluster knows no node 'compute-1.example.org': nova-compute is not started"


@pytest.mark.parametrize("name", ["$(reboot)", "a'b\"c", "&amp;<b>", "a\nb", "x" * 10000])
def test_a_host_s_name_is_data(monkeypatch, name):
    pacemaker = Pacemaker({"compute-1": "yes"})
    check(monkeypatch, pacemaker, name)


@pytest.mark.parametrize("name", ["a'b\"c", "no\nsuch"])
def test_a_name_that_no_node_can_have(monkeypatch, name):
    monkeypatch.setattr(
        recovery_gate, "Cluster", lambda attribute: Cluster(attribute, runner=Pacemaker({"compute-1": None}))
    )
    monkeypatch.setattr(recovery_gate.os, "uname", lambda: type("Uname", (), {"nodename": name}))
    code, reason = failure(recovery_gate.check, {}, lambda: 1)
    assert code == ocf.OCF_ERR_GENERIC
    assert "\n" not in reason


def test_only_what_is_nothing_but_the_gate_waits_there(monkeypatch, clock):
    monkeypatch.setenv("OCF_RESKEY_CRM_meta_on_node", "compute-1")
    monkeypatch.setattr(
        recovery_gate, "Cluster", lambda attribute: Cluster(attribute, runner=Pacemaker({"compute-1": "yes"}))
    )
    failure(recovery_gate.check, {}, clock.left)
    assert clock.now == 0
    failure(recovery_gate.wait, {}, clock.left)
    assert clock.now > 50
