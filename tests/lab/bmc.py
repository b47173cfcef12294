# SPDX-License-Identifier: Apache-2.0
"""The hosts' BMCs: one ``ipmi_sim`` each, at an address of its own, that switches its host's container off and on.

Reached by RMCP+ on UDP 623 (``fence_ipmilan lanplus=1 cipher=3``). A BMC outlives its host, and the program that
started it, until ``stop``. One can be made worse than it is, by ``impair``.
"""

import json
import os
import pathlib
import shutil
import signal
import sys

from tests.lab import power, runtime, settings
from tests.lab.passwords import password
from tests.lab.shell import run
from tests.lab.waiting import wait_for

USER = "admin"
# What a BMC may do wrong: the seconds that it takes for each answer; refuse to switch; say that it did, and not do it.
SOUND = {"slow": 0.0, "refuses": False, "lies": False}
# Leaves the simulator to init, with its number in a file.
LAUNCH = 'echo $$ >"$1" && exec ipmi_sim -n -p -c "$3" -f "$4" -s "$5" >>"$2" 2>&1 </dev/null'
DIRECTORY = settings.RUN / "bmc"
EMULATION = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
mc_enable 0x20
"""


def start(chosen, node):
    """Start a host's BMC, unless it runs.

    :raises LabError: it does not listen
    """
    if running(node):
        return
    home = DIRECTORY / node
    (home / "state").mkdir(parents=True, exist_ok=True)
    configuration, emulation, log = home / "lan.conf", home / "host.emu", home / "log"
    configuration.touch(mode=0o600)
    configuration.write_text(_configuration(node))
    emulation.write_text(EMULATION)
    address = settings.bmc_address(node)
    run("ip", "address", "replace", f"{address}/32", "dev", settings.BRIDGE)
    run(
        *("setsid", "--fork", "sh", "-c", LAUNCH, "sh"),
        *(_pid_file(node), log, configuration, emulation, home / "state"),
        env={**os.environ, **runtime.ENVIRONMENT, "PYTHONPATH": str(settings.SOURCE_TREE)},
    )
    wait_for(f"the BMC of {node} to listen on {address}", lambda: _listens(address), limit=10, interval=0.05, look=log)


def stop(chosen, node):
    """End a host's BMC: from then on nobody reaches it."""
    if running(node):
        pid = int(_pid_file(node).read_text())
        os.kill(pid, signal.SIGKILL)
        wait_for(f"the BMC of {node} to end", lambda: not running(node), limit=5, interval=0.02)
    _pid_file(node).unlink(missing_ok=True)


def stop_all():
    """End every BMC, also of hosts that the present settings do not know."""
    for home in sorted(DIRECTORY.glob("*")):
        stop(None, home.name)
    shutil.rmtree(DIRECTORY, ignore_errors=True)


def running(node):
    """Does the BMC run?"""
    try:
        command = pathlib.Path(f"/proc/{int(_pid_file(node).read_text())}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # The number may be another process's by now.
    return str(DIRECTORY / node) in command


def logs():
    """The log files of all BMCs."""
    return sorted(DIRECTORY.glob("*/log"))


def impair(node, **wrong):
    """Have a BMC do these things wrong from now on, and no others.

    :param wrong: of the names in ``SOUND``
    """
    _impairment(node).write_text(json.dumps({**SOUND, **wrong}))


def impairment(node):
    """What a BMC does wrong, as a dict with the names of ``SOUND``."""
    try:
        return json.loads(_impairment(node).read_text())
    except FileNotFoundError:
        return SOUND


def power_on(node):
    """Press the power button of a host."""
    power.power_on(node, by="bmc")


def _configuration(node):
    chassis = f"{sys.executable} -m tests.lab.chassis {node}"
    authentication = "md5"
    return f"""\
name "{node}"
set_working_mc 0x20
  startlan 1
    addr {settings.bmc_address(node)} 623
    priv_limit admin
    allowed_auths_user {authentication}
    allowed_auths_operator {authentication}
    allowed_auths_admin {authentication}
    guid {settings.bmc_address(node).replace(".", "").zfill(32)}
  endlan
  chassis_control "{chassis}"
  user 2 true "{USER}" "{password('bmc')}" admin 10 {authentication}
"""


def _listens(address):
    return bool(run("ss", "--udp", "--listening", "--numeric", "--no-header", f"src {address}:623").stdout)


def _pid_file(node):
    return DIRECTORY / node / "pid"


def _impairment(node):
    return DIRECTORY / node / "impairment.json"
