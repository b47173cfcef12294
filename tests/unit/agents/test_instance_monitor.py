# SPDX-License-Identifier: Apache-2.0
"""What NovaInstances makes of its parameters; tests/unit/detect/test_daemon.py has the process that it starts."""

import pytest

from nova_ha.agents import instance_monitor, supervision
from nova_ha.agents.framework import ocf
from nova_ha.detect import daemon


@pytest.mark.parametrize(
    ("given", "handed_over"),
    [
        ({}, {"connection_uri": "qemu:///system"}),
        ({"guest_agent_interval": "5"}, {"connection_uri": "qemu:///system"}),
        ({"guest_agent": "no", "connection_uri": "qemu:///session"}, {"connection_uri": "qemu:///session"}),
        ({"guest_agent": "yes"}, {"connection_uri": "qemu:///system", "guest_agent_interval": "20"}),
        (
            {"guest_agent": "1", "guest_agent_interval": "5"},
            {"connection_uri": "qemu:///system", "guest_agent_interval": "5"},
        ),
    ],
)
def test_the_process_is_started_with_what_it_goes_by(monkeypatch, given, handed_over):
    started = []
    monkeypatch.setattr(ocf, "OCF_RESOURCE_INSTANCE", "r")
    monkeypatch.setattr(supervision, "start", lambda *arguments: started.append(arguments))
    for name, value in given.items():
        monkeypatch.setenv(f"OCF_RESKEY_{name}", value)
    instance_monitor._start()
    ((state, parameters, _left, command),) = started
    assert parameters == handed_over
    assert command == ["/usr/bin/python3", "-m", daemon.__name__, "--name", "r"]
    assert (state.name, state.what) == ("r", daemon.WHAT)
