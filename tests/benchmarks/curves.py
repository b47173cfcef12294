# SPDX-License-Identifier: Apache-2.0
"""Costs by the size of a cloud: how they grow, in numbers and as a picture."""


def growth(costs):
    """What one of them costs at each size, relative to the size before: 1 is linear, 0 a cost that does not grow.

    :param costs: ``{size: cost}``, sizes ascending
    :return: ``{size: growth}``, None for the first, and where the size before costs nothing
    """
    found, before = {}, None
    for size, cost in costs.items():
        found[size] = None if not before or not before[1] else (cost / before[1]) / (size / before[0])
        before = (size, cost)
    return found
