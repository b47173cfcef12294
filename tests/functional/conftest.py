# SPDX-License-Identifier: Apache-2.0
"""One lab for all stories of its marker, healed before each; every story is recorded and audited.

NOVA_HA_LAB_KEEP=1 leaves the lab up at the end.
"""

import dataclasses
import os

import pytest

from tests.functional.labs import COMPUTES, IS_UP
from tests.functional.steps import heal_if_needed, told
from tests.lab import cluster, faults, healing, lab, locks
from tests.lab import settings as lab_settings
from tests.lab.progress import Progress
from tests.lab.settings import SOURCE_TREE, Settings
from tests.lab.shell import LabError

# So many heals in succession that fail are enough: such a lab does not come back, and each of them takes minutes.
FAILED_HEALS = 2
# Of so many failures the logs are packed; each pack is a few hundred kilobytes, and takes seconds.
MOST_PACKS = 20
HERE = SOURCE_TREE / "tests/functional"
# What changes the whole cluster comes last.
LAST = ("test_existing_deployments.py", "test_devstack.py")


def pytest_collection_modifyitems(items):
    """Refuse stories that no lab would tell, or two, and put last what has to be."""
    mine = [item for item in items if HERE in item.path.parents]
    if unmarked := [item.nodeid for item in mine if len(_markers(item)) != 1]:
        markers = " or ".join(COMPUTES)
        raise pytest.UsageError(f"a story needs one marker, {markers}; these have none or both: {', '.join(unmarked)}")
    items.sort(key=lambda item: item in mine and item.path.name in LAST)


def _markers(item):
    return {mark.name for mark in item.iter_markers()} & COMPUTES.keys()


@pytest.fixture(scope="session")
def settings(request):
    """The settings of the lab, which is up, with as many compute hosts as the stories need."""
    present = Settings.load()
    needed = [COMPUTES[marker] for item in request.session.items for marker in _markers(item)]
    chosen = dataclasses.replace(present, computes=max([present.computes, *needed]))
    try:
        with lab.claimed():
            # The person who waits for minutes sees what is done, past pytest's capture.
            with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
                # Of an earlier session that ended in the middle.
                lab.clear_lost(chosen, Progress())
                faults.end_all(chosen)
                if os.environ.get(IS_UP) != "1":
                    lab.up(chosen, Progress())
            yield chosen
            if os.environ.get("NOVA_HA_LAB_KEEP") != "1":
                lab.down(chosen, Progress())
    except locks.InUse as error:
        # It is not ours to pack the logs of.
        pytest.exit(str(error), returncode=pytest.ExitCode.INTERRUPTED)
    except LabError as error:
        # Whatever keeps it from coming up does so for each of the tests.
        request.session.shouldstop = f"lab {lab_settings.NUMBER}: {' '.join(str(error).split())}"
        raise


@pytest.fixture
def story(settings):
    """One test's story; see ``steps.told``."""
    with told(settings) as story:
        yield story


@pytest.fixture(autouse=True)
def sound(request):
    """A test that has the lab without a story does not meet what a red one has left, or one that awaited no return."""
    if "settings" in request.fixturenames and "story" not in request.fixturenames:
        failed = request.session.stash.get(_FAILED, False)
        heal_if_needed(request.getfixturevalue("settings"), failed)
        request.session.stash[_FAILED] = False


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Pack the logs of each test that failed and that the lab had a part in, before the next one changes them.

    A lab that does not come back ends the session.
    """
    outcome = yield
    report = outcome.get_result()
    item.session.stash[_FAILED] = report.failed or item.session.stash.get(_FAILED, False)
    packed = item.session.stash.setdefault(_PACKED, set())
    if report.failed and "settings" in item.fixturenames and item.nodeid not in packed and len(packed) < MOST_PACKS:
        packed.add(item.nodeid)
        chosen = Settings.load()
        # Where the packs are lost with the machine, what was printed is left.
        looks = {"What Pacemaker did last": lambda: cluster.last_words(chosen), "The lab's logs": lambda: _pack(chosen)}
        for title, look in looks.items():
            try:
                text = look()
            except Exception as error:  # noqa: BLE001 (whatever it is, it must not hide the failure)
                text = f"not told: {error}"
            report.sections.append((title, text))
    if (failed := healing.failed_in_succession()) >= FAILED_HEALS:
        item.session.shouldstop = f"lab {lab_settings.NUMBER} is dead: {failed} heals in succession failed"


def _pack(chosen):
    return f"packed in {lab.collect(chosen)}"


_PACKED = pytest.StashKey[set]()
_FAILED = pytest.StashKey[bool]()
