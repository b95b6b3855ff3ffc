"""fluxplug: a job scheduler for clusters, made of plugins. ARCHITECTURE.md says in which order to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fluxplug.handle import Flux as Flux

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Flux":  # imported when it is first asked for: most programs and commands need none
        from fluxplug.handle import Flux  # noqa: PLC0415

        return Flux
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
