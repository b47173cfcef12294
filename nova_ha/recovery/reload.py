# SPDX-License-Identifier: Apache-2.0
"""How a running engine takes over another configuration: between two passes, without losing what it knows.

It takes over its file's sections but ``[nova]``, and those parameters of the agent that are marked as reloadable; what
else has changed is for the next start. A configuration that will not do leaves the former one in force, and the
cluster's operators are told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from oslo_config import cfg

from nova_ha.cloud import errors
from nova_ha.config import agent_parameters, loader
from nova_ha.config.options import GROUP
from nova_ha.model.reasons import Code
from nova_ha.policy.rules import Rules
from nova_ha.recovery.engine import Engine, log
from nova_ha.rundir.engine_state import RunState

RELOADABLE = frozenset(parameter.name for parameter in agent_parameters.ENGINE if parameter.reloadable)

# Options outside [nova] that cannot change while the engine runs.
_FIXED = ("workers", "attribute")


class Reload:
    """Takes over the configuration anew when it has been asked for.

    :param state: where the supervisor lays out changed parameters
    :param given: the parameters that the engine was started with
    :param conf: what they amounted to, see ``loader.load``
    :param others: called with another configuration that is taken over, for what goes by it beside the engine
    """

    def __init__(
        self,
        engine: Engine,
        state: RunState,
        given: Mapping[str, str],
        conf: cfg.ConfigOpts,
        others: Callable[[cfg.ConfigOpts], object] = lambda _conf: None,
    ) -> None:
        self._engine = engine
        self._state = state
        self._given = given
        self._fixed = _fixed(conf)
        self._others = others
        self._asked = False

    def ask(self, *_signal: object) -> None:
        """Have it done before the engine's next pass, which begins at once; a signal's handler."""
        self._asked = True
        self._engine.wake()

    def if_asked(self) -> None:
        """Do it, if it has been asked for since the last time."""
        if not self._asked:
            return
        self._asked = False
        try:
            self._take_over(self._changed())
        except errors.Misconfigured as error:
            log.error("the former configuration stays in force: %s", error)
            # Pacemaker keeps 128 characters of an exit reason: what is wrong comes first.
            self._state.complain("configuration", f"{Code.CONFIGURATION_REFUSED.value}: {error}")
        else:
            self._state.complain("configuration", None)
        self._state.taken_over()

    def _changed(self) -> Mapping[str, str]:
        """The parameters as they are to be now."""
        changes = self._state.take_changes()
        if changes is None:
            return self._given
        return {**{name: value for name, value in self._given.items() if name not in RELOADABLE}, **changes}

    def _take_over(self, given: Mapping[str, str]) -> None:
        """Have the engine go by these parameters, and by the file that they name.

        :raises answers.Misconfigured: they will not do; nothing has been changed
        """
        wrong = "; ".join(agent_parameters.problems(agent_parameters.ENGINE, given))
        if wrong:
            raise errors.Misconfigured(wrong)
        conf = loader.load(given)
        self._engine.reconfigure(Rules.from_options(conf), conf.recovery)
        self._others(conf)
        self._given = given
        set_level(given)
        log.info("the configuration has been read anew")
        fixed = _fixed(conf)
        later = sorted(name for name in {*fixed, *self._fixed} if fixed.get(name) != self._fixed.get(name))
        if later:
            log.warning("not taken over before the next start: %s", ", ".join(later))


def set_level(given: Mapping[str, str]) -> None:
    """Log as much as the agent's parameters ask for."""
    log.setLevel(logging.DEBUG if agent_parameters.is_true(given.get("verbose", "")) else logging.INFO)


def _fixed(conf: cfg.ConfigOpts) -> dict[str, object]:
    """What cannot change while the engine runs, as ``{name: value}``."""
    nova = {f"[{GROUP}] {option}": conf[GROUP][option] for option in conf[GROUP]}
    return {**nova, **{f"[recovery] {option}": conf.recovery[option] for option in _FIXED}}
