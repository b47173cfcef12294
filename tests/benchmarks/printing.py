# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks print: which versions were measured, and tables."""

import datetime
import platform

import nova_ha


def heading(what):
    """A line that says what was measured, when, and with which versions."""
    now = f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"
    return f"{what}; {now}, nova-ha {nova_ha.__version__}, Python {platform.python_version()}"


def table(columns, rows):
    """Lines of text: a heading and a line for each row, each column as wide as it needs to be.

    :param rows: sequences as long as ``columns``; numbers are set to the right, floats with two digits
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *texts)]
    right = [all(isinstance(row[place], (int, float)) for row in rows) for place in range(len(columns))]
    return [
        "  ".join(cell.rjust(width) if is_right else cell.ljust(width) for cell, width, is_right in zip(
            line, widths, right
        )).rstrip()
        for line in [columns, *texts]
    ]  # fmt: skip


def _text(cell):
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
