# SPDX-License-Identifier: Apache-2.0
"""Where the images' packages come from, and when an image is another one."""

import concurrent.futures
import itertools
import threading
import time

import pytest

from tests.lab import images, locks
from tests.lab.progress import Progress
from tests.lab.settings import Settings
from tests.lab.shell import LabError

TARGETS = """\
http://mirror.example/debian/ Debian Debian main
http://mirror.example/debian/ Debian Debian contrib
http://mirror.example/security/ Debian Debian-Security main
http://other.example/node nodistro . main
"""


def test_sources_are_the_machines_archive_with_the_chosen_release():
    suites = [line.split()[2:4] for line in images.archive(TARGETS, "trixie").splitlines()]
    assert suites == [
        ["http://mirror.example/debian/", "trixie"],
        ["http://mirror.example/debian/", "trixie-updates"],
        ["http://mirror.example/security/", "trixie-security"],
    ]


def test_a_machine_without_a_debian_archive_is_told_so():
    with pytest.raises(LabError, match="apt"):
        images.archive("http://other.example/node nodistro . main\n", "bookworm")


def test_an_image_is_another_one_when_its_recipe_changes(tmp_path, monkeypatch):
    for kind in ("control", "compute"):
        (tmp_path / f"{kind}.containerfile").write_text("FROM $BASE")
    (tmp_path / "base.sh").write_text("true")
    monkeypatch.setattr(images, "RECIPES", tmp_path)
    before = {kind: images.name(Settings(), kind) for kind in ("base", "control", "compute")}
    (tmp_path / "control.containerfile").write_text("FROM $BASE\nRUN true")
    after = {kind: images.name(Settings(), kind) for kind in before}
    assert [kind for kind in before if before[kind] != after[kind]] == ["control"]
    (tmp_path / "control-part.c").write_text("int part;")
    assert images.name(Settings(), "control") not in (before["control"], after["control"])
    assert images.name(Settings(), "compute") == after["compute"]
    (tmp_path / "base.sh").write_text("false")
    assert not set(after.values()) & {images.name(Settings(), kind) for kind in before}


@pytest.fixture
def builds(monkeypatch, tmp_path):
    """No image is there yet; tells of those that are built, in order. A build takes a moment."""
    built = []

    def make(kind):
        time.sleep(0.05)
        built.append(kind)

    # Two programs find an image missing at once, before either builds it.
    both = threading.Barrier(2, timeout=10)
    looks = itertools.count()

    def exists(image):
        found = any(f"/{kind}:" in image for kind in built)
        if next(looks) < 2:
            both.wait()
        return found

    monkeypatch.setattr(images.settings, "CACHE", tmp_path)
    monkeypatch.setattr(locks, "DIRECTORY", tmp_path / "locks")
    monkeypatch.setattr(images, "exists", exists)
    monkeypatch.setattr(images, "_build_base", lambda chosen: make("base"))
    monkeypatch.setattr(images, "_build_kind", lambda chosen, kind: make(kind))
    monkeypatch.setattr(images, "_all", set)
    return built


def test_of_two_programs_that_want_an_image_one_builds_it_and_only_what_is_wanted_is_built(builds):
    with concurrent.futures.ThreadPoolExecutor(2) as programs:
        for program in [programs.submit(images.build, Settings(), Progress(), ["control"]) for _ in range(2)]:
            program.result()
    assert builds == ["base", "control"]
