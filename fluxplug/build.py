"""From a configuration to the objects that run it: the pool, the policies, the engine. Used by every driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from fluxplug.config.options import keys_of
from fluxplug.engine.engine import Engine, by_urgency
from fluxplug.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fluxplug.clock import Clock, ManualClock
    from fluxplug.config import Config, QueueConfig
    from fluxplug.engine.job import Job
    from fluxplug.plugins import Plugins
    from fluxplug.policy import QueuePolicy
    from fluxplug.resource.pool import ResourcePoolImplementation


def build_pool(config: Config, plugins: Plugins, clock: Clock) -> ResourcePoolImplementation:
    """The pool that the configuration names, over the machine that it describes; every node is up.

    A pool whose parameters say `describes_machine` brings its own. Raises ConfigError where there is no machine, or there are two, PluginError where the pool is not installed.
    """
    params = config.pool_params
    machine = config.machine()
    if getattr(params, "describes_machine", False):
        where = f"[pool.{config.sched.pool}] describes the machine"
        if machine is not None:
            raise ConfigError(f"{where}, and so does [resource] or the command line; take one of them out")
        bound = next((queue.name for queue in config.queues if queue.hosts is not None), None)
        if bound is not None:
            raise ConfigError(
                f"{where}: [queues.{bound}] hosts cannot name nodes of it; use requires, with properties that they have"
            )
    elif machine is None:
        raise ConfigError(
            "no machine: give --nodes and --cores, --resources R.json, or a [resource] table in the configuration"
        )
    options = _options(params, config.source)
    pool: ResourcePoolImplementation = plugins.pools[config.sched.pool].cls(machine, clock=clock, **options)
    pool.mark_up("all")
    return pool


def _options(params: Any, source: Path | None) -> dict[str, Any]:
    """The parameters of a plugin as arguments; files are relative to the folder of the configuration."""
    if params is None:
        return {}
    options = attrs.asdict(params, recurse=False)
    for key in keys_of(type(params)).values():
        if key.unit == "path" and options[key.field] is not None and source is not None:
            options[key.field] = str(source.parent / options[key.field])
    return options


def build_policy(queue: QueueConfig, plugins: Plugins) -> QueuePolicy:
    """A new policy object for one queue. Raises PluginError where it is not installed."""
    registered = plugins.policies[queue.queue_policy]
    params = queue.policy_params
    if params is None and registered.config is not None:
        params = registered.config()
    policy: QueuePolicy = registered.cls(params) if registered.config is not None else registered.cls()
    return policy


def build_engine(
    config: Config, plugins: Plugins, pool: ResourcePoolImplementation, clock: ManualClock, *, log: bool = True
) -> Engine:
    """An engine with the queues of the configuration, in its order, and the hooks that plugins implement."""
    return Engine(
        pool,
        {queue.name: (build_policy(queue, plugins), queue.queue_params.depth) for queue in config.all_queues},
        clock=clock,
        priority=_priority(plugins) if plugins.wants("job_priority") else by_urgency,
        dependencies=plugins.job_dependencies if plugins.wants("job_dependencies") else None,
        begin_pass=plugins.pass_begin if plugins.wants("pass_begin") else None,
        end_pass=plugins.pass_end if plugins.wants("pass_end") else None,
        log=log,
    )


def _priority(plugins: Plugins) -> Callable[[Job], int]:
    def priority(job: Job) -> int:
        chosen = plugins.job_priority(job)
        return by_urgency(job) if chosen is None else chosen

    return priority
