"""The resource graph as a fluxplug plugin: readers, matcher, writers, the pool `graph`, the commands `resource discover`, `resource graph` and `resource-query`, and `ReapiCli`."""

from __future__ import annotations

from fluxplug.hookspecs import hookimpl


@hookimpl
def fluxplug_register_commands() -> list[type]:
    from fluxplug_pool_graph.commands import ResourceDiscover, ResourceGraph, ResourceQuery  # noqa: PLC0415 - only where a command is looked up

    return [ResourceDiscover, ResourceGraph, ResourceQuery]


@hookimpl
def fluxplug_register_pools() -> list[type]:
    from fluxplug_pool_graph.pool import GraphPool  # noqa: PLC0415 - only where a pool is looked up

    return [GraphPool]


@hookimpl
def fluxplug_register_reapi() -> type:
    from fluxplug_pool_graph.reapi import GraphReapi  # noqa: PLC0415

    return GraphReapi
