# SPDX-License-Identifier: Apache-2.0
"""A scenario: what is recorded from its first moment to its last, and what it says of how it has to end."""

import contextlib
import time

from tests.lab import history, recorder, workload
from tests.lab.guest import disk, refusals


class Scenario:
    """One scenario that is going on, or over."""

    def __init__(self, settings):
        self._settings = settings
        self._since = time.time()
        self._instances = {}
        self._flagged = set()
        self._returning = set()

    def expect(self, state, *instances):
        """Say what is to become of instances by the end.

        :param state: ``history.RUNNING``, ``PAUSED``, ``STOPPED``, ``SHELVED``, ``IN_ERROR``, ``GONE`` or ``UNSURE``
        :param instances: their ids
        """
        self._instances.update(dict.fromkeys(instances, state))

    def expect_all(self, states):
        """The same, ``{id: state}``."""
        self._instances.update(states)

    def may_stay_out(self, *hosts):
        """Excuse hosts that keep their flag, and are out of service, at the end."""
        self._flagged.update(hosts)

    def may_be_returning(self, *hosts):
        """Excuse hosts that were recovered, and are not back in service at the end."""
        self._returning.update(hosts)

    def history(self):
        """All that happened so far, with what Nova says now.

        :raises LabError: Nova does not answer
        """
        real = self._settings.real_guests
        return history.read(
            disks=disk.look() if real else None,
            refusals=refusals.read(self._settings.compute_hosts, self._since) if real else (),
            services=workload.services(self._settings),
            instances=workload.instances(self._settings),
            migrations=workload.migrations(self._settings),
            expected=history.Expected(
                dict(self._instances), frozenset(self._flagged), frozenset(self._returning)
            ),
        )


@contextlib.contextmanager
def recorded(settings):
    """Empty the records and record for as long as the block lasts; gives the ``Scenario``.

    No instance may exist when it begins, and all hosts must be up, but for those that come back without one.
    """
    history.forget()
    with recorder.recording(settings):
        yield Scenario(settings)
