# SPDX-License-Identifier: Apache-2.0
"""What the packages' files say agrees with the tree; tests/workbench/test_packages.py and test_rpms.py build them."""

import importlib.machinery
import importlib.util
import pathlib
import re
import subprocess

import pytest

import nova_ha

TREE = pathlib.Path(__file__).resolve().parents[2]
SPEC = (TREE / "packaging/nova-ha.spec").read_text()
CHANGELOG = (TREE / "debian/changelog").read_text()


@pytest.fixture(scope="module")
def install():
    """tools/install, which has no suffix by which Python would find it."""
    loader = importlib.machinery.SourceFileLoader("install", str(TREE / "tools/install"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_they_are_of_the_version_that_the_code_is():
    assert re.match(r"nova-ha \((.+)-\d+\) ", CHANGELOG)[1] == nova_ha.__version__
    assert re.search(r"^Version: +(.+)$", SPEC, re.MULTILINE)[1] == nova_ha.__version__


def test_they_are_those_that_tools_install_knows(install):
    control = (TREE / "debian/control").read_text()
    assert tuple(re.findall("^Package: (.+)$", control, re.MULTILINE)) == install.PACKAGES
    assert tuple(re.findall("^%package -n (.+)$", SPEC, re.MULTILINE)) == install.PACKAGES


@pytest.mark.parametrize("script", ["preinst", "postrm"])
def test_what_is_diverted_is_what_tools_install_diverts(install, script):
    text = (TREE / f"debian/nova-ha-control.{script}").read_text()
    named = {tuple(words.split()) for words in re.findall(r"^ +(?:un)?divert (/.+)$", text, re.MULTILINE)}
    wanted = {(f"/{original}", f"/{diverted}") for original, diverted in install.DIVERTED.items()}
    assert named == (wanted if script == "preinst" else {pair[:1] for pair in wanted})


def test_the_scripts_can_be_parsed():
    for script in sorted((TREE / "debian").glob("*.p*")) + [TREE / "packaging/build-docs"]:
        done = subprocess.run(["sh", "-n", script], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), script.name


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--snapshot", "a b", "x"],
        ["--python", "3.9", "x"],
        ["--format", "rpm", "--python", "39", "x"],
        ["--format", "z"],
    ],
)
def test_a_bad_argument_of_build_packages_is_one_clear_line(tmp_path, arguments):
    done = subprocess.run([TREE / "tools/build-packages", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []


def test_build_packages_says_what_is_missing(tmp_path):
    done = subprocess.run(
        ["/usr/bin/python3", TREE / "tools/build-packages", tmp_path / "x"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "build-packages: missing: apt-get install dpkg-dev debhelper\n"
