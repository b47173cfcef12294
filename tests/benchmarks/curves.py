# SPDX-License-Identifier: Apache-2.0
"""Costs by the size of a cloud: how they grow, in numbers and as a picture."""

import dataclasses
import math
from xml.sax.saxutils import escape


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


@dataclasses.dataclass(frozen=True)
class Panel:
    """One of the diagrams of a picture.

    :param title: what is shown, with its unit
    :param lines: ``{name: {size: cost}}``
    """

    title: str
    lines: dict


WIDTH, HEIGHT, MARGIN = 340, 260, 46
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7a5195")


def picture(panels):
    """The panels, two in a row, both axes logarithmic, as SVG's text."""
    places = [(WIDTH * (number % 2), HEIGHT * (number // 2)) for number in range(len(panels))]
    drawn = "".join(f'<g transform="translate({x} {y})">{_panel(p)}</g>' for (x, y), p in zip(places, panels))
    size = f'width="{2 * WIDTH}" height="{places[-1][1] + HEIGHT}"'
    style = 'font-family="sans-serif" font-size="11"'
    ground = '<rect width="100%" height="100%" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{ground}{drawn}</svg>\n'


def _panel(panel):
    points = [(size, cost) for line in panel.lines.values() for size, cost in line.items() if cost > 0]
    across = _Axis([size for size, _ in points], MARGIN, WIDTH - 14)
    up = _Axis([cost for _, cost in points], HEIGHT - MARGIN, 34)
    parts = [_text(WIDTH / 2, 18, panel.title, "middle")]
    for value in across.decades():
        x = across.place(value)
        parts.append(_line([(x, up.begin), (x, up.end)], "#e4e4e4"))
        parts.append(_text(x, up.begin + 15, f"{value:,g}", "middle"))
    for value in up.decades():
        y = up.place(value)
        parts.append(_line([(across.begin, y), (across.end, y)], "#e4e4e4"))
        parts.append(_text(across.begin - 5, y + 4, f"{value:,g}", "end"))
    parts.append(_text((across.begin + across.end) / 2, HEIGHT - 14, "hosts", "middle"))
    for number, (name, line) in enumerate(panel.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [(across.place(size), up.place(cost)) for size, cost in line.items() if cost > 0]
        parts.append(_line(places, colour, 2))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append(_text(across.begin + 8, up.end + 14 + 14 * number, name, "start", colour))
    return "".join(parts)


class _Axis:
    """Where values stand on a logarithmic axis that reaches from one power of ten to another.

    :param begin: where it begins, in pixels
    :param end: where it ends
    """

    def __init__(self, values, begin, end):
        self.begin, self.end = begin, end
        self._low = math.floor(math.log10(min(values)))
        self._high = max(math.ceil(math.log10(max(values))), self._low + 1)

    def decades(self):
        """The powers of ten that it shows."""
        return [10.0**power for power in range(self._low, self._high + 1)]

    def place(self, value):
        """Where a value stands, in pixels."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self.begin + share * (self.end - self.begin)


def _line(places, colour, width=1):
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x, y, text, anchor, colour="#333"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
