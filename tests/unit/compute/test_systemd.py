# SPDX-License-Identifier: Apache-2.0
"""nova-compute as a systemd unit, on a scripted systemd."""

import os

import pytest

from nova_ha.compute.service import NotInTime, ServiceError
from nova_ha.compute.systemd import UNITS, Unit

UNIT = UNITS[0]


class Host:
    """A runner with a systemd behind it that has one unit.

    :param active: its ActiveState
    :param refuses: a word of the command that fails
    :param slow: a word of the command that does not end in time
    """

    def __init__(
        self, active="inactive", name=UNIT, load="loaded", refuses=None, slow=None, result="success", pid=None
    ):
        self.active, self.name, self.load, self.pid = active, name, load, pid
        self.refuses, self.slow, self.result = refuses, slow, result
        self.file = "disabled"
        self.orders = []

    def __call__(self, command, timeout):
        assert command[0] == "systemctl"
        order, names = command[1], command[command.index("--") + 1 :]
        if order != "show":
            self.orders.append(order)
        if self.refuses == order:
            return 1, "", f"Job for {names[0]} failed.\nSee journalctl."
        if self.slow == order:
            raise NotInTime(f"systemctl {order} {names[0]}: not done within {timeout:.0f} s")
        self.active = {"start": "active", "stop": "inactive", "kill": "failed"}.get(order, self.active)
        return 0, "\n\n".join(map(self._show, names)) + "\n" if order == "show" else "", ""

    def _show(self, name):
        load, active, result = (self.load, self.active, self.result) if name == self.name else (
            "not-found", "inactive", "success")  # fmt: skip
        pid = os.getpid() if active in ("active", "reloading", "deactivating") else 0
        pid = pid if self.pid is None else self.pid
        sub = "running" if active == "active" else "dead"
        file = self.file if load != "not-found" else ""
        said = {"MainPID": pid, "Result": result, "LoadState": load, "ActiveState": active, "SubState": sub}
        return "\n".join(f"{key}={value}" for key, value in {**said, "UnitFileState": file}.items())


@pytest.mark.parametrize("name", UNITS)
def test_the_unit_is_found_by_itself(name):
    assert Unit(runner=Host(name=name)).find().name == name


def test_a_unit_that_is_configured_is_the_only_one():
    assert Unit("other.service", Host()).find() is None
    assert Unit("other.service", Host(name="other.service")).find().name == "other.service"


def test_the_unit_that_runs_is_taken_before_one_that_is_merely_there():
    first, second = Host(), Host("active", name=UNITS[1])

    def both(command, timeout):
        return 0, "\n\n".join((first if name == UNIT else second)._show(name) for name in command[-3:]), ""

    assert Unit(runner=both).find().name == UNITS[1]


# ActiveState, LoadState and, where it matters, the main process; what that comes to: runs, settled, is over.
STATES = [
    ("active", "loaded", None, (True, True, False)),
    ("reloading", "loaded", None, (True, True, False)),
    ("active", "not-found", None, (True, True, False)),  # its file was removed while it ran
    ("inactive", "loaded", None, (False, True, True)),
    ("inactive", "masked", None, (False, True, True)),
    ("failed", "loaded", None, (False, True, True)),
    ("failed", "loaded", 12, (False, True, False)),  # a process is left
    ("activating", "loaded", None, (False, False, False)),
    ("activating", "loaded", 12, (True, False, False)),  # its process is there, and has not said READY=1
    ("deactivating", "loaded", None, (False, False, False)),
]


@pytest.mark.parametrize(("active", "load", "pid", "meant"), STATES)
def test_a_state(active, load, pid, meant):
    state = Unit(runner=Host(active, load=load, pid=pid)).find()
    assert (state.runs, state.settled, state.is_over) == meant


def test_a_unit_that_is_not_there():
    assert Unit(runner=Host(load="not-found")).find() is None


def test_a_state_in_words():
    assert Unit(runner=Host("failed", result="signal")).find().words == f"{UNIT} is failed (dead), result signal"
    assert Unit(runner=Host("active")).find().words == f"{UNIT} is active (running)"


@pytest.mark.parametrize(("file", "by_itself"), [("enabled", True), ("enabled-runtime", True), ("disabled", False)])
def test_a_unit_that_starts_at_boot_by_itself(file, by_itself):
    host = Host()
    host.file = file
    assert Unit(runner=host).find().by_itself == by_itself


def test_orders():
    host = Host()
    unit = Unit(runner=host)
    state = unit.find()
    unit.start(state, 60)
    # systemd's own count of failed starts must not refuse what Pacemaker wants.
    assert host.orders == ["reset-failed", "start"]
    unit.stop(state, 60)
    unit.kill(state)
    assert host.orders[2:] == ["stop", "kill"]


@pytest.mark.parametrize(("timeout", "had"), [(600, 20), (7, 7)])
def test_a_unit_that_does_not_say_that_it_is_ready_is_not_waited_for(timeout, had):
    # Type=notify with TimeoutStartSec=0, as RDO's openstack-nova-compute has it.
    with pytest.raises(NotInTime, match=f"not done within {had} s"):
        Unit(runner=Host(slow="start")).start(Unit(runner=Host()).find(), timeout)


@pytest.mark.parametrize(
    ("host", "error", "said"),
    [
        (Host(refuses="start"), ServiceError, f"systemctl start {UNIT}: Job for {UNIT} failed. See journalctl."),
        (Host(slow="start"), NotInTime, f"systemctl start {UNIT}: not done within 20 s"),
    ],
)
def test_a_start_that_fails(host, error, said):
    unit = Unit(runner=host)
    with pytest.raises(error) as raised:
        unit.start(unit.find(), 60)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "answered what cannot be understood"),
        ("garbage", "answered what cannot be understood"),
        ("MainPID=x\nLoadState=loaded", "answered what cannot be understood"),
        ("a=b\n\nc=d", "asked for 1 units, told of 2"),
    ],
)
def test_an_answer_that_is_not_understood(answer, said):
    with pytest.raises(ServiceError, match=said):
        Unit(UNIT, lambda command, timeout: (0, answer, "")).find()


@pytest.mark.parametrize(("given", "had"), [({}, 10), ({"timeout": 60}, 10), ({"timeout": 3}, 3)])
def test_a_question_has_its_time_and_no_more_than_there_is(given, had):
    times = []

    def runner(command, timeout):
        times.append(timeout)
        return Host()(command, timeout)

    Unit(UNIT, runner).find(**given)
    assert times == [had]


def test_problems():
    assert list(Unit(UNIT, Host()).problems()) == []
    assert list(Unit("a", Host()).problems()) == ["unit: no such systemd unit: a"]
    assert list(Unit(UNIT, Host(refuses="show")).problems()) == [
        f"unit: systemctl show {UNIT}: Job for {UNIT} failed. See journalctl."
    ]


def test_a_program_inside_is_no_more_than_the_service():
    unit = Unit(UNIT, Host("active"))
    command, how = unit.inside(unit.find(), ["id"])
    assert command == ["id"]
    assert how == {"user": os.geteuid(), "group": os.getegid(), "extra_groups": os.getgroups()}
