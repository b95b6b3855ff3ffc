"""Resource pools in pure Python over R version 1, as a fluxplug plugin: `rv1` (worst-fit) and `tree` (by locality, RFC 49)."""

from __future__ import annotations

from fluxplug.hookspecs import hookimpl


@hookimpl
def fluxplug_register_pools() -> list[type]:
    from fluxplug_pool_rv1.pool import Rv1Pool  # noqa: PLC0415 - only where a pool is looked up
    from fluxplug_pool_rv1.tree import TreePool  # noqa: PLC0415

    return [Rv1Pool, TreePool]
