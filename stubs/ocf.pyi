# SPDX-License-Identifier: Apache-2.0
# What nova-ha uses of resource-agents' ocf.py, which has no types.
import logging
from collections.abc import Callable
from typing import NoReturn

OCF_SUCCESS: int
OCF_ERR_GENERIC: int
OCF_ERR_ARGS: int
OCF_ERR_UNIMPLEMENTED: int
OCF_ERR_INSTALLED: int
OCF_ERR_CONFIGURED: int
OCF_NOT_RUNNING: int

OCF_RESOURCE_INSTANCE: str | None

log: logging.Logger
logger: logging.LoggerAdapter[logging.Logger]

def ocf_exit_reason(msg: str) -> None: ...
def is_probe() -> bool: ...

class Parameter:
    def __init__(
        self,
        name: str,
        shortdesc: str,
        longdesc: str,
        content_type: str,
        unique: bool,
        required: bool,
        default: str | None,
    ) -> None: ...
    def to_xml(self) -> str: ...

class Agent:
    parameters: list[Parameter]
    def __init__(
        self, name: str, shortdesc: str, longdesc: str, version: float = ..., ocf_version: float = ...
    ) -> None: ...
    def add_action(
        self,
        name: str,
        timeout: int | None = ...,
        interval: int | None = ...,
        depth: int | None = ...,
        role: str | None = ...,
        handler: Callable[[], int] | None = ...,
    ) -> Agent: ...
    def to_xml(self) -> str: ...
    def run(self) -> NoReturn: ...
