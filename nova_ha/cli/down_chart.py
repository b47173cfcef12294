# SPDX-License-Identifier: Apache-2.0
"""How many instances of a host were down, over time, as a picture in SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nova_ha.reporting.recovery_report import Phase, Report

# The picture, and within it the plot.
_WIDTH, _HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 944, 44, 262

# Ticks on an axis, about.
_TICKS = 6
# Marks of phases that are nearer to each other than so much stand in rows.
_APART, _ROWS = 16, 3


def figure(found: Report) -> str:
    """The picture with its caption; "" if no instance was to be evacuated."""
    down = found["down"]
    if down[0][1] == 0:
        return ""
    longest = max([down[-1][0], *(phase["seconds"] for phase in found["phases"] if _is_near(phase, down)), 1.0]) * 1.06
    most = down[0][1]
    parts = [
        *(_tick_below(second, longest) for second in _ticks(longest)),
        *(_tick_left(number, most) for number in _ticks(most, whole=True)),
        _steps(down, longest, most),
        *_marks([(number, each) for number, each in enumerate(found["phases"], 1) if _is_near(each, down)], longest),
        f'<text x="{_RIGHT}" y="{_HEIGHT - 2}" text-anchor="end">seconds since the host was taken up</text>',
    ]
    label = f"{most:.0f} instances down at first, {down[-1][1]:.0f} after {down[-1][0]:.0f} seconds"
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
    picture = "\n".join([head, *parts, "</svg>"])
    caption = "Instances that are to be evacuated, and not elsewhere yet. The numbers are those of the phases below."
    return f"<figure>\n{picture}\n<figcaption>{caption}</figcaption>\n</figure>"


def _is_near(phase: Phase, down: Sequence[Sequence[float]]) -> bool:
    """Whether a phase is in the picture: the host's return may come hours after its last instance was elsewhere."""
    return phase["seconds"] <= max(2 * down[-1][0], 10.0)


def _x(second: float, longest: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * second / longest


def _y(number: float, most: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * number / most


def _ticks(end: float, whole: bool = False) -> list[float]:
    """Round numbers from 0 to an end."""
    rough = end / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    step = max(1.0, step) if whole else step
    return [number * step for number in range(int(end / step) + 1)]


def _tick_below(second: float, longest: float) -> str:
    x = _x(second, longest)
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_BOTTOM}" y2="{_BOTTOM + 5}" stroke="var(--line)"/>'
        f'<text x="{x:.1f}" y="{_BOTTOM + 19}" text-anchor="middle">{second:g}</text>'
    )


def _tick_left(number: float, most: float) -> str:
    y = _y(number, most)
    return (
        f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
        f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number:g}</text>'
    )


def _steps(down: Sequence[Sequence[float]], longest: float, most: float) -> str:
    """The line, and the area below it."""
    path = f"M{_x(0, longest):.1f} {_y(down[0][1], most):.1f}"
    for second, number in down[1:]:
        path += f"H{_x(second, longest):.1f}V{_y(number, most):.1f}"
    path += f"H{_RIGHT}"
    area = f"{path}V{_BOTTOM}H{_LEFT}Z"
    line = f'<path d="{path}" fill="none" stroke="var(--mark)" stroke-width="2" stroke-linejoin="round"/>'
    return f'<path d="{area}" fill="var(--fill)"/>\n{line}'


def _marks(phases: Sequence[tuple[int, Phase]], longest: float) -> list[str]:
    """The phases: a line for each, and its number above."""
    found = []
    taken = [-math.inf] * _ROWS
    for number, phase in sorted(phases, key=lambda each: each[1]["seconds"]):
        x = _x(phase["seconds"], longest)
        row = next((row for row in range(_ROWS) if x - taken[row] >= _APART), _ROWS - 1)
        # Where all rows are taken, it stands beside its line.
        at = max(x, taken[row] + _APART)
        taken[row] = at
        y = _TOP - 6 - row * 13
        found.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 3}" y2="{_BOTTOM}" stroke="var(--dim)"'
            ' stroke-dasharray="2 4"/>'
            f'<text x="{at:.1f}" y="{y}" text-anchor="middle">{number}</text>'
        )
    return found
