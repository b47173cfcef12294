# SPDX-License-Identifier: Apache-2.0
# What fence_compute uses of fence-agents' fencing.py, which has no types.
from collections.abc import Callable, Mapping

EC_OK: int
EC_GENERIC_ERROR: int

all_opt: dict[str, dict[str, object]]

def atexit_handler() -> None: ...
def process_input(avail_opt: list[str]) -> dict[str, str]: ...
def check_input(device_opt: list[str], opt: dict[str, str], other_conditions: bool = ...) -> dict[str, str]: ...
def show_docs(options: dict[str, str], docs: Mapping[str, str] | None = ...) -> None: ...
def run_delay(options: dict[str, str], reserve: int = ..., result: int = ...) -> None: ...
def fence_action(
    connection: None,
    options: dict[str, str],
    set_power_fn: None,
    get_power_fn: Callable[[None, dict[str, str]], str],
    get_outlet_list: Callable[[None, dict[str, str]], dict[str, tuple[str, str]]],
) -> int: ...
