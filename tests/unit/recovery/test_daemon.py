# SPDX-License-Identifier: Apache-2.0
"""The engine's process, started and stopped as NovaEvacuate does it, against sockets and programs that are real."""

import logging
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from nova_ha.agents import nova_evacuate, supervision
from nova_ha.agents.framework import ocf
from nova_ha.config import loader as config
from nova_ha.recovery import daemon, rest
from nova_ha.reporting.history_log import HistoryLog
from tests.unit.agent_programs import TREE, failure
from tests.unit.engines import Engine, alive_in, everything_about, files_of, nova_pages, report, signals
from tests.unit.http_cloud import PARAMETERS, TOKENS, running
from tests.unit.waiting import limit, until

VERSION = ("GET", "/v2.1/")
PASSWORD = "sesame$HOME %(x)s='\"`;&\\ \u00e4\u2603 <&>"  # with what a shell, XML and oslo.config make something of


@pytest.fixture
def cloud():
    with running() as server:
        server.pages.update(nova_pages(instances=20))
        yield server


def given(cloud, **more):
    return {"auth_url": f"{cloud.url}/v3", **PARAMETERS, **more}


# Start


def test_start_returns_when_the_engine_has_looked_at_the_flags_and_at_the_cloud(engine, cloud):
    engine.start(given(cloud))
    assert report(engine) == ("working", "no host is flagged")
    supervision.monitor(engine.state)


@pytest.mark.parametrize("away", [503, 502, "drop", "hang"])
@pytest.mark.parametrize("where", [TOKENS, VERSION], ids=["Keystone", "Nova"])
def test_a_cloud_that_is_away_does_not_fail_the_resource(engine, cloud, monkeypatch, where, away):
    monkeypatch.setattr(supervision, "_PATIENCE", 0.5)
    cloud.answers[where] = away
    engine.start(given(cloud))
    supervision.monitor(engine.state)
    assert report(engine)[0] in ("waiting", "asking")
    if away != "hang":
        del cloud.answers[where]
        until(lambda: report(engine)[0] == "working")


def test_a_cloud_of_which_nothing_is_there_does_not_fail_the_resource(engine):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        engine.start({**PARAMETERS, "auth_url": f"http://127.0.0.1:{nobody.getsockname()[1]}/v3"})
    assert report(engine)[0] == "waiting"
    assert "Connection refused" in report(engine)[1]
    supervision.monitor(engine.state)


@pytest.mark.parametrize("query", ["primitive", "nodes"])
def test_start_waits_for_the_flags(engine, cloud, query):
    failing = f'case "$*" in *{query}*) echo "Connection failed" >&2; exit 102 ;; *) exit 105 ;; esac'
    engine.script("cibadmin", failing)
    code, reason = failure(engine.start, given(cloud), 5)
    assert code == ocf.OCF_ERR_GENERIC
    assert reason.startswith("the engine was not ready before the start timeout: ")
    assert reason.endswith("Connection failed")


def test_what_is_not_installed_is_said(engine, cloud):
    (engine.directory / "crm_node").unlink()
    assert failure(engine.start, given(cloud)) == (ocf.OCF_ERR_INSTALLED, "crm_node is not installed")


def test_a_fencing_wakes_an_engine_that_does_not_see_the_configuration_change(engine, cloud):
    engine.start(given(cloud))
    until(lambda: report(engine) == ("working", "no host is flagged"))
    # The flag is set, and the file of the configuration looks as before.
    flag, changed = engine.directory / "flag", (engine.directory / "flag").stat()
    engine.write("new", "yes\n")
    os.utime(engine.directory / "new", ns=(changed.st_atime_ns, changed.st_mtime_ns))
    (engine.directory / "new").replace(flag)
    (engine.directory / "fencing").touch()
    until(lambda: "compute-1" in engine.state.read_report()["hosts"], rest.IDLE / 2)


# Mistakes


def wrong_password(cloud):
    return {"password": "mistyped"}


def without_admin(cloud):
    cloud.answers["GET", "/v2.1/os-services"] = 403
    return {}


def without_nova(cloud):
    del cloud.catalog["compute"]
    return {}


def nova_elsewhere(cloud):
    cloud.catalog["compute"] = f"{cloud.url}/elsewhere"
    return {}


def too_old_a_nova(cloud):
    cloud.pages["/v2.1/"] = {"version": {"id": "v2.1", "version": "2.53"}}
    return {}


MISTAKES = {
    # Keystone does not tell which of them it is.
    "password, user or project": (wrong_password, "credentials are refused: .* of user u .domain d. in project t"),
    "region": (lambda cloud: {"region_name": "Atlantis"}, "no internal .* in region Atlantis .* internal in R"),
    "endpoint": (lambda cloud: {"endpoint_type": "adminURL"}, "no admin endpoint .* but internal in R"),
    "no Nova in the catalog": (without_nova, "no internal endpoint of the compute service .* but none at all"),
    "Nova elsewhere": (nova_elsewhere, "Nova is not where Keystone says"),
    "role": (without_admin, "role that administers Nova"),
    "auth_url's path": (lambda cloud: {"auth_url": f"{cloud.url}/elsewhere"}, "/elsewhere: .* auth_url is correct"),
    "auth_url's scheme": (lambda cloud: {"auth_url": f"{cloud.url}/v3".replace("http", "https")}, "SSL.* insecure"),
    "Nova's version": (too_old_a_nova, "2.53; 2.59 is needed"),
}


@pytest.mark.parametrize(("make", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_an_exit_reason_of_start(engine, cloud, make, said):
    code, reason = failure(engine.start, given(cloud, **make(cloud)))
    assert code == ocf.OCF_ERR_CONFIGURED
    assert re.search(said, reason), reason
    assert "mistyped" not in reason
    assert "sesame" not in reason
    assert engine.pid is None


def test_a_mistake_that_shows_after_start_is_why_the_engine_ended(engine, cloud):
    cloud.answers[TOKENS] = 503
    engine.start(given(cloud, region_name="Atlantis"))
    del cloud.answers[TOKENS]
    until(lambda: engine.pid is None)
    code, reason = failure(supervision.monitor, engine.state)
    assert code == ocf.OCF_NOT_RUNNING
    assert reason.startswith("the engine does not run: Keystone's catalog has no internal endpoint")


def test_a_cloud_that_refuses_a_running_engine_does_not_end_it_and_is_told(engine, cloud):
    engine.write("flag", "yes\n")
    cloud.pages.update(nova_pages(instances=0))
    engine.start(given(cloud))
    pid = engine.pid
    cloud.password = "changed"
    cloud.revoke()
    until(lambda: not engine.state.is_well())
    code, reason = failure(supervision.monitor, engine.state)
    assert code == supervision.DEGRADED
    assert reason.startswith("cloud_refuses: recoveries wait: the credentials are refused")
    cloud.password = "sesame"
    until(engine.state.is_well)
    supervision.monitor(engine.state)
    assert engine.pid == pid


# What it writes down


def test_what_the_engine_does_is_on_the_disk_and_stays_there_when_it_is_killed(engine, cloud):
    engine.write("flag", "yes\n")
    cloud.pages.update(nova_pages(instances=0))
    engine.start(given(cloud))
    history = HistoryLog(str(engine.directory / "history"))
    until(lambda: "host_claimed" in {each["event"] for each in history.events()})
    (log,) = history.have()
    assert log.startswith(f"{engine.state.name}@control-1.")
    os.kill(engine.pid, signal.SIGKILL)
    until(lambda: engine.pid is None)
    # What it had no time to write, the next one does.
    told = [each["event"] for each in engine.state.read_report()["events"]]
    engine.start(given(cloud))
    until(lambda: [each["event"] for each in history.events()][: len(told)] == told)


def test_a_disk_that_takes_nothing_does_not_hold_the_engine_up(engine, cloud):
    (engine.directory / "history").write_text("a file in the place of the directory")
    engine.write("flag", "yes\n")
    cloud.pages.update(nova_pages(instances=0))
    engine.start(given(cloud))
    until(lambda: "host_recovered" in {each["event"] for each in engine.state.read_report()["events"]})
    engine.stop()
    assert engine.pid is None


# One engine only


RESOURCE = """<primitive class="ocf" provider="openstack" type="NovaEvacuate" id="{id}"><instance_attributes>
{pairs}</instance_attributes></primitive>"""
PAIR = '<nvpair name="{}" value="{}"/>'
STATUS = """<x><resources><resource id="{id}" active="true" resource_agent="ocf:openstack:NovaEvacuate">
<node name="{node}"/></resource></resources></x>"""


def cluster_has(engine, id, node, **parameters):
    pairs = "".join(PAIR.format(*pair) for pair in parameters.items())
    engine.write("resources.xml", RESOURCE.format(id=id, pairs=pairs))
    engine.write("status.xml", STATUS.format(id=id, node=node))


@pytest.mark.parametrize(
    ("ours", "theirs", "starts"),
    [
        ({"attribute": "flag-1"}, {"attribute": "flag-1"}, False),
        ({"attribute": "flag-1"}, {"attribute": "flag-2"}, True),
        ({"attribute": "flag-1"}, {}, True),
        ({"attribute": "evacuate"}, {}, False),
        ({}, {"attribute": "evacuate"}, False),
        ({"attribute": "flag-1"}, {"config": "{file}"}, False),
        ({"config": "{file}"}, {"attribute": "flag-1"}, False),
        ({}, {"config": "{file}"}, True),
        ({"config": "{file}"}, {}, True),
    ],
)
def test_another_resource_s_engine_that_does_the_same_is_refused(engine, cloud, tmp_path, ours, theirs, starts):
    file = tmp_path / "other.conf"
    file.write_text("[recovery]\nattribute = flag-1\n")
    ours, theirs = ({name: value.format(file=file) for name, value in each.items()} for each in (ours, theirs))
    cluster_has(engine, "nova-evacuate-2", "control-1", **theirs)
    if starts:
        engine.start(given(cloud, **ours))
    else:
        reason = "resource nova-evacuate-2 does the same on control-1: one engine is to do it"
        assert failure(engine.start, given(cloud, **ours)) == (ocf.OCF_ERR_CONFIGURED, reason)


def test_another_resource_s_engine_that_may_do_the_same_is_refused(engine, cloud):
    cluster_has(engine, "nova-evacuate-2", "control-2", config="/nowhere/nova-ha.conf")
    code, reason = failure(engine.start, given(cloud))
    assert code == ocf.OCF_ERR_CONFIGURED
    assert "nova-evacuate-2 may do the same on control-2: its configuration file /nowhere/nova-ha.conf" in reason


@pytest.mark.parametrize("is_known", [True, False])
def test_an_engine_does_not_begin_before_that_on_the_other_node_has_ended(engine, cloud, is_known):
    # One that is not known was taken out of the configuration, and is being stopped.
    name = engine.state.name if is_known else "former"
    cluster_has(engine, name, "control-2", attribute="flag-1")
    if not is_known:
        (engine.directory / "resources.xml").unlink()
    code, reason = failure(engine.start, given(cloud, attribute="flag-1"), 6)
    assert code == ocf.OCF_ERR_GENERIC
    assert f"the cluster has {name} active on control-2" in reason
    cluster_has(engine, engine.state.name, "control-1", attribute="flag-1")
    engine.start(given(cloud, attribute="flag-1"))


# Stop, whatever it waits for


def asks(engine, cloud, where):
    cloud.answers[where] = "hang"
    engine.start(given(cloud))
    return lambda: cloud.waiting


def hanging_keystone(engine, cloud):
    return asks(engine, cloud, TOKENS)


def hanging_nova(engine, cloud):
    return asks(engine, cloud, VERSION)


def hanging_cluster(engine, cloud):
    engine.start(given(cloud))
    engine.script("cibadmin", "exec /bin/sleep 1000")
    os.utime(engine.directory / "flag")
    return lambda: any("sleep" in line for line in engine.children())


def many_requests(engine, cloud):
    for number in range(20):
        cloud.answers["POST", f"/v2.1/servers/i{number}/action"] = "hang"
    engine.write("flag", "yes\n")
    engine.start(given(cloud))
    return lambda: cloud.waiting >= 8


def frozen(engine, cloud):
    engine.start(given(cloud))
    os.kill(engine.pid, signal.SIGSTOP)
    return lambda: open(f"/proc/{engine.pid}/stat").read().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("waits", [hanging_keystone, hanging_nova, hanging_cluster, many_requests, frozen])
def test_stop_ends_the_engine_whatever_it_waits_for(engine, cloud, monkeypatch, waits):
    monkeypatch.setattr(supervision, "_PATIENCE", 0.5)
    until(waits(engine, cloud))
    _stops_in_time(engine, monkeypatch)


def test_an_engine_ends_without_waiting_for_requests_that_its_workers_have_open(engine, cloud, monkeypatch):
    until(many_requests(engine, cloud))
    # However busy the machine, this is less than the time limit of a request.
    monkeypatch.setattr(supervision, "_GRACE", config.REQUEST_TIMEOUT / 2)
    sent = signals(monkeypatch)
    engine.stop(config.REQUEST_TIMEOUT)
    assert sent == [signal.SIGTERM], "it needed no force"


def test_stop_while_no_name_server_answers(tmp_path, cloud, monkeypatch):
    monkeypatch.setattr(supervision, "_PATIENCE", 0.5)
    # A name server's port is 53, and other runs of this test have one, too: its address is this process's own.
    pid = os.getpid()
    nameserver = f"127.{64 + pid // 2**16 % 64}.{pid // 2**8 % 2**8}.{pid % 2**8}"
    (tmp_path / "resolv.conf").write_text(f"nameserver {nameserver}\n")
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    engine = Engine(tmp_path, ["unshare", "--mount", "sh", "-c", script, str(tmp_path / "resolv.conf")])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((nameserver, 53))
            engine.start({**PARAMETERS, "auth_url": "http://keystone.example.org:5000/v3"})
            assert silent.recv(512), "the engine asks for the name"
            _stops_in_time(engine, monkeypatch)
    finally:
        engine.remove()


def _stops_in_time(engine, monkeypatch):
    assert supervision._GRACE < 5, "the seconds that stop may take"
    monkeypatch.setattr(supervision, "_GRACE", 0.5)
    group = os.getpgid(engine.pid)
    begun = time.monotonic()
    engine.stop(60)
    # All the time that it has is taken by no stop; a second of it may be a busy machine's.
    assert time.monotonic() - begun < 30
    assert engine.pid is None
    until(lambda: not alive_in(group))


# Taking another configuration over


def reload(engine, **changes):
    nova_evacuate.reload(engine.state, changes, limit(3))
    assert engine.state.is_handed_over()


def test_reload_takes_over_what_needs_no_restart(engine, cloud, tmp_path):
    config = tmp_path / "nova-ha.conf"
    config.write_text("[guard]\nmax_hosts = 1\n")
    engine.start(given(cloud, config=str(config)))
    pid = engine.pid
    reload(engine, evacuate_delay="1000")
    engine.write("flag", "yes\n")
    until(lambda: "evacuate_delay" in str(engine.state.read_report().get("hosts")))
    assert engine.pid == pid
    assert cloud.posts() == [], "no evacuation was asked for"
    reload(engine)
    until(cloud.posts)
    supervision.monitor(engine.state)


@pytest.mark.parametrize(
    ("changes", "file", "said"),
    [
        ({"evacuate_delay": "soon"}, "", "evacuate_delay: invalid value 'soon': expected seconds as a whole number"),
        ({"verbose": "very"}, "", "verbose: invalid value 'very'"),
        ({}, "[recovery]\nno_room = panic\n", "no_room: .*restart_in_place"),
        ({}, "[nova\n", "line 1: neither"),
    ],
)
def test_what_will_not_do_leaves_the_former_configuration_in_force_and_is_said(
    engine, cloud, tmp_path, changes, file, said
):
    config = tmp_path / "nova-ha.conf"
    config.touch()
    engine.start(given(cloud, config=str(config)))
    config.write_text(file)
    reload(engine, **changes)
    code, reason = failure(supervision.monitor, engine.state)
    assert code == supervision.DEGRADED
    assert re.search(f"^configuration_refused: .*{said}", reason), reason
    assert not engine.state.is_well(), "else the monitor would not look"
    # Once it is right, all is well again.
    config.write_text("")
    reload(engine)
    supervision.monitor(engine.state)
    assert engine.state.is_well()


def test_reload_of_an_engine_that_does_not_run(engine):
    assert failure(nova_evacuate.reload, engine.state, {}, lambda: 1)[0] == ocf.OCF_NOT_RUNNING


def test_reload_does_not_wait_for_a_cloud_that_does_not_answer(engine, cloud, monkeypatch):
    monkeypatch.setattr(supervision, "_PATIENCE", 0.5)
    until(asks(engine, cloud, VERSION))
    nova_evacuate.reload(engine.state, {"verbose": "yes"}, limit(1))
    assert engine.pid
    assert not engine.state.is_handed_over(), "it is not asked for in vain: the engine comes to it"


# Secrets


@pytest.mark.parametrize("more", ["", "x" * 10000], ids=["odd", "long"])
def test_nothing_shows_the_password(engine, cloud, more):
    cloud.password = PASSWORD + more
    engine.start(given(cloud, password=cloud.password, verbose="true"))
    reload(engine)
    for secret in (b"sesame", cloud.tokens[0].encode()):
        assert secret not in everything_about(engine.pid)
        assert not any(secret.decode() in text for _, text in files_of(engine).values())
    assert {mode for mode, _ in files_of(engine).values()} == {0o600}


def test_no_program_that_the_engine_starts_knows_the_password(engine, cloud):
    engine.script("crm_node", '/usr/bin/env > environment; echo "$@" >> environment; echo control-1')
    engine.start(given(cloud, password="sesame"))
    seen = (engine.directory / "environment").read_text()
    assert "PATH=" in seen
    assert "sesame" not in seen


DUMPS = """
import ctypes, resource
from nova_ha.recovery import daemon
daemon._leave_no_core()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_the_engine_leaves_no_core_dump(engine, cloud):
    done = subprocess.run(["/usr/bin/python3", "-c", DUMPS], cwd=TREE, capture_output=True, text=True, check=True)
    assert done.stdout == "(0, 0) 0\n"
    engine.start(given(cloud))
    with open(f"/proc/{engine.pid}/limits") as limits:
        assert re.search(r"^Max core file size +0 +0 ", limits.read(), re.MULTILINE)


def test_the_engine_s_log_has_the_resource_s_name(monkeypatch):
    for name in ("raiseExceptions", "lastResort"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    monkeypatch.setattr(daemon.log, "handlers", [])
    monkeypatch.setattr(daemon.journal, "handler", lambda *names: names)
    daemon._log_to_journal("nova-evacuate", {})
    assert daemon.log.handlers == [("NovaEvacuate(nova-evacuate)", "nova-evacuate")]
