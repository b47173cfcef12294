# SPDX-License-Identifier: Apache-2.0
"""Where the images' packages come from, and when an image is another one."""

import pytest

from tests.lab import images
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
