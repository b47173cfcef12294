# SPDX-License-Identifier: Apache-2.0
"""``./lab`` on a system that is not Debian says so, before it changes anything."""

import subprocess

import pytest

from tests.lab.settings import SOURCE_TREE

UBUNTU = 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nID=ubuntu\nID_LIKE=debian\n'
# Bound over the machine's own for the script alone.
ON_ANOTHER = 'mount --bind "$1" /etc/os-release && shift && exec "$@"'


@pytest.fixture
def front_door(tmp_path):
    """Runs the script on a system with such an os-release, which lacks all packages; returns what it printed.

    Whatever it would install or change by apt stands in the file ``changes``.
    """
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("apt-get", "dpkg-query"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/changes\nexit 1\n')
        (programs / name).chmod(0o755)
    release = tmp_path / "os-release"

    def run(text, *words, **environment):
        release.write_text(text)
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", ON_ANOTHER, "sh", release, SOURCE_TREE / "lab", *words],
            env={"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin", **environment},
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


@pytest.mark.parametrize(("text", "name"), [(UBUNTU, "Ubuntu 24.04.1 LTS"), ("ID=fedora\n", "fedora")])
def test_another_system_is_named_before_anything_is_installed(front_door, tmp_path, text, name):
    done = front_door(text, "status")
    assert done.returncode == 1
    assert name in done.stderr
    assert not (tmp_path / "changes").exists()


@pytest.mark.parametrize("text", ['ID=debian\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n', "ID=debian\n"])
def test_debian_gets_what_it_lacks(front_door, tmp_path, text):
    front_door(text, "status")
    assert "apt-get -qq update" in (tmp_path / "changes").read_text()


def test_a_number_of_no_lab_is_refused_before_anything_is_installed(front_door, tmp_path):
    done = front_door("ID=debian\n", "status", NOVA_HA_LAB_NUMBER="3")
    assert done.returncode == 1
    assert "NOVA_HA_LAB_NUMBER" in done.stderr
    assert not (tmp_path / "changes").exists()
