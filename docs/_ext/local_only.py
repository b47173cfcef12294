# SPDX-License-Identifier: Apache-2.0
"""Fails a build of the site of which a page would load anything from another machine, as the theme's own pages do."""

from __future__ import annotations

import pathlib
import re
from typing import Any

from sphinx.errors import ExtensionError

FOREIGN = re.compile(
    r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=["'](?:https?:)?//[^"']*|\burl\s*:\s*["']https?://[^"']*"""
)


def _check(app: Any, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    for page in pathlib.Path(app.outdir).rglob("*.html"):
        found = FOREIGN.search(page.read_text(encoding="utf-8"))
        if found:
            raise ExtensionError(f"{page.relative_to(app.outdir)} would load from another machine: {found.group()}")


def setup(app: Any) -> dict[str, bool]:
    """Make it known to Sphinx."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
