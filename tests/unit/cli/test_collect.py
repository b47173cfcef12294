# SPDX-License-Identifier: Apache-2.0
"""``nova-ha collect``: everything that can be had, and no password, wherever one was planted."""

import errno
import html
import json
import os
import tarfile
import urllib.parse

import pytest

from nova_ha.cli import collect, main, plan
from nova_ha.cli.deployment import Surroundings
from nova_ha.cluster import cib_secrets
from nova_ha.collection import sources
from nova_ha.system import programs
from tests.unit.cli.scenes import RESOURCE, Pacemaker, event
from tests.unit.doubles import FakeCloud
from tests.unit.worlds import record, service

# Each is planted in places of its own.
CLOUD, BMC, SNMP, OF_FILE, OF_SECRET = PLANTED = (
    "cl0ud<&>'pass%word$",
    "bmc-hunter2 x",
    "community7",
    "in/the+file=1",
    "lrm-s3cret;",
)
SHORT = "pw"


def cib():
    pairs = {"passwd": BMC, "snmp_community": SNMP, "password": CLOUD, "ip": "10.0.0.7", "admin_pass": SHORT}
    nvpairs = "".join(
        f'<nvpair id="x-{name}" name="{name}" value="{html.escape(value)}"/>\n' for name, value in pairs.items()
    )
    return f"<cib><primitive><instance_attributes>{nvpairs}</instance_attributes></primitive></cib>"


class Answering(Pacemaker):
    """A cluster whose programs say what they know, passwords included."""

    def __call__(self, command, timeout):
        if self.away:
            return super().__call__(command, timeout)
        if command == ["cibadmin", "--query"]:
            return 0, cib(), ""
        if command[0] in ("stonith_admin", "corosync-quorumtool", "pacemakerd"):
            return 0, f"{command[0]} was run as fence_ipmilan --password {BMC!r}; {SNMP}\n", ""
        return super().__call__(command, timeout)


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A control node's files, its journal and its packages."""
    root = tmp_path / "node"
    files = {
        "etc/nova-ha/nova-ha.conf": f"[nova]\npassword = {OF_FILE}\nauth_url = https://u:{OF_FILE}@c/v3\n",
        "etc/os-release": "NAME=Debian\n",
        "var/lib/pacemaker/cib/cib.xml": cib(),
        "run/nova-ha/nova-evacuate/output": f"Traceback: refused '{CLOUD}'\n",
        "var/log/pacemaker/pacemaker.log": f"lrmd: password={CLOUD} {urllib.parse.quote(CLOUD)} {OF_SECRET}\n",
        f"{cib_secrets.ROOT.lstrip('/')}/nova-evacuate/password": f"{OF_SECRET}\n",
        f"{cib_secrets.ROOT.lstrip('/')}/nova-evacuate/password.sign": "d41d8cd9\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(command, _timeout, _environment):
        if command[0] == "journalctl":
            return 0, f"node nova-ha: {json.dumps({'said': CLOUD})} and {OF_FILE}\n", ""
        if command[0] == "dpkg-query":
            return 0, "pacemaker\t2.1.5\nbash\t5\n", ""
        raise FileNotFoundError

    monkeypatch.setattr(programs, "run", run)
    return root


@pytest.fixture
def collected(node, tmp_path, kept):
    """Collects; returns the files of the archive by their names, and the lines that are told."""

    def collect_all(pacemaker):
        here = Surroundings(None, pacemaker, str(tmp_path), str(tmp_path / "nova-ha.conf"))
        path = str(tmp_path / "all.tar.gz")
        runs = lambda words: main.main(words, pacemaker, str(tmp_path), str(tmp_path / "nova-ha.conf"))  # noqa: E731
        told = collect.collect(here, runs, 0.0, path, 2e9, str(node))
        assert os.stat(path).st_mode & 0o077 == 0
        with tarfile.open(path) as archive:
            names = [member.name for member in archive.getmembers()]
            assert all(name.startswith("all/") for name in names)
            files = {name[4:]: archive.extractfile(name).read().decode() for name in names}
        return files, told

    return collect_all


@pytest.fixture(autouse=True)
def root_user(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)


def test_everything_is_in_it_and_no_password(collected, kept, monkeypatch):
    monkeypatch.setattr(plan, "connect", lambda _conf: FakeCloud(service("compute-1")))
    kept.append(RESOURCE, "control-1", [event(reason=f"it says {CLOUD}")])
    files, told = collected(Answering({"compute-1": "yes"}))
    assert {
        *(
            "status.json",
            "check.json",
            "history.json",
            "recoveries.json",
            "nova.json",
            "cib.xml",
            "crm_mon.txt",
            "fencing.txt",
        ),
        *("quorum.txt", "pacemaker.txt", "journal-nova-ha.txt", "journal-cluster.txt", "packages.txt", "versions.txt"),
        *("files/etc/nova-ha/nova-ha.conf", "files/etc/os-release", "files/var/log/pacemaker/pacemaker.log"),
        *("files/run/nova-ha/nova-evacuate/output", "contents.txt"),
    } == set(files)
    for name, text in files.items():
        for secret in PLANTED:
            for form in (secret, html.escape(secret), urllib.parse.quote(secret), json.dumps(secret)[1:-1]):
                assert form not in text, name
        # As an attribute's value or an option's.
        assert f'"{SHORT}"' not in text, name
    assert 'value="10.0.0.7"' in files["cib.xml"]
    assert "compute-1" in files["status.json"]
    assert "evacuation_accepted" in files["history.json"]
    assert files["packages.txt"] == "pacemaker\t2.1.5\n"
    for name in ("status.json", "check.json", "history.json", "recoveries.json"):
        json.loads(files[name])
    masked = {name: text.count("***") for name, text in files.items() if name != "contents.txt"}
    assert masked["cib.xml"] >= 4
    assert masked["files/var/log/pacemaker/pacemaker.log"] >= 3
    assert "masked" in told[0]


def test_what_nova_has_is_in_it(collected, monkeypatch):
    cloud = FakeCloud(service("compute-1", reason="secret=abcd"))
    cloud.records = [record(7, source="compute-1", status="error")]
    monkeypatch.setattr(plan, "connect", lambda _conf: cloud)
    found = json.loads(collected(Answering({"compute-1": "yes"}))[0]["nova.json"])
    assert [each["host"] for each in found["services"]] == ["compute-1"]
    assert found["services"][0]["disabled_reason"] == "secret=***"
    assert [each["id"] for each in found["evacuations"]["compute-1"]] == [7]


def test_a_cluster_that_is_down_takes_nothing_else_with_it(collected, kept):
    kept.append(RESOURCE, "control-1", [event()])
    pacemaker = Answering()
    pacemaker.away = True
    files, told = collected(pacemaker)
    assert {"history.json", "files/etc/nova-ha/nova-ha.conf", "journal-cluster.txt"} <= set(files)
    assert "cib.xml" not in files
    # What its passwords are, its configuration on the disk tells.
    for secret in PLANTED:
        assert secret not in "".join(files.values())
    assert any(line.startswith("not to be had: cib.xml: ") for line in told)
    assert "cib.xml  not to be had: " in files["contents.txt"]


def test_a_command_that_breaks_takes_nothing_else_with_it(collected, monkeypatch):
    from nova_ha.cli import status

    def breaks(*_):
        raise KeyError("a bug")

    monkeypatch.setattr(status, "look", breaks)
    files, _told = collected(Answering())
    assert "status.json  not to be had: nova-ha status --json: KeyError" in files["contents.txt"]
    assert "cib.xml" in files


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EROFS, "Read-only")])
def test_a_disk_that_does_not_take_it_is_one_line_and_leaves_nothing(command, node, tmp_path, monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(sources, "FILES", ())
    monkeypatch.setattr(collect.archive.os, "replace", fails)
    code, out, err = command(Answering(), "collect", "--output", str(tmp_path / "x.tar.gz"))
    assert (code, out) == (1, "")
    assert err == f"nova-ha: {tmp_path}/x.tar.gz: {error.strerror}; nothing has been written\n"
    assert [name for name in os.listdir(tmp_path) if "nova-ha-" in name or name.endswith(".gz")] == []


def test_the_archive_has_node_and_time_in_its_name(command, node, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "FILES", ())
    code, out, err = command(Answering(), "collect", "--since", "2h")
    assert (code, err) == (0, "")
    (name,) = [name for name in os.listdir(tmp_path) if name.endswith(".tar.gz")]
    assert name.startswith("nova-ha-")
    assert out.startswith(f"{tmp_path}/{name} (")


def test_of_a_long_file_the_end_is_taken(node, monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "_MOST", 20)
    path = tmp_path / "long"
    path.write_text("a first line\na second line\nthe last line\n")
    assert sources._read(str(path)) == "the last line\n"
