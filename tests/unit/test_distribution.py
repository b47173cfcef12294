# SPDX-License-Identifier: Apache-2.0
"""What packagers get: the source distribution, the wheel, and what they tell of themselves."""

import configparser
import email
import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

import nova_ha

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, 'build_' + sys.argv[1])(sys.argv[2]))"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The tree's own files, copied to where building may leave its traces; as git knows them."""
    known = subprocess.run(["git", "ls-files", "-z"], cwd=TREE, capture_output=True, text=True)
    if known.returncode:
        pytest.skip("not a clone: the files that belong to it are not known")
    names = {name for name in known.stdout.split("\0") if name and (TREE / name).is_file()}
    copy = tmp_path_factory.mktemp("tree")
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((TREE / name).read_bytes())
        (copy / name).chmod((TREE / name).stat().st_mode)
    return copy, names


def build(kind, tree, target):
    """Build a distribution; returns its file."""
    command = [sys.executable, "-c", BUILD, kind, target]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return target / done.stdout.splitlines()[-1]


def test_the_source_distribution_is_the_whole_tree(sources, tmp_path):
    tree, names = sources
    with tarfile.open(build("sdist", tree, tmp_path)) as archive:
        there = {member.name.partition("/")[2]: member.mode for member in archive if member.isfile()}
    assert names - there.keys() == set()
    # The agents and the lab are programs.
    assert all(there[name] & 0o111 for name in names if os.access(tree / name, os.X_OK))


def test_the_wheel_has_the_package_its_schemas_and_its_entry_points(sources, tmp_path):
    tree, names = sources
    with zipfile.ZipFile(build("wheel", tree, tmp_path)) as wheel:
        there = set(wheel.namelist())
        (info,) = {name.partition("/")[0] for name in there if ".dist-info/" in name}
        entries = configparser.ConfigParser()
        entries.read_string(wheel.read(f"{info}/entry_points.txt").decode())
        metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert {name for name in there if not name.startswith(info)} == {n for n in names if n.startswith("nova_ha/")}
    assert dict(entries["console_scripts"]) == {"nova-ha": "nova_ha.cli.main:main"}
    assert dict(entries["oslo.config.opts"]) == {"nova_ha": "nova_ha.config.loader:list_opts"}
    assert (metadata["Name"], metadata["Version"]) == ("nova-ha", nova_ha.__version__)
    needed = {each for each in metadata.get_all("Requires-Dist") if "extra ==" not in each}
    assert needed == {"keystoneauth1", "oslo.config", "python-novaclient"}
