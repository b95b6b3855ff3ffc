"""Jobs as processes: the executor `local` (in the server) and its agents (one process a rank)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug.hookspecs import hookimpl

if TYPE_CHECKING:
    from fluxplug.exec import Executor


@hookimpl
def fluxplug_register_executors() -> list[type[Executor]]:
    from fluxplug_exec_local.executor import Local  # noqa: PLC0415 - an agent imports this package too, and needs none of it

    return [Local]
