# SPDX-License-Identifier: Apache-2.0
"""What the OCF agents share, as far as it is not seen from outside: the time that an operation has."""

import pytest

from nova_ha.agents import framework


@pytest.mark.parametrize(
    ("milliseconds", "seconds"),
    [
        ("60000", 55),
        ("8000", 6),  # of a short one, a quarter is kept for its last words
        (None, 115),
        ("", 115),
        ("soon", 115),
    ],
)
def test_an_operation_ends_before_pacemaker_ends_it(monkeypatch, milliseconds, seconds):
    monkeypatch.setattr(framework.time, "monotonic", lambda: 1000.0)
    if milliseconds is not None:
        monkeypatch.setenv("OCF_RESKEY_CRM_meta_timeout", milliseconds)
    deadline = framework.Deadline(120)
    assert deadline.left() == seconds
    monkeypatch.setattr(framework.time, "monotonic", lambda: 2000.0)
    assert deadline.left() == 0
