# SPDX-License-Identifier: Apache-2.0
"""A lab whose guests are libvirt's: what it has beside one of the fake driver; neither is taken for the other."""

import configparser
import contextlib
import importlib
import json
import pathlib
import sys
import types

import pytest

from tests import tiers
from tests.lab import cli, cloud, computes, images, lab, nodes, settings
from tests.lab.cloud import configuration, impair, layout, units
from tests.lab.guest import refusals
from tests.lab.settings import Settings
from tests.lab.shell import LabError

FAKE, SHARED, LOCAL = Settings(), Settings(virt="libvirt"), Settings(virt="libvirt", instances="local")


@pytest.fixture
def present(monkeypatch, tmp_path):
    """Sets which lab is up: its choices are what the commands that follow find."""
    monkeypatch.setattr(settings, "SETTINGS_FILE", tmp_path / "settings.json")
    return lambda chosen: chosen.save()


@pytest.mark.parametrize(
    ("choices", "wrong"),
    [
        ({"virt": "xen"}, "virt: 'xen'"),
        ({"instances": "both"}, "instances: 'both'"),
        ({"instances": "local"}, "needs virt"),
    ],
)
def test_a_lab_that_cannot_be_is_refused(choices, wrong):
    with pytest.raises(ValueError, match=wrong):
        Settings(**choices)


def test_only_a_lab_with_real_guests_needs_their_image():
    assert images.LIBVIRT not in images.of_lab(FAKE)
    assert images.of_computes(FAKE) in images.of_lab(FAKE)
    assert {images.LIBVIRT, *images.of_lab(FAKE)} == set(images.of_lab(SHARED))
    assert images.of_computes(SHARED) == images.LIBVIRT


def test_the_image_of_real_guests_is_another_one_when_that_changes_on_which_it_is_built(tmp_path, monkeypatch):
    for name in ("compute.containerfile", "libvirt.containerfile", "base.sh"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(images, "RECIPES", tmp_path)
    before = images.name(FAKE, images.LIBVIRT)
    (tmp_path / "compute.containerfile").write_text("FROM $BASE\nRUN true")
    assert images.name(FAKE, images.LIBVIRT) != before


@pytest.mark.parametrize("other", [SHARED, LOCAL])
def test_a_lab_with_other_guests_is_not_taken_for_this_one(present, monkeypatch, other):
    monkeypatch.setattr(nodes, "existing", lambda: ["compute-1"])
    monkeypatch.setattr(lab, "other_trees", list)
    present(FAKE)
    lab._refuse_another(FAKE)
    with pytest.raises(LabError, match="down first"):
        lab._refuse_another(other)


def test_a_whole_run_of_tests_names_a_lab_that_a_demo_has_left_with_real_guests(present, monkeypatch, capsys):
    monkeypatch.setattr(nodes, "existing", lambda: ["compute-1"])
    monkeypatch.setattr(nodes, "lost", list)
    monkeypatch.setattr(lab, "other_trees", list)
    present(SHARED)
    for up in tiers.UPS:
        assert cli.main(up.command[up.command.index("up") :]) == 1
        assert "with guests of libvirt" in capsys.readouterr().err


def test_what_is_not_said_stays_as_it_is(present, monkeypatch):
    brought_up = []
    monkeypatch.setattr(lab, "other_trees", list)
    monkeypatch.setattr(lab, "up", lambda chosen, progress: brought_up.append(chosen))
    present(FAKE)
    assert cli.main(["up", "--virt", "libvirt", "--instances", "local"]) == 0
    brought_up[0].save()
    assert cli.main(["up", "--computes", "4"]) == 0
    assert brought_up == [LOCAL, Settings(computes=4, virt="libvirt", instances="local")]


def test_the_demo_brings_up_what_it_is_told_to(present, monkeypatch):
    shown = []
    monkeypatch.setattr(lab, "other_trees", list)
    monkeypatch.setattr(lab, "claimed", contextlib.nullcontext)
    monkeypatch.setattr(lab, "up", lambda chosen, progress: shown.append(chosen))
    monkeypatch.setattr(cli.demo, "demo", shown.append)
    assert cli.main(["demo", "--virt", "libvirt"]) == 0
    assert shown == 2 * [SHARED]


def test_the_environment_says_what_guests_a_lab_has_that_is_to_come_up(present, monkeypatch):
    monkeypatch.setenv("NOVA_HA_LAB_VIRT", "libvirt")
    assert Settings.load() == SHARED
    monkeypatch.setenv("NOVA_HA_LAB_INSTANCES", "local")
    assert Settings.load() == LOCAL
    # One that is up is what it is.
    FAKE.save()
    assert Settings.load() == FAKE


def test_disks_are_one_directory_for_all_hosts_or_one_for_each(monkeypatch, tmp_path):
    monkeypatch.setattr(layout, "DISKS", tmp_path)

    def directories(chosen):
        return {mount.split(":")[0] for host in chosen.compute_hosts for mount in cloud.disks(chosen, host)}

    assert not directories(FAKE)
    assert len(directories(SHARED)) == 1
    assert len(directories(LOCAL)) == len(LOCAL.compute_hosts)
    assert all(map(pathlib.Path.is_dir, map(pathlib.Path, directories(LOCAL))))


@pytest.mark.parametrize(("chosen", "driver"), [(FAKE, "lab.LabDriver"), (SHARED, "libvirt.LibvirtDriver")])
def test_nova_compute_is_told_its_driver(present, chosen, driver):
    present(chosen)
    told = configparser.ConfigParser()
    told.read_string(configuration.nova_compute(chosen))
    assert told["DEFAULT"]["compute_driver"] == driver
    assert told["DEFAULT"]["resume_guests_state_on_host_boot"] == "True"
    # Without that, none of its helpers starts in a container that lacks what they ask for.
    assert all(chosen == FAKE or "capabilities" in told[section] for section in configuration.PRIVSEP)


@pytest.mark.parametrize("chosen", [FAKE, SHARED])
def test_nova_compute_has_libvirts_modules_whatever_way_it_is_run(chosen):
    ways = units.nova_compute_program(chosen), units.compute_units(chosen)["nova-compute.service"]
    assert [f"PYTHONPATH={layout.LIBVIRT_MODULES}" in way for way in ways] == 2 * [chosen.real_guests]


@pytest.mark.parametrize(("chosen", "directory"), [(FAKE, "/run/nova-ha-lab"), (SHARED, "/run/libvirt")])
def test_nova_compute_in_a_container_reaches_the_guests(monkeypatch, chosen, directory):
    scripts = []
    monkeypatch.setattr(nodes, "execute", lambda node, *command, stdin: scripts.append(stdin))
    computes.install(chosen, computes.CONTAINED)
    assert f"--volume {directory}:{directory} " in scripts[0]


def test_switches_of_the_fake_driver_are_refused_where_it_is_not(present, monkeypatch, tmp_path):
    monkeypatch.setattr(layout, "SWITCHES_FILE", tmp_path / "guests.json")
    present(SHARED)
    impair.set_guests()
    with pytest.raises(LabError, match="hold_spawn_on, spawn_seconds: a switch of the fake driver"):
        impair.set_guests(spawn_seconds=1, hold_spawn_on=["compute-1"])


@pytest.fixture
def journal(monkeypatch):
    """The module that runs beside libvirtd, without libvirt."""
    monkeypatch.syspath_prepend(pathlib.Path(cloud.__file__).parent)
    monkeypatch.setitem(
        sys.modules, "libvirt", types.SimpleNamespace(VIR_DOMAIN_EVENT_STARTED=2, VIR_DOMAIN_EVENT_STOPPED=5)
    )
    yield importlib.import_module("tests.lab.cloud.libvirt_journal")
    for name in ("tests.lab.cloud.libvirt_journal", "guests"):
        del sys.modules[name]


def test_what_happened_while_nobody_listened_is_made_up_for(journal, tmp_path):
    file = tmp_path / "compute-1.jsonl"
    assert journal.missed(file, {"new"}) == [("start", "new")]
    events = [
        ("start", "stays"),
        ("start", "went"),
        ("start", "known"),
        ("stop", "known"),
        ("start", "again"),
        ("stop", "again"),
    ]
    lines = [{"event": "service_start"}, *({"event": event, "instance": instance} for event, instance in events)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert journal.missed(file, {"stays", "again"}) == [("start", "again"), ("stop", "went")]


def test_the_journal_comes_back_with_libvirtd_and_does_not_start_it():
    unit = units.compute_units(SHARED)[f"{units.GUEST_JOURNAL}.service"]
    assert {"Restart=always", "StartLimitIntervalSec=0"} <= set(unit.splitlines())
    assert not any(word in unit for word in ("Requires=", "Wants=", "BindsTo="))


def test_what_qemu_said_of_its_guests_is_packed(monkeypatch, tmp_path):
    (tmp_path / refusals.LOGS).mkdir(parents=True)
    (tmp_path / refusals.LOGS / "instance-0000001e.log").write_text("shutting down, reason=failed")
    monkeypatch.setattr(nodes, "layer", lambda node: tmp_path)
    monkeypatch.setattr(nodes, "running", lambda node: False)
    monkeypatch.setattr(lab.runtime, "podman", lambda *words, check: types.SimpleNamespace(returncode=1))
    assert dict(lab._node_logs("compute-1")) == {"qemu/instance-0000001e.log": "shutting down, reason=failed"}


def test_the_screen_says_what_the_instances_are(monkeypatch):
    monkeypatch.setattr(nodes, "existing", lambda: ["cloud"])
    for name in ("online_nodes", "flags", "resources"):
        monkeypatch.setattr(lab.cluster, name, lambda chosen: {})
    monkeypatch.setattr(lab.bmc, "running", lambda node: True)
    monkeypatch.setattr(lab, "_power", lambda node: "on")
    monkeypatch.setattr(cloud, "status", lambda chosen: {})
    assert "disks local" in lab.status(LOCAL).splitlines()[-1]
    assert "fake driver" in lab.status(FAKE).splitlines()[-1]
