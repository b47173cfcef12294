# SPDX-License-Identifier: Apache-2.0
"""nova-compute in a container, on a scripted engine that answers as podman and docker do."""

import os

import pytest

from nova_ha.compute import container
from nova_ha.compute.container import Container
from nova_ha.compute.service import NotInTime, ServiceError

NAME = "nova_compute"
NOT_THERE = (
    (125, "[]\n", f"Error: inspecting object: no such container {NAME}\n"),  # podman
    (1, "[]\n", f"Error: No such container: {NAME}\n"),  # docker
)


class Engine:
    """A runner with an engine behind it that has one container.

    :param says: what it answers to inspect: (exit code, standard output, standard error), or the output
    :param fails: a word of the command that fails
    """

    def __init__(self, says="exited 0 0 no\n", fails=None):
        self.says = says if isinstance(says, tuple) else (0, says, "")
        self.fails = fails
        self.orders = []

    def __call__(self, command, timeout):
        assert command[0] in container.ENGINES
        assert command[-2:] == ["--", NAME], "a name is never taken for an option"
        if command[1] == "inspect":
            return self.says
        self.orders.append(command[1:-2])
        return (125, "", "Error: it is in an improper state\n") if command[1] == self.fails else (0, f"{NAME}\n", "")


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """The engines that are installed."""
    engines = ["podman", "docker"]
    monkeypatch.setattr(container.shutil, "which", lambda name, path: name if name in engines else None)
    return engines


def test_the_engine_is_found_by_itself(installed):
    assert Container(NAME).inside(None, ["x"]) == (["podman", "exec", "--interactive", "--", NAME, "x"], {})
    installed.remove("podman")
    assert Container(NAME).inside(None, ["x"])[0][0] == "docker"
    assert Container(NAME, "podman").inside(None, ["x"])[0][0] == "podman"


# What inspect answers of a container whose process is ME, and what it comes to: runs, settled, is over.
# An id of a test may not depend on the process that collects it.
STATES = [
    ("running ME 0 no", (True, True, False)),
    ("running ME 0 ", (True, True, False)),
    ("exited 0 0 no", (False, True, True)),
    ("exited 0 137 no", (False, True, True)),
    ("created 0 0 no", (False, True, True)),
    ("configured 0 0", (False, True, True)),
    ("stopped 0 0", (False, True, True)),
    ("dead 0 0", (False, True, True)),
    ("paused ME 0 no", (False, True, False)),
    ("stopping ME 0 no", (False, False, False)),
    ("restarting 0 1 always", (False, False, False)),
    ("removing 0 1 no", (False, False, False)),
    ("running 999999999 0 no", (False, False, False)),  # it has died, and the engine does not know it yet
]


@pytest.mark.parametrize(("says", "meant"), STATES)
def test_a_state(says, meant):
    state = Container(NAME, runner=Engine(says.replace("ME", str(os.getpid())))).find()
    assert (state.runs, state.settled, state.is_over) == meant
    assert state.words.startswith(f"container {NAME} is {says.split()[0]}")


@pytest.mark.parametrize("says", NOT_THERE)
def test_a_container_that_is_not_there(says):
    place = Container(NAME, runner=Engine(says))
    assert place.find() is None
    assert list(place.problems()) == [f"container: no container {NAME}, or no podman"]


def test_an_engine_that_is_not_installed(installed):
    installed.clear()
    place = Container(NAME, "docker", Engine())
    assert place.find() is None
    assert list(place.problems()) == ["container_engine: docker is not installed"]


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ((1, "", "Cannot connect to the Docker daemon at unix:///x.sock."), "podman inspect nova_compute: Cannot"),
        ("x", "answered what cannot be understood"),
        ("", "answered what cannot be understood"),
    ],
)
def test_an_engine_that_gives_no_answer_has_not_said_that_it_is_not_there(says, said):
    place = Container(NAME, runner=Engine(says))
    with pytest.raises(ServiceError, match=said):
        place.find()
    assert len(list(place.problems())) == 1


@pytest.mark.parametrize(("given", "had"), [({}, 20), ({"timeout": 60}, 20), ({"timeout": 3}, 3)])
def test_a_question_has_its_time_and_no_more_than_there_is(given, had):
    times = []

    def runner(command, timeout):
        times.append(timeout)
        return Engine()(command, timeout)

    Container(NAME, runner=runner).find(**given)
    assert times == [had]


@pytest.mark.parametrize(
    ("policy", "by_itself"),
    [("", False), ("no", False), ("on-failure", False), ("always", True), ("unless-stopped", True)],
)
def test_a_container_that_starts_at_boot_by_itself(policy, by_itself):
    assert Container(NAME, runner=Engine(f"exited 0 0 {policy}")).find().by_itself == by_itself


def test_orders():
    engine = Engine()
    place = Container(NAME, runner=engine)
    state = place.find()
    place.start(state, 60)
    place.stop(state, 33)
    place.kill(state)
    assert engine.orders == [["start"], ["stop", "-t", "30"], ["kill", "--signal=KILL"], ["unpause"]]


@pytest.mark.parametrize("order", ["start", "stop", "kill"])
def test_an_order_that_fails(order):
    place = Container(NAME, runner=Engine(fails=order))
    with pytest.raises(ServiceError) as raised:
        getattr(place, order)(place.find(), *([60] if order != "kill" else []))
    assert str(raised.value) == f"podman {order} {NAME}: Error: it is in an improper state"


def test_one_that_cannot_be_unpaused_is_killed_all_the_same():
    Container(NAME, runner=Engine(fails="unpause")).kill(None)


def test_an_order_that_takes_too_long():
    def slow(command, timeout):
        raise NotInTime("podman stop: not done within 60 s")

    with pytest.raises(NotInTime):
        Container(NAME, runner=slow).stop(None, 60)
