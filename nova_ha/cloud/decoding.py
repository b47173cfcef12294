# SPDX-License-Identifier: Apache-2.0
"""JSON answers of OpenStack's services -> Python's own types; what is none of those is told from it."""

from __future__ import annotations

import itertools
from typing import Any, NoReturn

import requests

from nova_ha.cloud.errors import Unreachable


class Answer(dict[str, Any]):
    """The members of an answer; one that is missing shows that it was not OpenStack that answered.

    :param url: what was asked
    :raises Unreachable: it is not the JSON of an object, or a member is asked for that it does not have
    """

    def __init__(self, response: requests.Response, url: str) -> None:
        self._url = url
        try:
            members = response.json()
        except ValueError as error:
            raise Unreachable(f"{url}: what answered is not OpenStack: {response.text[:60]!r}") from error
        if not isinstance(members, dict):
            raise Unreachable(f"{url}: what answered is not OpenStack: {str(members)[:60]!r}")
        super().__init__(members)

    def __missing__(self, key: str) -> NoReturn:
        raise Unreachable(f"{self._url}: what answered is not OpenStack: no {key} in {str(dict(self))[:60]!r}")

    def next_query(self) -> str | None:
        """The query of the next page of a list, None if this is the last.

        Nova and Glance link to their own idea of their address, which may not be the catalog's: only the query is kept.
        """
        links = itertools.chain.from_iterable(member for key, member in self.items() if key.endswith("_links"))
        link = next((link["href"] for link in links if link["rel"] == "next"), self.get("next"))
        return str(link).partition("?")[2] if link else None
