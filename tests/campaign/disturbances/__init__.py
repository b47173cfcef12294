# SPDX-License-Identifier: Apache-2.0
"""What can be broken: a class for each kind of fault, as Pacemaker's CTS has it; ``base`` says what such a class is."""

from tests.campaign.disturbances import bmcs, clouds, controls, hosts, operators, services

# Neighbours are of different parts, so that a few runs with seeds one after another have seen something of each.
_PARTS = [list(part.KINDS) for part in (hosts, clouds, controls, operators, bmcs, services)]
KINDS = {
    kind.name: kind
    for turn in range(max(map(len, _PARTS)))
    for kind in (part[turn] for part in _PARTS if turn < len(part))
}
