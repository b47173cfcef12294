# SPDX-License-Identifier: Apache-2.0
"""How messages put numbers."""

import pytest

from nova_ha.model.wording import counted


@pytest.mark.parametrize(("number", "said"), [(0, "0 hosts"), (1, "1 host"), (2, "2 hosts")])
def test_one_is_one(number, said):
    assert counted(number, "host") == said
