"""From a configuration to the objects that run it: pool, policies, priorities, engine, executor. Used by every driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from fluxplug.config.options import keys_of
from fluxplug.engine.engine import Engine
from fluxplug.errors import ConfigError
from fluxplug.priority import Priorities, PrioritySite, Urgency

if TYPE_CHECKING:
    from pathlib import Path

    from fluxplug.clock import Clock, ManualClock
    from fluxplug.config import Config, QueueConfig
    from fluxplug.exec import Executor, ExecutorSite
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
        bound = next((queue.name for queue in config.engine_queues if queue.hosts is not None), None)
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
    """The parameters of a plugin as arguments."""
    if params is None:
        return {}
    return attrs.asdict(_placed(params, source), recurse=False)


def _placed(params: Any, source: Path | None) -> Any:
    """The parameters of a plugin with its files where the configuration means them: relative to its folder."""
    if params is None or source is None:
        return params
    given = {key.field: getattr(params, key.field) for key in keys_of(type(params)).values() if key.unit == "path"}
    moved = {name: str(source.parent / path) for name, path in given.items() if path is not None}
    return attrs.evolve(params, **moved) if moved else params


def build_policy(queue: QueueConfig, plugins: Plugins) -> QueuePolicy:
    """A new policy object for one queue. Raises PluginError where it is not installed."""
    registered = plugins.policies[queue.queue_policy]
    params = queue.policy_params
    if params is None and registered.config is not None:
        params = registered.config()
    policy: QueuePolicy = registered.cls(params) if registered.config is not None else registered.cls()
    return policy


def build_priorities(
    config: Config, plugins: Plugins, pool: ResourcePoolImplementation, clock: ManualClock
) -> Priorities:
    """What gives the jobs of one engine their priorities: the plugin of `[sched] priority`, behind the hooks.

    `clock` is the engine's. Raises PluginError where the plugin is not installed, and ConfigError where its keys do not fit the queues.
    """
    first = plugins.job_priority if plugins.wants("job_priority") else None
    name = config.sched.priority
    if name == Urgency.name:
        return Priorities(Urgency(), clock, first)
    registered = plugins.priorities[name]
    machine = pool.to_set()
    site = PrioritySite(machine.count("core"), len(machine.ranks), tuple(queue.name for queue in config.all_queues))
    plugin = registered.cls(_placed(config.priority_params, config.source), site)
    return Priorities(plugin, clock, first, registered.owner)


def build_engine(
    config: Config,
    plugins: Plugins,
    pool: ResourcePoolImplementation,
    clock: ManualClock,
    *,
    log: bool = True,
    told: bool = False,
    priorities: Priorities | None = None,
) -> Engine:
    """An engine with the queues of the configuration that are not virtual, in its order, and the hooks that plugins implement.

    A driver that brings priorities up to date makes them itself, by `build_priorities`. Raises what that raises.
    """
    if priorities is None:
        priorities = build_priorities(config, plugins, pool, clock)
    return Engine(
        pool,
        {queue.name: (build_policy(queue, plugins), queue.queue_params.depth) for queue in config.engine_queues},
        clock=clock,
        priority=priorities.function,
        dependencies=plugins.job_dependencies if plugins.wants("job_dependencies") else None,
        begin_pass=plugins.pass_begin if plugins.wants("pass_begin") else None,
        end_pass=plugins.pass_end if plugins.wants("pass_end") else None,
        log=log,
        told=told,
    )


def build_executor(config: Config, plugins: Plugins, site: ExecutorSite) -> Executor:
    """The executor that the configuration names; `open` has not been called. Raises PluginError where it is not installed."""
    executor: Executor = plugins.executors[config.sched.executor].cls(
        _placed(config.executor_params, config.source), site
    )
    return executor
