# SPDX-License-Identifier: Apache-2.0
"""What a BMC does to its host: run by ipmi_sim as ``chassis NODE get NAME ...`` or ``chassis NODE set NAME VALUE ...``.

Answers ``NAME:VALUE`` for each that is got. An exit code other than 0 makes the BMC refuse the command.
"""

import sys
import time

from tests.lab import bmc, nodes, power
from tests.lab.shell import LabError


def main(node, verb, *words):
    """Get or set what the BMC asks for; unknown names are an error."""
    wrong = bmc.impairment(node)
    time.sleep(wrong["slow"])
    if verb == "get":
        for name in words:
            if name != "power":
                raise LabError(f"{node} has no {name} to get")
            print(f"power:{int(nodes.powered(node))}")
        return
    if wrong["refuses"]:
        raise LabError(f"{node}: the BMC was told to refuse")
    if wrong["lies"]:
        return
    for name, value in zip(words[::2], words[1::2]):
        if name == "reset" or (name, value) == ("power", "0"):
            power.power_off(node, by="bmc")
        if name == "reset" or (name, value) == ("power", "1"):
            power.power_on(node, by="bmc")
        if name not in ("power", "reset"):
            raise LabError(f"{node} has no {name} to set")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except LabError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
