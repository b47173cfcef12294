# SPDX-License-Identifier: Apache-2.0
"""NovaCompute's work on a scripted systemd and a scripted Pacemaker."""

import os

import pytest

from nova_ha import novacompute
from nova_ha.agent import Failure, ocf
from nova_ha.cluster import Cluster, NotInstalled
from nova_ha.process import Record
from nova_ha.systemd import NotInTime, Systemd, SystemdError, Unit
from tests.unit.test_fence import Pacemaker

UNIT = "nova-compute.service"


class Host:
    """A runner with a systemd behind it that has one unit.

    :param active: its ActiveState
    :param becomes: its ActiveState after each further look, while it is on its way
    :param refuses: a word of the command that fails
    :param slow: a word of the command that does not end in time
    """

    def __init__(
        self, active="inactive", name=UNIT, load="loaded", becomes=(), refuses=None, slow=None, result="success"
    ):
        self.active, self.name, self.load, self.becomes = active, name, load, list(becomes)
        self.refuses, self.slow, self.result = refuses, slow, result
        self.orders = []

    def __call__(self, command, timeout):
        assert command[0] == "systemctl"
        order, name = command[1], command[-1]
        if order != "show":
            self.orders.append(order)
        if self.refuses == order:
            return 1, "", f"Job for {name} failed.\nSee journalctl."
        if self.slow == order:
            raise NotInTime(f"systemctl {order} {name}: not done within {timeout:.0f} s")
        if order == "show":
            names = command[command.index("--") + 1 :]
            told = 0, "\n\n".join(self._show(name) for name in names) + "\n", ""
            self.active = self.becomes.pop(0) if self.becomes else self.active
            return told
        self.active = {"start": "active", "stop": "inactive", "kill": "failed"}.get(order, self.active)
        return 0, "", ""

    def _show(self, name):
        load, active, result = (self.load, self.active, self.result) if name == self.name else (
            "not-found", "inactive", "success")  # fmt: skip
        pid = os.getpid() if active in ("active", "reloading", "deactivating") else 0
        sub = "running" if active == "active" else "dead"
        return f"MainPID={pid}\nResult={result}\nLoadState={load}\nActiveState={active}\nSubState={sub}"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time passes only by sleeping; ``left`` counts down from what is set."""

    class Clock:
        now, end = 0.0, 60.0

        def sleep(self, seconds):
            self.now += seconds

        def left(self):
            return max(0.0, self.end - self.now)

    clock = Clock()
    monkeypatch.setattr(novacompute.time, "sleep", clock.sleep)
    return clock


@pytest.fixture
def record(tmp_path):
    return Record("r", tmp_path)


def failure(function, *arguments):
    with pytest.raises(Failure) as failed:
        function(*arguments)
    return failed.value.code, failed.value.reason


class Flags:
    """A cluster whose flag of compute-1 is each of these in turn; an exception is raised, the last one stays."""

    def __init__(self, *values):
        self.values = list(values)

    def flag(self, host):
        assert host == "compute-1"
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        return Cluster(runner=Pacemaker({host: value}, deaf="cibadmin" if value == "?" else None)).flag(host)


def await_recovery(clock, delay, *flags):
    novacompute.await_recovery(Flags(*flags), "compute-1", delay, clock.left)


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
def test_start_waits_until_the_host_is_recovered(clock, flags, delay, waited):
    await_recovery(clock, delay, *flags)
    assert clock.now == waited


@pytest.mark.parametrize("value", ["yes", "control-1@1700000000", "something else"])
def test_start_gives_up_before_its_timeout(clock, value):
    code, reason = failure(await_recovery, clock, 0, value)
    assert code == ocf.OCF_ERR_GENERIC
    assert reason == f"compute-1 is being recovered (flag {value}): nova-compute is not started"
    assert 50 < clock.now < 60


def test_what_is_not_known_is_not_started(clock):
    code, reason = failure(await_recovery, clock, 0, "?")
    assert code == ocf.OCF_ERR_GENERIC
    assert reason.startswith("whether compute-1 is being recovered is not known (")
    assert reason.endswith("): nova-compute is not started")


def test_a_delay_that_does_not_fit(clock):
    assert failure(await_recovery, clock, 60, "no") == (
        ocf.OCF_ERR_GENERIC, "evacuation_delay: 60 s do not fit into the timeout of start"
    )  # fmt: skip


@pytest.mark.parametrize("name", novacompute.UNITS)
def test_the_unit_is_found_by_itself(name):
    assert novacompute.find(Systemd(Host(name=name)), None).name == name


def test_a_unit_that_is_configured_is_the_only_one():
    assert novacompute.find(Systemd(Host()), "other.service") is None
    assert novacompute.find(Systemd(Host(name="other.service")), "other.service").name == "other.service"


@pytest.mark.parametrize("active", ["inactive", "failed", "active"])
def test_start(active, record, clock):
    host = Host(active)
    systemd = Systemd(host)
    novacompute.start(systemd, systemd.unit(UNIT), record, clock.left)
    # systemd's own count of failed starts must not refuse what Pacemaker wants.
    assert host.orders == ([] if active == "active" else ["reset-failed", "start"])
    assert record.is_alive()


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (Host(refuses="start"), f"systemctl start {UNIT}: Job for {UNIT} failed. See journalctl."),
        (Host(slow="start"), f"systemctl start {UNIT}: not done within 60 s"),
    ],
)
def test_a_start_that_fails(host, said, record, clock):
    systemd = Systemd(host)
    code, reason = failure(novacompute.start, systemd, systemd.unit(UNIT), record, clock.left)
    assert (code, reason) == (ocf.OCF_ERR_GENERIC, f"nova-compute does not start: {said}")
    assert not record.is_alive()


def test_a_start_after_which_it_does_not_run(record, clock):
    host = Host(result="exit-code")
    systemd = Systemd(lambda command, timeout: (0, "", "") if command[1] == "start" else host(command, timeout))
    code, reason = failure(novacompute.start, systemd, systemd.unit(UNIT), record, clock.left)
    assert reason == "nova-compute does not start: nova-compute.service is inactive (dead), result exit-code"


@pytest.mark.parametrize(
    ("host", "orders"),
    [
        (Host("active"), ["stop"]),
        (Host("activating"), ["stop"]),
        (Host("inactive"), []),
        (Host("failed"), []),
        (Host("inactive", load="not-found"), []),
        (Host("active", load="not-found"), ["stop"]),  # its file was removed while it ran
        (Host("active", slow="stop"), ["stop", "kill"]),
    ],
)
def test_stop(host, orders, record, clock):
    record.remember(os.getpid())
    novacompute.stop(Systemd(host), None, record, clock.left)
    assert host.orders == orders
    assert not record.is_alive()


def test_a_stop_is_no_success_while_a_process_is_left(record, clock):
    host = Host("active")
    systemd = Systemd(lambda command, timeout: (0, "", "") if command[1] != "show" else host(command, timeout))
    code, reason = failure(novacompute.stop, systemd, None, record, clock.left)
    assert code == ocf.OCF_ERR_GENERIC
    assert reason.startswith("nova-compute does not stop, though killed: nova-compute.service is active")


def test_a_stop_that_systemd_does_not_answer_is_no_success(record, clock):
    code, reason = failure(novacompute.stop, Systemd(Host("active", refuses="show")), None, record, clock.left)
    assert code == ocf.OCF_ERR_GENERIC
    assert failure(novacompute.stop, Systemd(Host("active", refuses="stop")), None, record, clock.left)[0] == code


@pytest.mark.parametrize(
    ("host", "probe", "code"),
    [
        (Host("active"), False, None),
        (Host("active"), True, None),
        (Host("reloading"), False, None),
        (Host("inactive"), True, ocf.OCF_NOT_RUNNING),
        (Host("inactive"), False, ocf.OCF_NOT_RUNNING),
        (Host("failed"), True, ocf.OCF_NOT_RUNNING),
        (Host("failed", result="signal"), False, ocf.OCF_NOT_RUNNING),
        (Host(load="not-found"), True, ocf.OCF_NOT_RUNNING),
        (Host(load="not-found"), False, ocf.OCF_ERR_INSTALLED),
        (Host("active", load="not-found"), False, None),
        (Host("inactive", load="masked"), True, ocf.OCF_NOT_RUNNING),
        (Host("activating", becomes=["activating", "active"]), False, None),
        (Host("activating", becomes=["failed"]), False, ocf.OCF_NOT_RUNNING),
        (Host("deactivating", becomes=["inactive"]), True, ocf.OCF_NOT_RUNNING),
        (Host("activating"), False, ocf.OCF_ERR_GENERIC),
        (Host("active", refuses="show"), True, ocf.OCF_ERR_GENERIC),
    ],
)
def test_monitor_in_every_state(host, probe, code, record, clock):
    arguments = (Systemd(host), None, record, probe, clock.left)
    if code is None:
        novacompute.monitor(*arguments)
    else:
        assert failure(novacompute.monitor, *arguments)[0] == code
    assert record.is_alive() == (code is None)


def test_monitor_says_what_became_of_a_service_that_should_run(record, clock):
    systemd = Systemd(Host("failed", result="signal"))
    _code, reason = failure(novacompute.monitor, systemd, None, record, False, clock.left)
    assert reason == "nova-compute does not run: nova-compute.service is failed (dead), result signal"


@pytest.mark.parametrize("answer", ["", "garbage", "MainPID=x\nLoadState=loaded", "\n\n\n"])
def test_an_answer_that_is_not_understood(answer):
    with pytest.raises(SystemdError):
        Systemd(lambda command, timeout: (0, answer, "")).unit(UNIT)


@pytest.mark.parametrize(
    ("active", "pid", "over"),
    [("failed", 0, True), ("failed", 12, False), ("inactive", 1, False), ("active", 0, False)],
)
def test_a_unit_with_a_process_is_not_over(active, pid, over):
    assert Unit(UNIT, "loaded", active, "dead", pid, "success").is_over == over


def test_a_host_without_pacemakers_programs_does_not_wait_for_them():
    def runner(command, timeout):
        raise NotInstalled(f"{command[0]} is not installed")

    with pytest.raises(NotInstalled):
        novacompute.await_recovery(Cluster(runner=runner), "compute-1", 0, lambda: 100)
