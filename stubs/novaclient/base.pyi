# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

class RequestIdMixin:
    @property
    def request_ids(self) -> list[str]: ...

class Manager:
    resource_class: type[dict[str, Any]]
    completion_cache: Callable[..., AbstractContextManager[None]]
    def __init__(self, api: object) -> None: ...
