# SPDX-License-Identifier: Apache-2.0
"""Values that somebody could mistake for something else than data."""

import pytest

# What these would make if anybody ran them.
HARM = "/tmp/nova-ha-harm"
VALUES = {
    "shell": f"$(touch${{IFS}}{HARM});`touch${{IFS}}{HARM}`|touch${{IFS}}{HARM}&'\"",
    "entity": "&lt;&#60;&harm;]]></nvpair><!--",
    "newline": f"x\ntouch {HARM}",
    "10 kB": "x" * 10_000,
}
EVERY = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
# No line that is said of such a value is longer.
LONGEST = 400


def is_brief(text: str) -> bool:
    """Is what is said of a value no traceback, and none of its lines long?"""
    return "Traceback" not in text and all(len(line) <= LONGEST for line in text.splitlines())
