"""What the plugin manager loads: the executor's registration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug.hookspecs import hookimpl
from fluxplug_exec_local.executor import Local

if TYPE_CHECKING:
    from fluxplug.exec import Executor


@hookimpl
def fluxplug_register_executors() -> list[type[Executor]]:
    return [Local]
