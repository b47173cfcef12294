# SPDX-License-Identifier: Apache-2.0
"""One lab for all functional tests, healed before each; every test is recorded and audited.

NOVA_HA_LAB_KEEP=1 leaves the lab up at the end.
"""

import os

import pytest

from tests.functional.steps import Story
from tests.lab import audits, cluster, faults, healing, lab, scenario
from tests.lab.progress import Progress
from tests.lab.settings import Settings


@pytest.fixture(scope="session")
def settings(pytestconfig):
    """The settings of the lab, which is up."""
    chosen = Settings.load()
    # The person who waits for minutes sees what is done, past pytest's capture.
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        # Of an earlier session that ended in the middle.
        lab.clear_lost(chosen, Progress())
        faults.end_all(chosen)
        lab.up(chosen, Progress())
    yield chosen
    if os.environ.get("NOVA_HA_LAB_KEEP") != "1":
        lab.down(chosen, Progress())


@pytest.fixture
def story(settings):
    """A healthy lab without instances, of which everything is recorded; at the end the audits must hold.

    The options that a story gives the engine are taken away again.
    """
    healing.heal(settings)
    with scenario.recorded(settings) as recorded:
        yield Story(settings, recorded)
        cluster.set_options(settings, {})
        past = recorded.history()
    print("\n".join(audits.report(past)))
    assert not audits.audit(past), "safety rules were broken, see the audits' report"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Pack the logs of the first failure that the lab had a part in, before the next test changes them."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and "settings" in item.fixturenames and not item.session.stash.get(_COLLECTED, False):
        item.session.stash[_COLLECTED] = True
        try:
            where = f"packed in {lab.collect(Settings.load())}"
        except Exception as error:  # noqa: BLE001 (whatever it is, it must not hide the failure)
            where = f"not packed: {error}"
        report.sections.append(("The lab's logs", where))


_COLLECTED = pytest.StashKey()
