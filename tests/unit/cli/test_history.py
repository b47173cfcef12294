# SPDX-License-Identifier: Apache-2.0
"""``nova-ha history``, and the keepers by which all control nodes come to have the same."""

import errno
import json
import os
import time

import pytest

from nova_ha.cli import history as past
from nova_ha.cli import keeper as keeping
from nova_ha.cli import records
from nova_ha.cli.keeper import Keeper
from nova_ha.cluster.errors import ClusterError
from nova_ha.reporting import history_log
from nova_ha.reporting.history_log import HistoryLog
from nova_ha.rundir.engine_state import RunState
from tests.unit.cli.scenes import ID, RESOURCE, Pacemaker, event

# What is looked at


def report_of_former_engine(tmp_path, *events):
    state = RunState(RESOURCE, str(tmp_path))
    state.create()
    state.report("working", "no host is flagged", hosts={}, events=list(events))


EVENTS = (
    event("host_claimed", number=None),
    event(request="req-1"),
    event("instance_waits", number=22, reason="no room"),
    event(host="compute-2", number=3),
)
# What each has beside, where it was not written down yet.
BESIDE = [{"recovery": f"{each['host']}@1000", "node": None} for each in EVENTS]


@pytest.mark.parametrize("where", ["disk", "report", "both"])
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], [0, 1, 2, 3]),
        (["compute-1"], [0, 1, 2]),
        (["compute-1@1000"], [0, 1, 2]),
        ([ID.format(22)], [2]),
        ([ID.format(3)[:8]], [1, 2, 3]),
        ([ID.format(3)[:7]], []),
        (["compute-3"], []),
        (["--since", "2026-01-01"], []),
        (["--since", "1970-01-01"], [0, 1, 2, 3]),
    ],
)
def test_the_history_of_a_host_an_instance_or_a_recovery(command, tmp_path, kept, keeper, where, asked, found):
    if where != "report":
        kept.append(RESOURCE, "control-1", EVENTS)
    if where != "disk":
        report_of_former_engine(tmp_path, *EVENTS)
    code, out, err = command(Pacemaker(active=[]), "history", *asked, "--json")
    assert (code, err) == (0, "")
    node = None if where == "report" else "control-1"
    expected = [{**EVENTS[number], **BESIDE[number], "node": node} for number in found]
    assert json.loads(out) == {"schema": 1, "resource": RESOURCE, "events": expected}


def test_for_people(command, tmp_path, monkeypatch, keeper):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    report_of_former_engine(tmp_path, *EVENTS[1:3])
    _code, out, err = command(Pacemaker(), "history")
    assert err == ""
    assert out.splitlines() == [
        "TIME                 HOST       EVENT",
        "1970-01-01 00:16:40  compute-1  evacuation_accepted",
        f"    instance {ID.format(1)}  request req-1",
        "1970-01-01 00:16:40  compute-1  instance_waits",
        f"    instance {ID.format(22)}",
        "    no room",
    ]


def test_it_has_the_code_and_the_way_out(command, tmp_path):
    held = event("host_needs_operator", number=None, code="held_by_guard", reason="too many", command="nova-ha go c1")
    report_of_former_engine(tmp_path, held)
    _code, out, _err = command(Pacemaker(active=[]), "history")
    assert out.splitlines()[-2:] == ["    held_by_guard: too many", "    command: nova-ha go c1"]


def test_nothing_is_kept(command):
    code, out, _err = command(Pacemaker(active=[]), "history", "compute-1")
    assert code == 0
    assert out.startswith("No event about compute-1 is kept on this node.")
    assert "journalctl -t 'NovaEvacuate(nova-evacuate)'" in out


def test_without_a_keeper_it_is_said_what_may_be_missing(command):
    _code, _out, err = command(Pacemaker(active=[]), "history")
    assert err.count("\n") == 1
    assert err.endswith("systemctl enable --now nova-ha-history\n")


def test_500_instances_do_not_push_out_their_beginning(command, kept, keeper):
    kept.append(RESOURCE, "control-1", [event("host_claimed", number=None, time=999.0)])
    for what in ("instance_prepared", "evacuation_accepted", "instance_evacuated", "restore_step_done"):
        kept.append(RESOURCE, "control-1", [event(what, number=number) for number in range(500)])
    events = json.loads(command(Pacemaker(active=[]), "history", "compute-1", "--json")[1])["events"]
    assert len(events) == 2001
    assert events[0]["event"] == "host_claimed"
    assert {each["recovery"] for each in events} == {"compute-1@999"}


def test_another_engine_s_are_not_shown_and_orders_are(command, kept):
    kept.append("another", "control-1", [event(time=1.0)])
    kept.append(RESOURCE, "control-2", [event(time=2.0)])
    kept.append(history_log.ORDERS, "control-3", [event("operator_ordered", number=None, time=3.0)])
    events = json.loads(command(Pacemaker(active=[]), "history", "--json")[1])["events"]
    assert [each["node"] for each in events] == ["control-2", "control-3"]


def test_it_is_told_while_the_cluster_is_down(command, kept):
    kept.append(RESOURCE, "control-1", EVENTS)
    pacemaker = Pacemaker()
    pacemaker.away = True
    code, out, err = command(pacemaker, "history", "--json")
    assert (code, err.count("\n"), len(json.loads(out)["events"])) == (0, 1, 4)
    assert "Connection to the CIB manager failed" in err


def test_a_disk_that_cannot_be_read_is_one_line(command, kept, monkeypatch):
    kept.append(RESOURCE, "control-1", EVENTS)

    def fails(_path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(history_log, "_content", fails)
    code, out, err = command(Pacemaker(), "history")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == f"nova-ha: {kept.directory}: Input/output error"


class Enough(Exception):
    """The test has seen enough."""


def test_what_comes_is_shown_once(command, kept, keeper, monkeypatch, capsys):
    kept.append(RESOURCE, "control-1", [event(time=time.time() - 1000, number=1), event(time=time.time(), number=2)])
    coming = [3, 4]

    def sleep(_seconds):
        if not coming:
            raise Enough
        kept.append(RESOURCE, "control-1", [event(time=time.time(), number=coming.pop(0))])

    follow = past.follow
    monkeypatch.setattr(records.past, "follow", lambda look, shown, show: follow(look, shown, show, sleep))
    with pytest.raises(Enough):
        command(Pacemaker(active=[]), "history", "--follow", "--since", "5m")
    lines = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("    instance")]
    assert lines == [ID.format(number) for number in (2, 3, 4)]


@pytest.mark.parametrize("text", ["", "x", "0h", "2h3m", "2026-13-01", "-2h", "2026-11-30 25:00"])
def test_a_time_that_is_none_is_wrong_usage(command, capsys, text):
    with pytest.raises(SystemExit) as ended:
        command(Pacemaker(), "history", f"--since={text}")
    assert (ended.value.code, capsys.readouterr().err.count("\n")) == (2, 1)


def test_what_never_ends_is_no_json(command):
    with pytest.raises(SystemExit) as ended:
        command(Pacemaker(), "history", "--follow", "--json")
    assert ended.value.code == 2


# What operators order


def test_an_order_is_in_the_history_with_who_gave_it(command, noted, kept, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "alice")
    assert command(Pacemaker({"compute-1": "yes"}), "go", "compute-1", "--yes", "--reason", "CHG-1")[0] == 0
    (told,) = kept.events()
    assert (told["event"], told["host"], told["node"]) == ("operator_ordered", "compute-1", "control-1")
    assert told["reason"] == "go by alice@control-1: CHG-1"


def test_an_order_is_given_though_the_disk_does_not_take_it(command, noted, kept, monkeypatch):
    def fails(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", fails)
    pacemaker = Pacemaker({"compute-1": "yes"})
    code, _out, err = command(pacemaker, "go", "compute-1", "--yes")
    assert (code, pacemaker.flags, len(noted)) == (0, {"compute-1": "go"}, 1)
    assert err == f"nova-ha: the order is given, and not in the history: {kept.directory}: No space left on device\n"


# Keepers


class Attributes:
    """What Pacemaker keeps in memory, for all nodes that are there."""

    def __init__(self):
        self.words = {}
        self.changes = 0
        self.away = False


class Board:
    """One node's door to it."""

    def __init__(self, attributes, node):
        self.attributes = attributes
        self.node = node

    def read(self):
        if self.attributes.away:
            raise ClusterError("Connection to cluster failed")
        return dict(self.attributes.words)

    def set(self, word):
        self.attributes.words[self.node] = word
        self.attributes.changes += 1


class Cluster:
    """Control nodes, each with a disk and a keeper."""

    def __init__(self, directory, *names):
        self.attributes = Attributes()
        self.disks = {name: HistoryLog(str(directory / name)) for name in names}
        self.keepers = {}
        for name in names:
            self.boot(name)

    def boot(self, name):
        self.keepers[name] = Keeper(
            self.disks[name], Board(self.attributes, name), name, lambda: [*self.disks, "control-9"]
        )

    def dies(self, name):
        del self.keepers[name], self.attributes.words[name]

    def tells(self, node, *numbers):
        self.disks[node].append(RESOURCE, node, [event(number=number, time=1000.0 + number) for number in numbers])

    def rounds(self, number=3):
        for _ in range(number):
            for keeper in self.keepers.values():
                keeper.exchange()

    def known(self, node):
        return [round(each["time"]) - 1000 for each in self.disks[node].events()]


@pytest.fixture
def three(tmp_path):
    return Cluster(tmp_path, "control-1", "control-2", "control-3")


def test_all_nodes_come_to_have_the_same(three):
    three.tells("control-1", 1, 2)
    three.tells("control-2", 3)
    three.rounds()
    for node in three.disks:
        assert three.known(node) == [1, 2, 3]
    assert three.disks["control-1"].events() == three.disks["control-3"].events()


def test_while_nothing_happens_nothing_is_told(three):
    three.tells("control-1", 1)
    three.rounds(5)
    before = three.attributes.changes
    three.rounds(5)
    assert three.attributes.changes == before


def test_what_all_have_is_not_told_any_more(three):
    three.tells("control-1", *range(300))
    three.rounds(5)
    assert max(map(len, three.attributes.words.values())) < 500


def test_a_node_that_was_away_comes_to_have_everything_though_the_one_that_told_it_is_gone(three):
    three.rounds()
    three.dies("control-3")
    three.tells("control-1", *range(5))
    three.rounds()
    three.dies("control-1")
    three.boot("control-3")
    three.rounds(5)
    assert three.known("control-3") == list(range(5))


def test_a_failover_leaves_one_recovery_on_all_nodes(three):
    claimed = [event("host_claimed", number=None, time=1000.0), event(time=1001.0)]
    three.disks["control-1"].append(RESOURCE, "control-1", claimed)
    three.rounds()
    three.dies("control-1")
    again = [event("host_claimed", number=None, time=1100.0), event("flag_cleared", number=None, time=1200.0)]
    three.disks["control-2"].append(RESOURCE, "control-2", again)
    three.rounds()
    for node in ("control-2", "control-3"):
        events = past.gather(three.disks[node], RESOURCE, None)
        assert [each["recovery"] for each in events] == ["compute-1@1000"] * 4


def test_more_than_fits_is_told_bit_by_bit(three, monkeypatch):
    monkeypatch.setattr(keeping, "LONGEST", 3000)
    three.tells("control-1", *range(400))
    three.rounds(40)
    assert three.known("control-2") == three.known("control-3") == list(range(400))


def test_what_a_compute_host_says_is_not_heeded(three, tmp_path):
    other = Cluster(tmp_path / "elsewhere", "compute-1", "control-1")
    other.tells("compute-1", 7)
    other.rounds(1)
    other.keepers["compute-1"].exchange()  # while the other has not told yet that it has it
    three.attributes.words["compute-1"] = other.attributes.words["compute-1"]
    three.rounds()
    assert three.known("control-1") == []
    # Of a node that is one, it is.
    three.attributes.words["control-9"] = other.attributes.words["compute-1"]
    three.rounds()
    assert three.known("control-1") == [7]


def test_an_attrd_that_was_restarted_is_told_anew(three):
    three.rounds()
    three.attributes.words.clear()
    three.rounds()
    assert set(three.attributes.words) == set(three.disks)


def test_a_full_disk_loses_nothing_and_is_no_reason_not_to_tell(three, monkeypatch):
    three.tells("control-1", 1)
    three.rounds(1)

    def fails(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fails)
        with pytest.raises(OSError, match="No space"):
            for _ in range(3):
                three.keepers["control-1"].exchange()
                three.keepers["control-2"].exchange()
    assert "control-2" in three.attributes.words
    three.rounds()
    assert three.known("control-2") == [1]


def test_a_keeper_goes_on_whatever_happens_and_tells_it_once(three, capsys):
    naps = []

    def sleep(_seconds):
        naps.append(three.attributes.away)
        three.attributes.away = len(naps) in (2, 3)
        if len(naps) == 6:
            raise Enough

    with pytest.raises(Enough):
        keeping.keep(three.keepers["control-1"], three.disks["control-1"], sleep)
    assert capsys.readouterr().err.splitlines() == [
        "nova-ha: the history is not exchanged with other nodes: Connection to cluster failed",
        "nova-ha: the history is exchanged again",
    ]


def test_a_node_has_one_keeper(command, kept, keeper):
    assert keeping.runs(kept)
    code, out, err = command(Pacemaker(), "keeper")
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_a_directory_that_cannot_be_made_is_one_line(command, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(history_log, "ROOT", str(tmp_path / "file" / "history"))
    code, _out, err = command(Pacemaker(), "keeper")
    assert (code, err) == (1, f"nova-ha: {tmp_path}/file/history: Not a directory\n")


def test_a_keeper_asks_the_cluster_who_is_who(command, kept, monkeypatch):
    class Asked(Pacemaker):
        def _attrd_updater(self, _name, name, *more):
            assert name == keeping.ATTRIBUTE
            return ""

    def keep(keeper, history):
        keeper.exchange()
        assert keeper._node == "control-1"
        assert history.directory == kept.directory

    monkeypatch.setattr(keeping, "keep", keep)
    assert command(Asked(), "keeper") == (0, "", "")
