# SPDX-License-Identifier: Apache-2.0
"""What can be made worse in the cloud without killing anything: Nova's answers, its scheduler, and how guests start.

Rules for the recording proxy are dicts with the fields of ``proxy.Rule``; switches are those of ``driver.Switches``.
"""

import http.client
import json
import os

from tests.lab import settings as lab
from tests.lab.cloud import layout
from tests.lab.shell import LabError

DEFAULT_SWITCHES = {
    "spawn_seconds": 0.5,
    "fail_spawn_on": [],
    "hold_spawn_on": [],
    "hold_end_on": [],
    "shared_storage": False,
    "start_seconds": 0,
}


def set_rules(rules):
    """Have the proxy interfere by these rules from now on.

    :param rules: list of dicts with the fields of ``proxy.Rule``
    :raises LabError: a rule is wrong, or the proxy does not answer
    """
    _control("PUT", rules)


def rules():
    """The rules in force, with the counts that are left.

    :raises LabError: the proxy does not answer
    """
    return _control("GET")


def clear():
    """Have the proxy interfere no more.

    :raises LabError: the proxy does not answer
    """
    _control("DELETE")


def _control(method, content=None):
    connection = http.client.HTTPConnection(lab.address(lab.CLOUD), layout.PROXY_CONTROL_PORT, timeout=10)
    try:
        connection.request(method, "/rules", None if content is None else json.dumps(content))
        answer = connection.getresponse()
        reply = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise LabError(f"recording proxy: {error}; see {layout.LOGS / 'nova-proxy.log'}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise LabError(f"recording proxy: {reply['error']}")
    return reply


def set_guests(**switches):
    """Set how guests start from now on, on every host; what is not named gets its default.

    :param switches: the fields of ``guests.Switches``, which says what they do; change ``shared_storage`` only while
        there are no instances
    :raises LabError: a switch that does not exist, or that this lab's guests do not have
    """
    unknown = set(switches) - set(DEFAULT_SWITCHES)
    if unknown:
        raise LabError(f"no such switch: {', '.join(sorted(unknown))}")
    if switches and lab.Settings.load().real_guests:
        raise LabError(f"{', '.join(sorted(switches))}: a switch of the fake driver; this lab's guests are libvirt's")
    _tell(layout.SWITCHES_FILE, json.dumps({**DEFAULT_SWITCHES, **switches}))


def set_scheduler(seconds=0, without=()):
    """Set how the scheduler works from now on.

    :param seconds: that it takes for each request beside what it takes anyway; one that it has begun is not hurried
    :param without: hosts that it chooses for nothing
    """
    _tell(layout.SCHEDULER_FILE, json.dumps({"seconds": seconds, "without": list(without)}))


def _tell(file, text):
    """Write a file that the cloud reads at any moment: by rename, so that it sees the old or the new, never half."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.write_text(f"{text}\n")
    os.replace(draft, file)
