# SPDX-License-Identifier: Apache-2.0
"""nova-compute is asked by its own Python: here a real one, with a message bus that is made up."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nova_ha.compute import rpc_ping
from nova_ha.compute.rpc_ping import Answer, Question
from nova_ha.compute.service import Service, State
from tests.unit.waiting import until

PYTHON = os.path.realpath(sys.executable)

# The bus: what each topic's service does when it is asked is in the file that --config-file names.
OSLO_CONFIG = """
class StrOpt:
    def __init__(self, name, default):
        self.name, self.default = name, default


class Conf:
    def register_opts(self, options):
        self.__dict__.update({option.name: option.default for option in options})

    def __call__(self, arguments, project, prog):
        assert (project, prog) == ("nova", "nova-compute")
        assert arguments[0] == "--config-file"
        self.how = open(arguments[1]).read().split()
        self.host = "compute-1"


class cfg:
    StrOpt, CONF = StrOpt, Conf()
"""
OSLO_MESSAGING = """
import os
import time
from oslo_config import cfg


class MessagingTimeout(Exception):
    pass


class Target:
    def __init__(self, topic, server, namespace, version):
        assert (namespace, version) == ("baseapi", "1.0")
        assert server == ("compute-1" if topic == "compute" else None)
        self.topic = topic


def set_transport_defaults(exchange):
    assert exchange == "nova"


def get_rpc_transport(conf):
    assert "OCF_RESKEY_password" not in os.environ
    if "unreachable" in conf.how:
        time.sleep(60)
    if "wrong" in conf.how:
        raise RuntimeError("rabbit://openstack:sEcret@192.0.2.1")


class {client}:
    def __init__(self, transport, target, timeout):
        self.topic, self.timeout = target.topic, timeout

    def call(self, context, method, arg):
        assert (context, method) == ({{}}, "ping")
        if "broken" in cfg.CONF.how:
            raise RuntimeError("connection reset")
        if self.topic not in cfg.CONF.how:
            time.sleep(min(self.timeout, 0.2))
            raise MessagingTimeout()


{alias}
"""
CLIENTS = {"client": "RPCClient", "alias": ""}, {"client": "Hidden", "alias": "get_rpc_client = Hidden"}


class Place(Service):
    """A service in which a program finds the bus."""

    def __init__(self, modules):
        self._modules = modules

    def inside(self, state, words):
        return ["/usr/bin/env", f"PYTHONPATH={self._modules}", *words], {}


@pytest.fixture
def bus(tmp_path, monkeypatch):
    """Puts the bus there; returns a Place where it is found. The agent has a secret that is not to be handed on."""
    monkeypatch.setenv("OCF_RESKEY_password", "sEcret")

    def bus(client=CLIENTS[0]):
        modules = tmp_path / "modules"
        modules.mkdir(exist_ok=True)
        (modules / "oslo_config.py").write_text(OSLO_CONFIG)
        (modules / "oslo_messaging.py").write_text(OSLO_MESSAGING.format(**client))
        return Place(modules)

    return bus


@pytest.fixture
def compute(tmp_path):
    """Starts a nova-compute; returns its State."""
    started = []

    def compute(how="", command=None):
        binary, conf = tmp_path / "nova-compute", tmp_path / "nova.conf"
        binary.write_text("import time; print('up', flush=True); time.sleep(60)")
        conf.write_text(how)
        command = command or [PYTHON, binary, "--config-file", conf, "--log-file", "x"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        assert process.stdout.readline() == "up\n"
        return State("nova-compute", True, True, process.pid, "")

    yield compute
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ask(place, state, seconds=1):
    with Question(place, state, seconds) as question:
        return until(question.answer, 20)


@pytest.mark.parametrize("client", CLIENTS, ids=["former", "present"])
@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("compute conductor", rpc_ping.ANSWERS),
        ("compute", rpc_ping.ANSWERS),
        ("conductor", rpc_ping.SILENT),
        ("", rpc_ping.UNKNOWN),
        ("broken", rpc_ping.UNKNOWN),
    ],
)
def test_answers(bus, compute, client, how, word):
    assert ask(bus(client), compute(how)) == Answer(word)


def test_a_bus_that_cannot_be_reached_is_no_answer(bus, compute):
    state = compute("unreachable")
    with Question(bus(), state, 1) as question:
        time.sleep(0.3)
        assert question.answer() is None


def test_the_program_ends_though_nobody_waits_for_it(bus, compute):
    # Its clock is the machine's alarm, a few seconds after what it was given.
    assert ask(bus(), compute("unreachable")) == Answer(
        rpc_ping.IMPOSSIBLE, "the program that asks ended with code -14"
    )


def test_a_secret_in_an_error_is_not_told(bus, compute):
    assert ask(bus(), compute("wrong")) == Answer(rpc_ping.IMPOSSIBLE, "RuntimeError")


def test_a_python_without_the_bus_s_library(compute, tmp_path):
    (tmp_path / "oslo_config.py").write_text("raise ImportError('No module named oslo_config')")
    place = Place(tmp_path)
    (tmp_path / "oslo_messaging.py").write_text("raise ImportError('No module named oslo_messaging')")
    assert ask(place, compute()) == Answer(rpc_ping.IMPOSSIBLE, "No module named oslo_messaging")


def test_a_process_that_is_not_nova_compute(bus, monkeypatch):
    monkeypatch.setattr(rpc_ping, "_BECOMES", 0.1)
    state = State("x.service", True, True, os.getpid(), "")
    assert ask(bus(), state) == Answer(
        rpc_ping.IMPOSSIBLE, "no process of x.service has the command line of nova-compute"
    )  # fmt: skip


def test_a_process_that_ended_meanwhile(bus, compute):
    class Gone(Service):
        def inside(self, state, words):
            raise ProcessLookupError(3, "No such process")

    assert ask(Gone(), compute()).word == rpc_ping.IMPOSSIBLE


def test_only_what_says_where_the_configuration_is_is_handed_on(compute, tmp_path):
    binary = tmp_path / "nova-compute"
    options = ["--verbose", "--config-file", "/a", "--log-file=x", "--config-dir=/b", "--config-file=/c"]
    state = compute(command=[PYTHON, "-s", binary, *options])
    expected = [PYTHON, "--config-file", "/a", "--config-dir=/b", "--config-file=/c"]
    assert rpc_ping.command(state.main_pid) == expected


def test_what_is_yet_to_become_nova_compute_is_awaited(bus, compute, tmp_path):
    compute("compute")
    script = f"echo up; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; "
    script += f"exec {PYTHON} {tmp_path}/nova-compute --config-file {tmp_path}/nova.conf"
    state = compute("compute", ["/bin/sh", "-c", script])
    with Question(bus(), state, 5) as question:
        assert question.answer() is None
        (tmp_path / "go").touch()
        assert until(question.answer) == Answer(rpc_ping.ANSWERS)


def test_nova_compute_is_found_below_a_wrapper(compute, tmp_path):
    binary = tmp_path / "nova-compute"
    state = compute(command=["/bin/sh", "-c", f"{PYTHON} {binary} --config-file /a; true"])
    assert rpc_ping.command(state.main_pid) == [PYTHON, "--config-file", "/a"]


def test_what_has_no_main_process_that_is_known_is_not_looked_for_in_all_processes():
    # All processes come from process 0.
    state = State("x.service", True, True, 0, "x.service is active (exited)")
    with Question(Place(None), state, 10) as question:
        assert question.answer() == Answer(rpc_ping.IMPOSSIBLE, "x.service has no main process")
