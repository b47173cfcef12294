# SPDX-License-Identifier: Apache-2.0
"""Which images operators have marked: Glance's lists. novaclient has none of them, so they are read by the session."""

from __future__ import annotations

import itertools
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from nova_ha.cloud.decoding import Answer
from nova_ha.cloud.session import Access

_PATH = "/v2/images"


def marked(access: Access, tag: str) -> frozenset[str]:
    """The ids of the images that carry a tag, or a property of that name that is ``true``; also of hidden ones."""
    found: set[str] = set()
    # Glance leaves out the images that operators hide, as they do with old ones, unless it is asked for those.
    seen: tuple[Mapping[str, str], ...] = ({}, {"os_hidden": "true"})
    for chosen, hidden in itertools.product(({tag: "true"}, {"tag": tag}), seen):
        found.update(image["id"] for image in _images(access, {**chosen, **hidden}))
    return frozenset(found)


def _images(access: Access, wanted: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Yield the members of a list, read page after page."""
    query: str | None = urllib.parse.urlencode(wanted, quote_via=urllib.parse.quote, safe="")
    while query is not None:
        url = f"{_PATH}?{query}"
        page = Answer(access.request("image", "GET", url), url)
        yield from page["images"]
        query = page.next_query()
