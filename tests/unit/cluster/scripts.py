# SPDX-License-Identifier: Apache-2.0
"""Runners of Pacemaker's programs that answer what a test expects to be asked."""


def query(xpath):
    return ["cibadmin", "--query", "--xpath", xpath]


class Script:
    """Answers the commands that are expected, in order."""

    def __init__(self, *expected):
        self.expected = list(expected)

    def __call__(self, command, timeout):
        wanted, answer = self.expected.pop(0)
        assert (command, timeout) == (wanted, 20)
        return answer
