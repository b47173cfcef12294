# SPDX-License-Identifier: Apache-2.0
"""How Pacemaker's own programs are run, and their answers read.

Each call runs one of them with a clean environment and a time limit. Nothing is remembered between calls.
"""

from __future__ import annotations

from typing import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from nova_ha.cluster import cib
from nova_ha.cluster.errors import ClusterError, NotInstalled
from nova_ha.system import programs

# Inside an agent the environment carries the operation's own OCF_* values, and Pacemaker's tools heed some of
# them: with OCF_RESKEY_CRM_meta_on_node set, 2.1.5 answers for the local node only. It may carry passwords too.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

# Runs a program within so many seconds; returns (exit code, standard output, standard error).
Runner = Callable[[list[str], float], tuple[int, str, str]]

# Exit codes of Pacemaker's tools (crm_error --list --exit).
_NO_SUCH_OBJECT = 105


def run(command: list[str], timeout: float) -> tuple[int, str, str]:
    """Run one of Pacemaker's programs; return (exit code, standard output, standard error).

    :param timeout: seconds
    :raises NotInstalled: there is no such program
    :raises ClusterError: it did not end in time
    """
    try:
        return programs.run(command, timeout, _ENVIRONMENT)
    except FileNotFoundError as error:
        raise NotInstalled(f"{command[0]} is not installed") from error
    except programs.NotInTime as error:
        raise ClusterError(f"{command[0]} did not answer within {timeout} s") from error


class Tools:
    """Pacemaker's programs.

    :param timeout: seconds that one of them may take
    :param runner: see ``run``
    """

    def __init__(self, timeout: float = 20, runner: Runner = run) -> None:
        self._timeout = timeout
        self._run = runner

    def _query(self, xpath: str) -> list[Element]:
        """The elements that match."""
        command = ["cibadmin", "--query", "--xpath", xpath]
        code, out, err = self._run(command, self._timeout)
        if code == _NO_SUCH_OBJECT:
            return []
        if code != 0:
            raise ClusterError(f"the cluster's configuration cannot be read: {_last_line(err)}")
        root = cib.parse(out)
        # A single match comes bare, several come wrapped.
        return list(root) if root.tag == "xpath-query" else [root]

    def _status(self, parts: str) -> Element:
        """What crm_mon says of these parts of the cluster's status."""
        command = ["crm_mon", "--one-shot", "--output-as=xml", f"--include=none,{parts}"]
        return cib.parse(self._demand(command, "state of the cluster not known"))

    def _swap(self, pair: Element, guarded: str, new: str | None) -> None:
        """Give a pair of the configuration another value (None deletes it), if it is still what it was.

        The comparison is made by the CIB manager itself, in one step with the change. Whether it was made, only a look
        tells: deleting what does not match counts as success.

        :param guarded: XPath of the pair as it was, its value included
        """
        if new is None:
            command = ["cibadmin", "--delete", "--xpath", guarded]
        else:
            pair.set("value", new)
            text = ElementTree.tostring(pair, encoding="unicode").strip()
            command = ["cibadmin", "--replace", "--xpath", guarded, "--xml-text", text]
        code, _out, err = self._run(command, self._timeout)
        if code not in (0, _NO_SUCH_OBJECT):
            raise ClusterError(f"{guarded} not changed to {new!r}: {_last_line(err)}")

    def _merge(self, guarded: str, element: Element) -> bool:
        """Merge an element into the one of the configuration that matches; returns whether one did.

        The CIB manager looks and merges in one step. ``cibadmin --create`` would not do: it does not heed an XPath, and
        adds to the root (measured, Pacemaker 2.1.5).

        :param guarded: XPath of the element, and of what must not be in it
        :param element: what has an id that is there already is changed, all else is added
        """
        text = ElementTree.tostring(element, encoding="unicode")
        code, _out, err = self._run(["cibadmin", "--modify", "--xpath", guarded, "--xml-text", text], self._timeout)
        if code not in (0, _NO_SUCH_OBJECT):
            raise ClusterError(f"{guarded} not changed: {_last_line(err)}")
        return code == 0

    def _demand(self, command: list[str], failure: str) -> str:
        code, out, err = self._run(command, self._timeout)
        if code != 0:
            raise ClusterError(f"{failure}: {command[0]} said: {_last_line(err)}")
        return out


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "nothing"
