# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, with a limit, and saying what was waited for."""

import pathlib
import time

from tests.lab.shell import LabError

PRESSURE = pathlib.Path("/proc/pressure/cpu")
# A limit is meant for a machine that has a processor for whoever wants one. Seconds in which somebody waits for one do
# not count, up to so many times the limit: CI's machines have been five times slower than those the limits come from.
STARVED_TIMES = 3


def wait_for(what, condition, limit, interval=0.2, look=None):
    """Call ``condition`` until it returns something true, and return that.

    :param what: what is waited for, as it should read after "waited 30 s for ..."
    :param limit: seconds, on a machine that is not starved (``STARVED_TIMES``)
    :param interval: seconds between two looks
    :param look: where an operator should look when it does not come, for the error
    :raises LabError: the limit passed
    """
    begun, starved_before = time.monotonic(), starved()
    while True:
        value = condition()
        if value:
            return value
        waited, without = time.monotonic() - begun, min(starved() - starved_before, STARVED_TIMES * limit)
        if waited - without >= limit:
            said = f"waited {limit} s for {what}"
            if without >= 1:
                said += f", and {without:.0f} s more while no processor was free"
            raise LabError(said + (f"; see {look}" if look else ""))
        time.sleep(interval)


def starved():
    """Seconds since the machine's start in which a process waited for a processor; 0 where its kernel does not tell.

    https://docs.kernel.org/accounting/psi.html: the totals are in microseconds.
    """
    try:
        some = PRESSURE.read_text().partition("\n")[0]
    except OSError:
        return 0.0
    return int(some.rpartition("total=")[2]) / 1e6
