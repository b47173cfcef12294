# SPDX-License-Identifier: Apache-2.0
"""tools/install below another root."""

import os
import pathlib
import subprocess
from xml.etree import ElementTree

import pytest

from nova_ha.checks import gather
from nova_ha.cli import check, main
from nova_ha.compute import process
from tests.unit.agent_programs import TREE, fence

TARGETS = {
    "usr/sbin/fence_compute",
    "usr/lib/ocf/resource.d/openstack/NovaCompute",
    "usr/lib/ocf/resource.d/openstack/NovaEvacuate",
    "usr/lib/ocf/resource.d/openstack/NovaInstances",
    "usr/lib/ocf/resource.d/openstack/nova-compute-wait",
    "usr/sbin/nova-ha",
}
PLAIN = {
    "usr/lib/systemd/system/nova-ha-check.service",
    "usr/lib/systemd/system/nova-ha-check.timer",
    "usr/lib/systemd/system/nova-ha-exporter.service",
    "usr/lib/systemd/system/nova-ha-history.service",
    "usr/share/bash-completion/completions/nova-ha",
    "usr/share/pacemaker/alerts/alert_nova_ha.sh",
}
ALERT_AGENT = "usr/share/pacemaker/alerts/alert_nova_ha.sh"
MANIFEST = "usr/lib/nova-ha/MANIFEST"
LOGROTATE = "etc/logrotate.d/nova-ha"
CONFIGURATION = "etc/nova-ha"
MANUAL = "usr/share/man/man8/fence_compute.8"


def install(*arguments, **environment):
    environment = {**os.environ, **environment}
    return subprocess.run(
        [TREE / "tools/install", *arguments], env=environment, capture_output=True, text=True, timeout=60
    )


def test_files_are_where_a_package_would_put_them(tmp_path):
    for _again in range(2):
        done = install("--root", tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    installed = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    (package,) = [path.rpartition("/")[0] for path in installed if path.endswith("/nova_ha/__init__.py")]
    others = {path for path in installed if not path.startswith(package)}
    assert others == TARGETS | PLAIN | {MANUAL, LOGROTATE, MANIFEST}
    for target in TARGETS:
        text = (tmp_path / target).read_text()
        assert f'PACKAGES = "/{package.rpartition("/")[0]}"\n' in text
        assert "__file__" not in text
        assert (tmp_path / target).stat().st_mode & 0o777 == 0o755
    assert {path for path in PLAIN if (tmp_path / path).stat().st_mode & 0o111} == {ALERT_AGENT}
    schemas = {path.name for path in (TREE / "nova_ha/schemas").iterdir()}
    assert schemas == {path.name for path in (tmp_path / package / "schemas").iterdir()} != set()
    sources = {path.relative_to(TREE / "nova_ha") for path in (TREE / "nova_ha").rglob("*.py")}
    assert {path.relative_to(tmp_path / package) for path in (tmp_path / package).rglob("*.py")} == sources
    assert len(list((tmp_path / package).rglob("*.pyc"))) == len(sources)


def test_only_root_can_look_into_the_directory_of_the_configuration(tmp_path):
    install("--root", tmp_path)
    directory = tmp_path / CONFIGURATION
    assert directory.stat().st_mode & 0o777 == 0o700
    # What an operator has made of it stays.
    (directory / "nova-ha.conf").write_text("[nova]\n")
    directory.chmod(0o750)
    install("--root", tmp_path)
    assert directory.stat().st_mode & 0o777 == 0o750
    assert (directory / "nova-ha.conf").read_text() == "[nova]\n"


def test_the_log_of_a_nova_compute_that_is_a_process_of_its_own_is_rotated(tmp_path):
    install("--root", tmp_path)
    lines = (tmp_path / LOGROTATE).read_text().splitlines()
    assert f"{process.LOGS}/*.log {{" in lines
    # It keeps the file open.
    assert "    copytruncate" in lines
    assert (tmp_path / LOGROTATE).stat().st_mode & 0o777 == 0o644
    # How often is the operator's to say.
    (tmp_path / LOGROTATE).write_text("# weekly")
    install("--root", tmp_path)
    assert (tmp_path / LOGROTATE).read_text() == "# weekly"


@pytest.mark.parametrize("target", sorted(TARGETS | PLAIN | {LOGROTATE, CONFIGURATION, MANIFEST}))
def test_what_is_installed_is_told(target):
    assert f"| `/{target}`" in (TREE / "docs/install.md").read_text(encoding="utf-8")


def test_what_was_replaced_since_is_found(tmp_path):
    install("--root", tmp_path)
    assert gather.node_facts(str(tmp_path), "/nonexistent").changed == {}
    assert len((tmp_path / MANIFEST).read_text().splitlines()) > 100
    (package,) = tmp_path.rglob("nova_ha")
    (tmp_path / "usr/sbin/fence_compute").write_text("a package's")
    (package / "model/flag.py").unlink()
    changed = gather.node_facts(str(tmp_path), "/nonexistent").changed
    assert set(changed) == {"/usr/sbin/fence_compute", f"/{(package / 'model/flag.py').relative_to(tmp_path)}"}


def test_the_check_once_an_hour_runs_the_command_that_is_installed(tmp_path):
    install("--root", tmp_path)
    units = tmp_path / "usr/lib/systemd/system"
    service = (units / "nova-ha-check.service").read_text()
    (command,) = [line.partition("=")[2].split() for line in service.splitlines() if line.startswith("ExecStart=")]
    assert (tmp_path / command[0].lstrip("/")).exists()
    assert main._parser().parse_args(command[1:]).journal
    codes = {*map(str, check.CODES.values())} - {"0"}
    assert f"SuccessExitStatus={' '.join(sorted(codes))}\n" in service
    assert "OnCalendar=hourly\n" in (units / "nova-ha-check.timer").read_text()


def test_nothing_of_a_former_version_is_left(tmp_path):
    install("--root", tmp_path)
    (package,) = tmp_path.rglob("nova_ha")
    (package / "former.py").write_text("")
    (package / "schemas/former.json").write_text("")
    (package / "model/flag.py").write_text("former = True\n")
    install("--root", tmp_path)
    assert not (package / "former.py").exists() and not (package / "schemas/former.json").exists()
    assert (package / "model/flag.py").read_text() == (TREE / "nova_ha/model/flag.py").read_text()


def test_the_manual_page_has_all_that_the_metadata_has(tmp_path):
    install("--root", tmp_path)
    page = (tmp_path / MANUAL).read_text()
    metadata = ElementTree.fromstring(fence("action=metadata").stdout)
    for parameter in metadata.iter("parameter"):
        if not parameter.get("deprecated"):
            assert f".B {parameter.get('name')}\n" in page
            assert f".B {parameter.find('getopt').get('mixed')}\n" in page
    for action in metadata.iter("action"):
        assert f"\\fB{action.get('name')} \\fP" in page
    assert "record_only=1" in page


def test_without_xsltproc_there_is_no_manual_page(tmp_path):
    done = install("--root", tmp_path, PATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "usr/sbin/fence_compute").exists()
    assert not (tmp_path / MANUAL).exists()


def test_manual_pages_that_sphinx_has_made_go_where_man_looks(tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    for name in ("nova-ha.8", "nova-ha.conf.5", "fence_compute.8", "index.html"):
        (made / name).write_text(f"Sphinx's {name}")
    done = install("--root", tmp_path, "--manuals", made)
    assert (done.returncode, done.stderr) == (0, "")
    manuals = tmp_path / "usr/share/man"
    pages = {str(path.relative_to(manuals)): path for path in manuals.rglob("*") if path.is_file()}
    assert set(pages) == {"man5/nova-ha.conf.5", "man8/nova-ha.8", "man8/fence_compute.8"}
    assert pages["man5/nova-ha.conf.5"].read_text() == "Sphinx's nova-ha.conf.5"
    # The one that is made of the metadata has all options.
    assert "record_only=1" in pages["man8/fence_compute.8"].read_text()


def test_the_agent_of_debian_s_package_is_diverted(tmp_path):
    for directory in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "usr/sbin", "usr/share/man/man8"):
        (tmp_path / directory).mkdir(parents=True)
    for file in ("status", "diversions"):
        (tmp_path / "var/lib/dpkg" / file).touch()
    (tmp_path / "usr/sbin/fence_compute").write_text("the package's")
    (tmp_path / f"{MANUAL}.gz").write_text("the package's")
    for _again in range(2):
        done = install("--root", tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "usr/lib/nova-ha/fence_compute.fence-agents").read_text() == "the package's"
    assert "nova_ha" in (tmp_path / "usr/sbin/fence_compute").read_text()
    assert "/usr/sbin/fence_compute\n" in (tmp_path / "var/lib/dpkg/diversions").read_text()
    assert (tmp_path / "usr/share/man/man8/fence_compute.fence-agents.8.gz").read_text() == "the package's"
    assert not (tmp_path / f"{MANUAL}.gz").exists()


def files(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_is_uninstalled_leaves_the_system_as_it_was(tmp_path):
    root, made = tmp_path / "root", tmp_path / "made"
    for directory in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "usr/sbin"):
        (root / directory).mkdir(parents=True)
    for file in ("status", "diversions"):
        (root / "var/lib/dpkg" / file).touch()
    (root / "usr/sbin/fence_compute").write_text("the package's")
    before = files(root)
    made.mkdir()
    for page in (TREE / "docs/man").iterdir():
        (made / page.stem).write_text("")
    install("--root", root, "--manuals", made)
    installed = files(root)
    assert {pathlib.PurePath(file).name for file in installed} >= {page.name for page in made.iterdir()}
    # The second time there is nothing to take away.
    for _again in range(2):
        done = install("--root", root, "--uninstall")
        assert (done.returncode, done.stderr) == (0, "")
        after = files(root)
        # dpkg keeps the one before.
        after.pop("var/lib/dpkg/diversions-old", None)
        assert after == before
        assert not (root / "usr/lib/ocf/resource.d/openstack").exists() and not (root / CONFIGURATION).exists()


def test_what_a_package_installed_is_left_to_that(tmp_path):
    install("--root", tmp_path)
    (tmp_path / MANIFEST).unlink()
    before = sorted(tmp_path.rglob("*"))
    assert install("--root", tmp_path, "--uninstall").returncode == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_the_operator_s_stays_when_the_rest_is_uninstalled(tmp_path):
    install("--root", tmp_path)
    (tmp_path / CONFIGURATION / "nova-ha.conf").write_text("[nova]\n")
    (tmp_path / LOGROTATE).write_text("# weekly")
    (tmp_path / "usr/lib/ocf/resource.d/openstack/NovaOther").write_text("")
    install("--root", tmp_path, "--uninstall")
    assert files(tmp_path) == {
        f"{CONFIGURATION}/nova-ha.conf": b"[nova]\n",
        LOGROTATE: b"# weekly",
        "usr/lib/ocf/resource.d/openstack/NovaOther": b"",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["--root", "/nonexistent"],
        ["--root"],
        ["--prefix", "/usr"],
        ["--manuals", "/nonexistent"],
        ["--manuals", "/tmp", "--uninstall"],
        ["here"],
    ],
)
def test_a_bad_argument_is_one_clear_line(arguments):
    done = install(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("install: ")


def test_the_installed_command_finds_the_package(tmp_path):
    install("--root", tmp_path)
    command = tmp_path / "usr/sbin/nova-ha"
    # On the installed system the root is /.
    command.write_text(command.read_text().replace('PACKAGES = "', f'PACKAGES = "{tmp_path}'))
    done = subprocess.run([command, "--help"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert "status" in done.stdout


def test_help():
    done = install("--help")
    assert done.returncode == 0
    assert "--root DIR" in done.stdout


@pytest.mark.parametrize("wrong", [["--package", "nova-ha"], ["--python-dir", "lib"]])
def test_a_packager_s_bad_argument_is_one_clear_line(tmp_path, wrong):
    done = install("--root", tmp_path, *wrong)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []


def test_the_packages_have_together_what_is_installed_and_nothing_twice(tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    for name in ("nova-ha.8", "nova-ha.conf.5", "ocf_openstack_NovaCompute.7", "ocf_openstack_NovaEvacuate.7"):
        (made / name).write_text(name)
    trees = {}
    for package in ("all", "python3-nova-ha", "nova-ha-control", "nova-ha-compute"):
        root = tmp_path / package
        root.mkdir()
        words = [] if package == "all" else ["--package", package]
        done = install("--root", root, "--manuals", made, "--python-dir", "/usr/lib/python", *words)
        assert (done.returncode, done.stderr) == (0, "")
        found = {path.relative_to(root): path.stat().st_mode for path in root.rglob("*")}
        trees[package] = {
            str(path): mode for path, mode in found.items() if (root / path).is_file() or str(path) == CONFIGURATION
        }
    whole = trees.pop("all")
    # Those who make packages have records of their own.
    del whole["usr/lib/nova-ha/MANIFEST"]
    assert sum(map(len, trees.values())) == len(whole)
    assert {path: mode for tree in trees.values() for path, mode in tree.items()} == whole
    assert all(path.startswith("usr/lib/python/nova_ha/") for path in trees["python3-nova-ha"])
    # No cloud's password is on a compute host, nor a place for it.
    assert {path for path in trees["nova-ha-compute"]} == {
        LOGROTATE,
        "usr/lib/ocf/resource.d/openstack/NovaCompute",
        "usr/lib/ocf/resource.d/openstack/NovaInstances",
        "usr/lib/ocf/resource.d/openstack/nova-compute-wait",
        "usr/share/man/man7/ocf_openstack_NovaCompute.7",
    }
