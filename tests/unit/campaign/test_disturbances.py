# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault breaks something, and what it leaves standing it takes away again. The lab is but notes."""

import types

import pytest

from nova_ha.recovery.decide import unfenced, unflagged
from tests.campaign import plan, run
from tests.campaign.disturbances import KINDS
from tests.lab import bmc, cluster, faults, nodes, power, settings
from tests.lab.cloud import identity, impair
from tests.lab.shell import LabError
from tests.unit.worlds import service

SETTINGS = settings.Settings()
# Nova's answers.
IMPAIRED = ("nova-errors", "nova-busy", "nova-slow", "replies-dropped")


@pytest.fixture
def done(tmp_path, monkeypatch):
    """What was done to the lab, as ``[(what, to what ...)]``."""
    notes = []

    def note(module, name, answer=None):
        def deed(*words, **how):
            notes.append((name, *words[:3], *how.values()))
            return answer

        monkeypatch.setattr(module, name, deed)

    for module, names in {
        nodes: ("pause", "unpause", "plug", "unplug", "execute"),
        power: ("power_off", "power_on"),
        bmc: ("stop", "start", "impair"),
        cluster: ("start", "stop", "pcs"),
        impair: ("set_rules", "clear"),
        identity: ("revoke_tokens",),
    }.items():
        for name in names:
            note(module, name)
    note(cluster, "leader", "control-2")
    monkeypatch.setattr(nodes, "state", lambda node: "paused")
    monkeypatch.setattr(nodes, "powered", lambda node: True)
    monkeypatch.setattr(settings, "FAULT_LOG", tmp_path / "log")
    monkeypatch.setattr(faults, "STANDING", tmp_path / "standing")
    return notes


def fake_field(notes, made):
    """What a disturbance needs of a field; everything that is awaited is there."""

    def note(name, answer=None):
        return lambda *words, **how: notes.append((name, *words, *how.values())) or answer

    return types.SimpleNamespace(
        settings=SETTINGS,
        plan=made,
        after=note("after"),
        until=lambda what, condition, limit: condition(),
        until_off=note("until off"),
        until_on=note("until on"),
        other=lambda host: run.neighbour(SETTINGS.compute_hosts, host),
        flags=lambda: dict.fromkeys(SETTINGS.compute_hosts, "yes"),
        migrations=lambda: [{"status": "pre-migrating", "dest": "compute-3"}],
        # Whoever asks again finds it on another one.
        engine_node=iter(SETTINGS.control_nodes).__next__,
        on_control=note("on control"),
        power_on=note("power on"),
        say=lambda text: None,
        guests=note("guests"),
        fill_hosts=lambda but, fillers: notes.append(("fill hosts", but)) or fillers.extend(["f1", "f2"]),
        restart_nova_compute_where_stuck=note("restart where stuck"),
        delete=note("delete"),
        disable=note("disable"),
        enable=note("enable"),
    )


def carried_out(notes, name):
    made = plan.make(1, (name,))
    [strike] = [strike for strike in made.strikes if strike.fault == name]
    disturbance = KINDS[name](strike)
    disturbance.began = 0.0
    field = fake_field(notes, made)
    disturbance.begin(field)
    begun = list(notes)
    disturbance.stand(field)
    disturbance.end(field)
    return begun, notes[len(begun) :]


@pytest.mark.parametrize("name", KINDS)
def test_it_breaks_something_and_leaves_nothing_standing(done, name):
    begun, _ended = carried_out(done, name)
    assert begun
    assert not list(faults.STANDING.glob("*"))


@pytest.mark.parametrize(
    ("name", "end"),
    [
        *((name, ("clear",)) for name in IMPAIRED),
        ("spawn-failures", ("guests", [])),
        ("no-capacity", ("delete", "f2")),
        ("operator-disables", ("enable",)),
        ("three-at-once", ("on control", "nova-ha go --all --yes")),
        ("all-controls-cut", ("power on", "control-3")),
    ],
)
def test_what_no_record_of_faults_has_is_taken_back_too(done, name, end):
    _begun, ended = carried_out(done, name)
    assert [note for note in ended if note[: len(end)] == end]


@pytest.mark.parametrize("name", ["engine-stopped", "clock-jumps", "operator-moves-engine", "operator-standby"])
def test_where_there_was_no_engine_nothing_is_undone(done, name):
    made = plan.make(1, (name,))
    field = fake_field(done, made)

    def nowhere():
        raise LabError("no engine runs")

    field.engine_node = nowhere
    disturbance = KINDS[name](made.strikes[-1])
    with pytest.raises(LabError):
        disturbance.begin(field)
    disturbance.end(field)
    assert not done


def test_of_what_fills_hosts_nothing_is_deleted_twice(done):
    field = fake_field(done, plan.make(1, ("no-capacity",)))
    asked = []

    def delete(filler):
        asked.append(filler)
        if asked.count("f2") == 1:
            raise LabError("no answer")

    field.delete = delete
    disturbance = KINDS["no-capacity"](field.plan.strikes[1])
    disturbance.begin(field)
    with pytest.raises(LabError):
        disturbance.end(field)
    disturbance.end(field)
    assert asked == ["f1", "f2", "f2"]


@pytest.mark.parametrize(
    ("name", "deed"),
    [
        *((name, "restart where stuck") for name, kind in KINDS.items() if kind.forgets),
        ("three-at-once", "on control"),
        ("kill", None),
    ],
)
def test_what_is_left_to_an_operator_he_does(done, name, deed):
    made = plan.make(1, (name,))
    [strike] = [strike for strike in made.strikes if strike.fault == name]
    KINDS[name](strike).attend(fake_field(done, made))
    assert [note[0] for note in done] == ([deed] if deed else [])
    if deed == "restart where stuck":
        assert made.options["recovery"]["stuck_after"] == 60


DELETED = {"needs_operator": True, "code": unflagged.alarms({"c": service("c")}, {"c": "c"}, {}, "e")[0].code.value}
UNFENCED = {"needs_operator": True, "code": unfenced.alarms({"c"}, {"c": "c"}, {"c"}, {})[0].code.value}


@pytest.mark.parametrize(
    ("name", "about", "does"),
    [
        ("operator-clears-flag", DELETED, "--update no"),
        ("operator-clears-flag", UNFENCED, None),
        ("operator-clears-flag", {**DELETED, "needs_operator": False}, None),
        ("operator-clears-flag", None, None),
        ("operator-cleanup", UNFENCED, "stonith_admin --reboot"),
        ("operator-cleanup", DELETED, None),
        ("operator-cleanup", None, None),
    ],
)
def test_what_the_engine_asks_an_operator_for_he_does(done, name, about, does):
    made = plan.make(1, (name,))
    field = fake_field(done, made)
    field.account = lambda: {"hosts": {made.victim: about} if about else {}}
    KINDS[name](made.strikes[-1]).attend(field)
    commands = [note[1] for note in done if note[0] == "on control"]
    assert [does in command and made.victim in command for command in commands] == ([True] if does else [])


@pytest.mark.parametrize(("value", "is_off", "boots"), [("no", True, True), ("no", False, False), ("yes", True, False)])
def test_a_host_that_reboots_boots_though_nobody_fences_it(done, monkeypatch, value, is_off, boots):
    made = plan.make(1, ("reboots-twice",))
    field = fake_field(done, made)
    field.flags = lambda: {made.victim: value}
    monkeypatch.setattr(nodes, "powered", lambda _: not is_off)
    KINDS["reboots-twice"](made.strikes[0]).attend(field)
    assert done == ([("power_on", made.victim, "bmc")] if boots else [])


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.group == "host"])
def test_as_many_hosts_go_as_the_plan_counts_on(done, name):
    begun, ended = carried_out(done, name)
    gone = {note[1] for note in begun if note[0] in ("power_off", "pause", "unplug")}
    assert len(gone) == KINDS[name].lost_hosts


def test_the_destination_of_what_is_under_way_dies(done):
    begun, _ended = carried_out(done, "destination-dies")
    assert begun[0][:2] == ("power_off", "compute-3")
