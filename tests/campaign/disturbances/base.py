# SPDX-License-Identifier: Apache-2.0
"""What all disturbances have in common: how they are described to the plan, and how a run has them carried out."""

from tests.campaign.moments import MOMENTS

HOSTS, COMPUTE, BMC, CONTROL, CLOUD, OPERATOR = "host", "nova-compute", "BMC", "control", "cloud", "operator"


class Disturbance:
    """One kind of fault. A subclass says what it is as plain attributes, which the plan goes by, and does it.

    :cvar name: what it is called on the command line and in the tables
    :cvar group: of which part of the whole it is; beside the death a plan takes no two of one group
    :cvar is_death: it is how the host that is to be recovered can die
    :cvar may_live: for a death: the host may go on before anybody has fenced it
    :cvar lost_hosts: how many compute hosts it takes away
    :cvar moments: when it may strike, see ``moments``
    :cvar lasts: seconds that it stands, at least and at most
    :cvar deaths: names of the deaths that it goes with; any if empty
    :cvar needs_another_host: it is about a compute host that lives
    :cvar forgets: it may have Nova, or its message bus, lose what it has accepted
    :cvar spawn_seconds: how long a spawn takes in a run with it, None where that does not matter
    :cvar options: the engine's configuration file in a run with it, ``{section: {name: value}}``

    :param strike: the plan's ``Strike``
    :ivar began: when it began to be carried out, seconds since the epoch; the run sets it
    """

    name = group = None
    is_death = may_live = False
    lost_hosts = 0
    moments = MOMENTS
    lasts = (0, 0)
    deaths = ()
    needs_another_host = False
    forgets = False
    spawn_seconds = None
    options = {}

    def __init__(self, strike):
        self.strike = strike
        self.began = None

    def begin(self, field):
        """Break it; what takes its time does so here.

        :param field: the ``run.Field``
        :raises LabError: it could not be done
        """
        raise NotImplementedError

    def stand(self, field):
        """Wait for as long as it is to stand."""
        field.after(self.strike.lasts)

    def end(self, field):
        """Undo it; nothing where it was over at once."""

    def attend(self, field):
        """What an operator does now and then, all being mended, until all is well: nothing, as a rule."""

    @classmethod
    def what(cls):
        """What it is, in one line."""
        return " ".join(cls.__doc__.split())


class Death(Disturbance):
    """A compute host dies, by itself or by the hand of the fencing."""

    group = HOSTS
    is_death = True
    lost_hosts = 1

    def stand(self, field):
        """Stand until the host has lost its power, at the latest to its fencing, or nobody fences it."""
        field.until_off(self.strike.target, self.began)


class AtEnginesNode(Disturbance):
    """It befalls the node on which the engine runs, and is undone at that same one; how, say ``do`` and ``undo``."""

    _node = None

    def begin(self, field):
        self._node = field.engine_node()
        self.do(field, self._node)

    def end(self, field):
        if self._node:  # else there was no engine
            self.undo(field, self._node)


class Forgetful(Disturbance):
    """It may have Nova lose what it has accepted.

    What nova-compute gave up without a word, its answer lost, only an operator can end (docs/troubleshooting.md,
    "stuck"): here he is told sooner than by default, and does it.
    """

    forgets = True
    options = {"recovery": {"stuck_after": 60}}

    def attend(self, field):
        field.restart_nova_compute_where_stuck()
