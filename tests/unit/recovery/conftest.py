# SPDX-License-Identifier: Apache-2.0
"""What tests of the engine's own process share."""

import pytest

from tests.unit.engines import Engine


@pytest.fixture
def engine(tmp_path):
    """An engine's process, with all that it leaves; see ``engines.Engine``."""
    engine = Engine(tmp_path)
    yield engine
    engine.remove()
