"""Jobs as processes: the executor `local` (in the server) and its agents (one process a rank).

The hook is in `plugin`, and loaded when somebody asks for it: an agent, which imports this package too, does without all that a server needs.
"""

from __future__ import annotations

from typing import Any

_HOOK = "fluxplug_register_executors"


def __getattr__(name: str) -> Any:
    if name == _HOOK:
        from fluxplug_exec_local.plugin import fluxplug_register_executors  # noqa: PLC0415

        return fluxplug_register_executors
    raise AttributeError(f"module {__name__} has no attribute {name}")


def __dir__() -> list[str]:
    return [*globals(), _HOOK]
