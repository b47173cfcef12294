# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, with a limit, and saying what was waited for."""

import time

from tests.lab.shell import LabError


def wait_for(what, condition, limit, interval=0.2, look=None):
    """Call ``condition`` until it returns something true, and return that.

    :param what: what is waited for, as it should read after "waited 30 s for ..."
    :param limit: seconds
    :param interval: seconds between two looks
    :param look: where an operator should look when it does not come, for the error
    :raises LabError: the limit passed
    """
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise LabError(f"waited {limit} s for {what}" + (f"; see {look}" if look else ""))
        time.sleep(interval)
