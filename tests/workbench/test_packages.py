# SPDX-License-Identifier: Apache-2.0
"""Debian's packages, built of this tree: what is in them; installed, upgraded and purged in a container."""

from __future__ import annotations

import subprocess

import pytest

from tests.functional.steps import LONG
from tests.lab import images
from tests.lab.cluster import SOURCE_MOUNT
from tests.lab.settings import RELEASES, SOURCE_TREE, Settings
from tests.workbench.packages import LIMIT, container, contents, succeed

pytestmark = LONG

PACKAGES = ("python3-nova-ha", "nova-ha-control", "nova-ha-compute")
DIVERTED = "/usr/lib/nova-ha/fence_compute.fence-agents"
# What a system has, with mode and size. Python compiles where it likes; dpkg's own records are asked for apart; and the
# directories of manual pages are not in the lab's images.
SYSTEM = r"""
find /etc /usr /run /var -xdev \( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /usr/src/nova-ha \
    -o -name __pycache__ -o -path /packages \) -prune -o ! -type d -printf '%m %s %p\n' -o -printf '%m %p\n' |
    grep -v '/usr/share/man/man.$'
dpkg-divert --list
"""
# The lab's images leave manual pages and documentation out.
WHOLE = "rm -f /etc/dpkg/dpkg.cfg.d/*"
INSTALL = "dpkg --install $(ls /packages/old/*.deb)"


@pytest.fixture(scope="module", params=RELEASES)
def release(request):
    return Settings(release=request.param)


@pytest.fixture(scope="module")
def built(release, tmp_path_factory):
    """A directory with the packages: ``old``, ``new``, and in ``tree`` what tools/install installs."""
    target = tmp_path_factory.mktemp("packages")
    script = f"""set -e
        {SOURCE_MOUNT}/tools/build-packages /packages/old
        {SOURCE_MOUNT}/tools/build-packages --snapshot 1 /packages/new
        mkdir /packages/tree
        {SOURCE_MOUNT}/tools/install --root /packages/tree"""
    with container(release, images.BUILD, target) as bench:
        done = bench.run(script, timeout=LIMIT)
        assert done.returncode == 0, done.stdout + done.stderr
        linted = bench.run("lintian --allow-root --fail-on error /packages/old/*.changes", timeout=LIMIT)
    (target / "lintian").write_text(f"{linted.returncode}\n{linted.stdout}{linted.stderr}")
    return target


@pytest.fixture
def host(release, built):
    """A control node without nova-ha; its image has all that the packages depend on."""
    with container(release, "control", built, WHOLE) as bench:
        yield bench


def test_lintian_finds_no_error(built):
    verdict = (built / "lintian").read_text()
    assert verdict.startswith("0\n"), verdict


def test_the_packages_have_what_tools_install_installs(built, tmp_path):
    for package in PACKAGES:
        (file,) = (built / "old").glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "--extract", file, tmp_path], check=True)
    packaged, installed = contents(tmp_path), contents(built / "tree")
    assert "usr/sbin/fence_compute" in packaged
    assert packaged == installed
    pages = {path.name.removesuffix(".gz") for path in (tmp_path / "usr/share/man").rglob("*") if path.is_file()}
    assert pages == {path.stem for path in (SOURCE_TREE / "docs/man").iterdir()}
    (sample,) = tmp_path.rglob("nova-ha.conf.sample")
    assert "#max_share" in sample.read_text() and "#auth_url" in sample.read_text()


def test_compute_hosts_get_no_client_of_the_cloud(built):
    needed = {}
    for package in PACKAGES:
        (file,) = (built / "old").glob(f"{package}_*.deb")
        asked = ["dpkg-deb", "--field", file, "Depends"]
        needed[package] = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert "python3-novaclient" in needed["nova-ha-control"]
    assert not [word for word in ("client", "keystone", "oslo") if word in needed["nova-ha-compute"]]
    # Else apt would choose pacemaker, on hosts that are remote nodes.
    assert needed["nova-ha-compute"].startswith("pacemaker-remote | pacemaker, ")
    assert needed["python3-nova-ha"] in ("python3:any\n", "python3:any (>= 3.9)\n")


def test_install_upgrade_remove_and_purge(host):
    before = system(host)
    succeed(host, INSTALL)
    works(host)
    version = "dpkg-query --show --showformat '${Version} ' " + " ".join(PACKAGES)
    assert len(set(succeed(host, version).split())) == 1
    succeed(host, "dpkg --install /packages/new/*.deb")
    assert {each.partition("+")[2] for each in succeed(host, version).split()} == {"1-1"}
    works(host)
    # The operator's.
    succeed(host, "echo '[nova]' >/etc/nova-ha/nova-ha.conf; chmod 0750 /etc/nova-ha")
    succeed(host, f"dpkg --remove {' '.join(PACKAGES)}")
    assert "nova-ha.conf" in succeed(host, "ls /etc/nova-ha")
    succeed(host, INSTALL)
    assert succeed(host, "stat --format %a /etc/nova-ha").strip() == "750"
    succeed(host, f"dpkg --purge {' '.join(PACKAGES)}")
    assert system(host) ^ before == set()
    is_fence_agents_own(host)


def system(host):
    """A line for each file, directory and diversion."""
    return set(succeed(host, SYSTEM).splitlines())


def works(host):
    """The command and the agents are what nova-ha has, and run by the system's Python."""
    assert "status" in succeed(host, "nova-ha --help")
    for agent in ("NovaCompute", "NovaEvacuate", "NovaInstances", "nova-compute-wait"):
        asked = f"OCF_ROOT=/usr/lib/ocf /usr/lib/ocf/resource.d/openstack/{agent} meta-data"
        assert f'<resource-agent name="{agent}"' in succeed(host, asked)
    assert "record_only" in succeed(host, "fence_compute -o metadata")
    assert "nova_ha" not in succeed(host, f"cat {DIVERTED}")
    assert "nova-ha-control" in succeed(host, "dpkg-divert --listpackage /usr/sbin/fence_compute")
    # No monitor has to compile.
    modules = "/usr/lib/python3/dist-packages/nova_ha"
    compiled = succeed(host, f"find {modules} -name '*.pyc' | wc -l; find {modules} -name '*.py' | wc -l").split()
    assert compiled[0] == compiled[1] != "0"


def is_fence_agents_own(host):
    """dpkg's record says so: its file is as it was packed."""
    assert "/usr/sbin/fence_compute" not in host.run("dpkg --verify fence-agents fence-agents-compute").stdout
    assert "nova_ha" not in succeed(host, "cat /usr/sbin/fence_compute")


def test_an_update_of_fence_agents_does_not_bring_its_agent_back(host):
    (owner,) = {line.partition(":")[0] for line in succeed(host, "dpkg --search /usr/sbin/fence_compute").splitlines()}
    succeed(host, INSTALL)
    succeed(
        host,
        f"""
        mkdir -p /tmp/newer/DEBIAN /tmp/newer/usr/sbin
        echo newer >/tmp/newer/usr/sbin/fence_compute
        printf '%s\n' 'Package: {owner}' 'Version: 999' 'Architecture: all' 'Maintainer: x <x@y>' 'Description: x' \
            >/tmp/newer/DEBIAN/control
        dpkg-deb --build /tmp/newer /tmp/newer.deb
        dpkg --force-depends --force-breaks --install /tmp/newer.deb""",
    )
    assert succeed(host, f"cat {DIVERTED}") == "newer\n"
    assert "nova_ha" in succeed(host, "cat /usr/sbin/fence_compute")


def test_what_tools_install_has_installed_is_taken_over(host):
    before = system(host)
    succeed(
        host,
        f"""{SOURCE_MOUNT}/tools/install
        touch /usr/share/man/man8/nova-ha.8
        cd /usr/lib/python3/dist-packages/nova_ha
        mkdir former former/__pycache__
        touch former/module.py former/__pycache__/module.cpython-311.pyc __pycache__/former.cpython-311.pyc""",
    )
    assert "LOCAL" in succeed(host, "dpkg-divert --listpackage /usr/sbin/fence_compute")
    succeed(host, INSTALL)
    works(host)
    assert not [line for line in succeed(host, "dpkg-divert --list").splitlines() if line.startswith("local ")]
    owned = succeed(
        host, "find /usr/lib/python3/dist-packages/nova_ha /usr/share/man -name '*former*' -o -name nova-ha.8"
    )
    assert owned == ""
    succeed(host, f"dpkg --purge {' '.join(PACKAGES)}")
    assert system(host) ^ before == set()
    is_fence_agents_own(host)


def test_an_installation_that_fails_gives_back_what_tools_install_had_diverted(host):
    succeed(host, f"{SOURCE_MOUNT}/tools/install")
    # Another package has a file of ours.
    succeed(
        host,
        """mkdir -p /tmp/other/DEBIAN /tmp/other/usr/sbin; touch /tmp/other/usr/sbin/nova-ha
        printf '%s\n' 'Package: other' 'Version: 1' 'Architecture: all' 'Maintainer: x <x@y>' 'Description: x' \
            >/tmp/other/DEBIAN/control
        dpkg-deb --build /tmp/other /tmp/other.deb; dpkg --install /tmp/other.deb""",
    )
    assert host.run("dpkg --install /packages/old/python3-nova-ha*.deb /packages/old/nova-ha-control*.deb").returncode
    assert "LOCAL" in succeed(host, "dpkg-divert --listpackage /usr/sbin/fence_compute")
    assert "record_only" in succeed(host, "fence_compute -o metadata")


def test_a_running_engine_s_agent_is_not_removed(host):
    succeed(host, INSTALL)
    engine = "from nova_ha.rundir.engine_state import RunState; RunState('nova-evacuate').acquire()"
    remove = "import subprocess; print(subprocess.run(['dpkg', '--remove', 'nova-ha-control']).returncode)"
    told = succeed(host, f'python3 -I -c "{engine}; {remove}"')
    assert "the engine of nova-evacuate runs on this node" in told
    assert "\n1\n" in f"\n{told}"
    works(host)
    succeed(host, "dpkg --remove nova-ha-control")


def test_a_running_nova_compute_s_agent_is_not_removed(host):
    succeed(host, INSTALL)
    remember = "import os; from nova_ha.rundir.pidfile import Record; Record('nova-compute').remember(os.getppid())"
    done = host.run(f'python3 -I -c "{remember}"; dpkg --remove nova-ha-compute')
    assert done.returncode and "nova-compute runs on this host" in done.stdout + done.stderr
    # That shell has ended since.
    succeed(host, "dpkg --remove nova-ha-compute")


def test_a_nova_compute_that_systemd_starts_is_warned_of(host):
    unit = "/etc/systemd/system/nova-compute.service"
    warning = "systemctl disable nova-compute"
    assert warning not in succeed(host, INSTALL)
    succeed(host, f"printf '[Service]\\nExecStart=true\\n[Install]\\nWantedBy=multi-user.target\\n' >{unit}")
    assert warning not in succeed(host, INSTALL)
    succeed(host, "systemctl enable nova-compute.service")
    assert warning in succeed(host, INSTALL)
