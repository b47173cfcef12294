# SPDX-License-Identifier: Apache-2.0
"""What is kept of a drill."""

import pytest

from nova_ha.model import drills
from nova_ha.model.drills import Drill


def test_what_is_written_is_read_again():
    assert drills.read(drills.written(Drill(1, 1000))) == Drill(1, 1000)


@pytest.mark.parametrize("text", ["", "1", "1:", ":1000", "one:1000", "1:now"])
def test_what_somebody_else_has_written_is_none(text):
    assert drills.read(text) is None
