# SPDX-License-Identifier: Apache-2.0
"""The RPMs, built on Debian of this tree: what is in them, and what their scripts do, run by Debian's rpm."""

from __future__ import annotations

import pytest

from tests.functional.steps import LONG
from tests.lab import images
from tests.lab.cluster import SOURCE_MOUNT
from tests.lab.settings import SOURCE_TREE, Settings
from tests.workbench.packages import container, contents, succeed

pytestmark = LONG

AGENTS = "/usr/lib/ocf/resource.d/openstack"
ASIDE = "/usr/lib/nova-ha/agents"
# Debian's rpm knows of nothing that is installed.
RPM = "rpm --force-debian --nodeps"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A directory with the packages, what is in them in ``unpacked``, and in ``tree`` what tools/install installs."""
    target = tmp_path_factory.mktemp("rpms")
    script = f"""
        {SOURCE_MOUNT}/tools/build-packages --format rpm --python 3.9 /packages
        mkdir /packages/unpacked /packages/tree
        for package in /packages/*.noarch.rpm; do rpm2archive - <$package | tar -xz -C /packages/unpacked; done
        {SOURCE_MOUNT}/tools/install --root /packages/tree --python-dir /usr/lib/python3.9/site-packages"""
    with container(Settings(), images.BUILD, target) as bench:
        succeed(bench, script)
    return target


@pytest.fixture
def host(built):
    """A system without nova-ha that has an rpm."""
    with container(Settings(), images.BUILD, built) as bench:
        yield bench


def test_rpmlint_finds_no_error(host):
    files = f"{SOURCE_MOUNT}/packaging/nova-ha.spec /packages/*.rpm"
    assert " 0 errors" in succeed(host, f"rpmlint --config {SOURCE_MOUNT}/packaging/rpmlint.toml {files}")


def test_they_have_what_tools_install_installs(built):
    packaged, installed = contents(built / "unpacked"), contents(built / "tree")
    for agent in ("NovaEvacuate", "nova-compute-wait"):
        packaged[f"{AGENTS[1:]}/{agent}"] = packaged.pop(f"{ASIDE[1:]}/{agent}")
    assert "usr/sbin/fence_compute" in packaged
    assert packaged == installed
    pages = {path.name for path in (built / "unpacked/usr/share/man").rglob("*") if path.is_file()}
    assert pages == {path.stem for path in (SOURCE_TREE / "docs/man").iterdir()}


def test_what_would_undo_the_installation_is_obsolete_and_conflicts(host):
    for query in ("--obsoletes", "--conflicts"):
        named = succeed(host, f"rpm --query {query} --package /packages/nova-ha-control-*.noarch.rpm")
        assert "fence-agents-compute" in named and "openstack-resource-agents" in named
    needed = succeed(
        host, "rpm --query --requires --package /packages/python3-nova-ha-*.rpm /packages/nova-ha-compute-*.rpm"
    )
    assert "python(abi) = 3.9" in needed
    assert not [word for word in ("client", "keystone", "oslo") if word in needed]


def test_agents_of_resource_agents_are_put_aside_and_given_back(host):
    # As resource-agents of EL 9 has them, and as it has them after its next update.
    succeed(
        host,
        f"""mkdir -p {AGENTS} /tmp/theirs{AGENTS} /tmp/rpm
        printf '%s\n' 'Name: resource-agents' 'Version: 4' "Release: %{{r}}" 'Summary: x' \
            'License: x' 'BuildArch: noarch' \
            '%description' '%install' 'mkdir -p %{{buildroot}}{AGENTS}' \
            'for each in NovaEvacuate nova-compute-wait; do echo theirs %{{r}} >%{{buildroot}}{AGENTS}/$each; done' \
            '%files' '{AGENTS}/*' >/tmp/theirs.spec
        for release in 1 2; do rpmbuild -bb --define "r $release" --define '_topdir /tmp/rpm' /tmp/theirs.spec; done
        {RPM} --install /tmp/rpm/RPMS/noarch/resource-agents-4-1*.rpm
        {RPM} --install /packages/*.noarch.rpm""",
    )
    are_ours(host)
    succeed(host, f"{RPM} --upgrade /tmp/rpm/RPMS/noarch/resource-agents-4-2*.rpm")
    are_ours(host)
    # Ours of before, were it another version, is not taken for theirs.
    succeed(host, f"echo '# nova_ha' >{AGENTS}/NovaEvacuate; {RPM} --upgrade --force /packages/*.noarch.rpm")
    are_ours(host)
    succeed(host, f"{RPM} --erase nova-ha-control nova-ha-compute python3-nova-ha")
    assert succeed(host, f"cat {AGENTS}/*") == "theirs 2\ntheirs 2\n"
    assert succeed(host, f"ls -A {AGENTS}").split() == ["NovaEvacuate", "nova-compute-wait"]
    gone = "/etc/nova-ha /usr/lib/nova-ha /usr/lib/python3.9/site-packages/nova_ha"
    assert host.run(f"ls -d {gone} 2>/dev/null").stdout == ""


def are_ours(host):
    """What Pacemaker finds is what the packages have."""
    succeed(host, f"for each in {ASIDE}/*; do cmp $each {AGENTS}/${{each##*/}}; done")
