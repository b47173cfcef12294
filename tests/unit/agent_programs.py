# SPDX-License-Identifier: Apache-2.0
"""Running the agents' own files as Pacemaker runs them: with a clean environment, and what it sets in it; a clock."""

import os
import pathlib
import subprocess

import pytest

from nova_ha.agents.framework import Failure

TREE = pathlib.Path(__file__).resolve().parents[2]
NOVA_COMPUTE = TREE / "ocf/NovaCompute"
NOVA_COMPUTE_WAIT = TREE / "ocf/nova-compute-wait"
NOVA_INSTANCES = TREE / "ocf/NovaInstances"
NOVA_EVACUATE = TREE / "ocf/NovaEvacuate"
FENCE_COMPUTE = TREE / "fence/fence_compute"

# No other process that runs tests has this resource: its state is in /run, and its processes are looked for everywhere.
RESOURCE = f"nova-ha-unit-test-{os.getpid()}"

_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def ocf(agent, action, parameters=(), instance=RESOURCE, interval=None, level=None):
    """Run an OCF agent as the executor does.

    :param interval: of the operation, in seconds; None for what is no recurring one
    :param level: how deep it is to look (OCF_CHECK_LEVEL)
    """
    environment = {**_PATH, "OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": instance}
    environment |= {"OCF_RESKEY_CRM_meta_timeout": "8000", "OCF_RESKEY_crm_feature_set": "3.16.2"}
    environment |= {"OCF_RESKEY_CRM_meta_interval": str(interval * 1000)} if interval else {}
    environment |= {"OCF_CHECK_LEVEL": str(level)} if level else {}
    environment |= {f"OCF_RESKEY_{name}": value for name, value in dict(parameters).items()}
    return _run([agent, action] if action else [agent], environment)


def fence(*lines, arguments=()):
    """Run fence_compute as the fencer does, with its options on standard input (or, if given, as arguments)."""
    return _run([FENCE_COMPUTE, *arguments], _PATH, "".join(f"{line}\n" for line in lines))


def _run(command, environment, text=""):
    done = subprocess.run(
        command, env=environment, input=text, capture_output=True, text=True, errors="surrogateescape", timeout=30
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def reasons(done):
    """The exit reasons that an OCF agent gave."""
    prefix = "ocf-exit-reason:"
    lines = done.stderr.splitlines()
    assert all(line.startswith(prefix) for line in lines), done.stderr
    return [line[len(prefix) :] for line in lines]


def failure(function, *arguments):
    """The exit code and the reason with which an agent's function fails."""
    with pytest.raises(Failure) as failed:
        function(*arguments)
    return failed.value.code, failed.value.reason


class Clock:
    """Time that passes only by sleeping; ``left`` counts down to ``end``."""

    now, end = 0.0, 60.0

    def sleep(self, seconds):
        self.now += seconds

    def left(self):
        return max(0.0, self.end - self.now)


def validates(document, *schema, cwd=None):
    """Whether xmllint finds an XML document valid, and has nothing to say about it."""
    command = ["xmllint", "--noout", "--nonet", *schema, "-"]
    done = subprocess.run(command, input=document, capture_output=True, text=True, cwd=cwd, timeout=30)
    assert done.returncode == 0, done.stderr
    return True
