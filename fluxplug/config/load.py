"""sched.toml to a Config: every key known, of the right type and in range, every name owned by an installed plugin.

The keys of each table are declared in `tables`; this adds what no single key can say. Errors are ConfigError, `FILE:LINE: [table] key: what is wrong; what to do`; a plugin that cannot be loaded is a PluginError.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from attrs import NOTHING

from fluxplug.config.machine import ResourceConfig
from fluxplug.config.model import (
    Access,
    Config,
    InstanceConfig,
    JobPolicy,
    JobSize,
    Limits,
    QueueConfig,
    QueueParams,
    SchedConfig,
)
from fluxplug.config.options import describe, keys_of
from fluxplug.config.source import KeyProblem, read
from fluxplug.config.tables import (
    AccessTable,
    DefaultsTable,
    HostsTable,
    JobSizeTable,
    JobspecTable,
    LimitsTable,
    PluginsTable,
    PolicyTable,
    QueueTable,
    ResourceTable,
    SchedTable,
    SystemTable,
)
from fluxplug.discovery import find, select
from fluxplug.errors import DocumentError, PluginError
from fluxplug.plugins import Plugins
from fluxplug.resource.document import check_property
from fluxplug.suggest import instead

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fluxplug.config.source import KeyPath, Source
    from fluxplug.plugins import Registered, Registry

T = TypeVar("T")


TOP = ("plugins", "sched", "pool", "queues", "policy", "ingest", "priority", "executor", "instance", "resource")
INHERITED = ("hosts", "requires", "queue-policy", "queue-params", "policy-params")
"""Keys of a queue that a virtual one has from its parent."""


def load_config(path: str | Path, plugins: Plugins | None = None) -> Config:
    """Read a configuration file, with the plugins that its `[plugins]` chooses unless they are given.

    Raises ConfigError for the file, PluginError for a plugin that cannot be loaded.
    """
    path = Path(path)
    source = read(path)
    try:
        return _config(source, path, _plugins(source, path) if plugins is None else plugins)
    except KeyProblem as wrong:
        raise source.error(wrong) from wrong


def load_plugins(path: str | Path) -> Plugins:
    """Load the plugins that a file's `[plugins]` chooses; the rest of the file is not looked at.

    Raises ConfigError for that table, PluginError for a plugin that cannot be loaded.
    """
    path = Path(path)
    source = read(path)
    try:
        return _plugins(source, path)
    except KeyProblem as wrong:
        raise source.error(wrong) from wrong


def default_config(plugins: Plugins | None = None) -> Config:
    """The configuration of an empty file: EASY on the rv1 pool, one queue, no machine. Raises PluginError."""
    return Config(plugins=Plugins.load() if plugins is None else plugins)


def _plugins(source: Source, path: Path) -> Plugins:
    table = _read(PluginsTable, source.data.get("plugins", {}), ("plugins",))
    try:
        found = find(path.parent / folder for folder in table.path)
    except PluginError as error:
        raise KeyProblem(("plugins", "path"), str(error)) from error
    try:
        chosen = select(found, table.block)
    except PluginError as error:
        raise KeyProblem(("plugins", "block"), str(error)) from error
    return Plugins(chosen)


def _config(source: Source, path: Path, plugins: Plugins) -> Config:
    data = source.data
    for name, value in data.items():
        if name not in TOP:
            raise KeyProblem((name,), f"no such table{instead(name, TOP, 'tables')}")
        if not isinstance(value, dict):
            raise KeyProblem((name,), f"expected a table, got {describe(value)}")
    _read(PluginsTable, data.get("plugins", {}), ("plugins",))
    sched = _sched(data.get("sched", {}), plugins)
    told = _policy(data.get("policy", {}), ("policy",))
    policy = _job_policy(told, {}, ("policy",))
    queues = _queues(data.get("queues", {}), sched, told, plugins)
    if policy.default_queue is not None and policy.default_queue not in data.get("queues", {}):
        at = ("policy", "jobspec", "defaults", "system", "queue")
        raise KeyProblem(
            at,
            f"no queue is named {policy.default_queue!r}{instead(policy.default_queue, data.get('queues', {}), 'queues')}",
        )
    resource = _resource(data["resource"], path) if "resource" in data else None
    config = Config(
        sched,
        queues,
        resource,
        policy,
        _classes(data, "pool", plugins, (sched.pool,)),
        path,
        plugins,
        _ingest(data.get("ingest", {}), plugins),
        # Those that nobody named need not be installed.
        _classes(data, "executor", plugins, (sched.executor,) if "executor" in data.get("sched", {}) else ()),
        _classes(data, "priority", plugins, (sched.priority,) if "priority" in data.get("sched", {}) else ()),
        _read(InstanceConfig, data.get("instance", {}), ("instance",)),
    )
    _check_binding(config)
    return config


def _sched(raw: dict[str, Any], plugins: Plugins) -> SchedConfig:
    at = ("sched",)
    table = _read(SchedTable, raw, at)
    _named(plugins.pools, table.pool, (*at, "pool"))
    policy = _named(plugins.policies, table.queue_policy, (*at, "queue-policy"))
    for axis in ("priority", "executor"):
        if axis in raw:
            _named(plugins.registry(axis), raw[axis], (*at, axis))
    return SchedConfig(
        table.pool,
        table.queue_policy,
        _read(QueueParams, table.queue_params, (*at, "queue-params")),
        _params(policy, table.policy_params, (*at, "policy-params")),
        table.executor,
        table.priority,
    )


def _classes(data: dict[str, Any], axis: str, plugins: Plugins, selected: Iterable[str]) -> dict[str, Any]:
    """The Config instances of the selected classes of an axis and of all that have a table, `[AXIS.NAME]`."""
    tables = data.get(axis, {})
    named = {name: _named(plugins.registry(axis), name, (axis, name)) for name in (*tables, *selected)}
    made = {name: _params(one, tables.get(name, {}), (axis, name)) for name, one in named.items()}
    return {name: params for name, params in made.items() if params is not None}


def _ingest(tables: dict[str, Any], plugins: Plugins) -> dict[str, Any]:
    """The Config instances of the ingest plugins that have a table, in the order of the file; None for one without keys."""
    named = {name: _named(plugins.ingest, name, ("ingest", name)) for name in tables}
    return {name: _params(one, tables[name], ("ingest", name)) for name, one in named.items()}


def _queues(raw: dict[str, Any], sched: SchedConfig, told: dict[str, Any], plugins: Plugins) -> tuple[QueueConfig, ...]:
    tables = {}
    for name, table in raw.items():
        _property(f"+{name}", ("queues", name), "a queue")
        tables[name] = _read(QueueTable, table, ("queues", name))
    own = {name: _queue_policy(table, ("queues", name, "policy")) for name, table in tables.items()}
    made = {}
    for name in sorted(tables, key=lambda name: tables[name].parent is not None):  # virtual ones last
        table, inherited = tables[name], told
        if table.parent is not None:
            _check_virtual(name, raw[name], tables, own[name])
            inherited = {**told, **own[table.parent]}
        policy = _job_policy(own[name], inherited, ("queues", name, "policy"))
        if table.parent is None:
            made[name] = _queue(name, table, policy, sched, plugins)
        else:
            made[name] = attrs.evolve(made[table.parent], name=name, policy=policy, parent=table.parent)
    return tuple(made[name] for name in tables)


def _check_virtual(name: str, raw: dict[str, Any], tables: dict[str, QueueTable], own: dict[str, Any]) -> None:
    """A virtual queue is of a queue that is none, and has a policy for jobs alone (RFC 33)."""
    at = ("queues", name)
    parent = raw["parent"]
    real = [one for one, table in tables.items() if table.parent is None]
    if parent not in tables:
        raise KeyProblem((*at, "parent"), f"no queue is named {parent!r}{instead(parent, real, 'queues')}")
    if parent not in real:
        raise KeyProblem((*at, "parent"), f"{parent!r} is a virtual queue; name one without a parent")
    for key in INHERITED:
        if key in raw:
            raise KeyProblem((*at, key), "a virtual queue has that of its parent; take it out")
    if "scheduler" in own:
        raise KeyProblem((*at, "policy", "scheduler"), "a virtual queue has that of its parent; take it out")


def _queue_policy(table: QueueTable, at: KeyPath) -> dict[str, Any]:
    """What the policy table of a queue says; see `_policy`."""
    own = _policy(table.policy, at)
    if "queue" in own:
        where = (*at, "jobspec", "defaults", "system", "queue")
        raise KeyProblem(where, "the default queue is global; set it in [policy.jobspec.defaults.system]")
    return own


def _queue(name: str, table: QueueTable, policy: JobPolicy, sched: SchedConfig, plugins: Plugins) -> QueueConfig:
    at = ("queues", name)
    chosen = _named(plugins.policies, table.queue_policy or sched.queue_policy, (*at, "queue-policy"))
    if table.policy_params is not None or chosen.name != sched.queue_policy:
        policy_params = _params(chosen, table.policy_params or {}, (*at, "policy-params"))
    else:
        policy_params = sched.policy_params
    if table.hosts is not None and table.requires:
        raise KeyProblem((*at, "hosts"), "a queue has either hosts or requires; take one of them out")
    for place, one in enumerate(table.requires):
        _property(one, (*at, "requires", place), "a property")
    return QueueConfig(
        name,
        chosen.name,
        sched.queue_params
        if table.queue_params is None
        else _read(QueueParams, table.queue_params, (*at, "queue-params")),
        policy_params,
        table.requires,
        table.hosts,
        policy,
    )


def _policy(raw: Any, at: KeyPath) -> dict[str, Any]:
    """What a policy table says, flat, and only what it says, so that a queue's keys can be laid over the global ones."""
    table = _read(PolicyTable, raw, at)
    jobspec = _read(JobspecTable, table.jobspec, (*at, "jobspec"))
    defaults = _read(DefaultsTable, jobspec.defaults, (*at, "jobspec", "defaults"))
    system = _read(SystemTable, defaults.system, (*at, "jobspec", "defaults", "system"))
    limits = _read(LimitsTable, table.limits, (*at, "limits"))
    size = _read(JobSizeTable, limits.job_size, (*at, "limits", "job-size"))
    access = _read(AccessTable, table.access, (*at, "access"))
    told = {
        "queue": system.queue,
        "default": system.duration,
        "limit": limits.duration,
        "users": access.allow_user,
        "groups": access.allow_group,
        "scheduler": table.scheduler,
    }
    for bound, sizes in (("max", size.max), ("min", size.min)):
        checked = _read(JobSize, sizes, (*at, "limits", "job-size", bound))
        told |= {f"{bound}.{name}": getattr(checked, name) for name in ("nnodes", "ncores", "ngpus")}
    return {name: value for name, value in told.items() if value is not None}


def _job_policy(own: dict[str, Any], inherited: dict[str, Any], at: KeyPath) -> JobPolicy:
    told = {**inherited, **own}
    default = told.get("default") or math.inf
    limit = told.get("limit") or math.inf
    if told.get("default") and default > limit:
        where = (*at, "jobspec", "defaults", "system", "duration") if "default" in own else (*at, "limits", "duration")
        raise KeyProblem(
            where, f"the default duration, {default:g} s, is over the limit, {limit:g} s; change one of them"
        )
    sizes: dict[str, dict[str, int]] = {"max": {}, "min": {}}
    for name in ("nnodes", "ncores", "ngpus"):
        for bound, values in sizes.items():
            if told.get(f"{bound}.{name}", -1) >= 0:
                values[name] = told[f"{bound}.{name}"]
        if sizes["min"].get(name, 0) > sizes["max"].get(name, math.inf):
            where = (*at, "limits", "job-size", "min" if f"min.{name}" in own else "max", name)
            raise KeyProblem(
                where, f"min is {sizes['min'][name]} and max is {sizes['max'][name]}: no job fits; change one of them"
            )
    return JobPolicy(
        told.get("queue"),
        None if default == math.inf else default,
        Limits(limit, JobSize(**sizes["max"]), JobSize(**sizes["min"])),
        Access(told.get("users"), told.get("groups")),
        told.get("scheduler"),
    )


def _resource(raw: dict[str, Any], path: Path) -> ResourceConfig:
    at = ("resource",)
    for alone in ("path", "config"):
        if alone in raw and len(raw) > 1:
            other = next(name for name in raw if name != alone)
            if other in keys_of(ResourceTable) or other == "config":
                raise KeyProblem(
                    (*at, other), f"does not go with {alone}, which describes the whole machine; take one of them out"
                )
    if "config" in raw and len(raw) == 1:
        if not isinstance(raw["config"], list):
            raise KeyProblem((*at, "config"), f"expected a list of tables, got {describe(raw['config'])}")
        return ResourceConfig.listed(
            [_read(HostsTable, one, (*at, "config", i)) for i, one in enumerate(raw["config"])]
        )
    table = _read(ResourceTable, raw, at, extra=("config",))
    if table.path is not None:
        return ResourceConfig(path=path.parent / table.path)
    for name, ids in table.properties.items():
        if not isinstance(ids, str):
            raise KeyProblem((*at, "properties", name), f"expected a string of node numbers, got {describe(ids)}")
    return ResourceConfig.uniform(table.nodes, table.cores, table.gpus, table.hosts, table.properties)


def _check_binding(config: Config) -> None:
    """Each queue has nodes on the machine, as far as the machine is known."""
    machine = config.machine()
    if machine is None:
        return
    known = [name for name, ranks in machine["execution"].get("properties", {}).items() if ranks and name[0] != "+"]
    for queue in config.engine_queues:
        for place, name in enumerate(queue.requires):
            if name not in known:
                at = ("queues", queue.name, "requires", place)
                raise KeyProblem(at, f"no node has the property {name!r}{instead(name, known, 'properties')}")


def _named(registry: Registry, name: str, at: KeyPath) -> Registered:
    if name not in registry:
        raise KeyProblem(at, registry.missing(name))
    return registry[name]


def _params(one: Registered, raw: Any, at: KeyPath) -> Any:
    """An instance of a plugin class's Config; None where it has none."""
    if not isinstance(raw, dict):
        raise KeyProblem(at, f"expected a table, got {describe(raw)}")
    if one.config is None:
        if raw:
            raise KeyProblem(at, f"{one.name!r} has no parameters; take them out")
        return None
    try:
        return _read(one.config, raw, at)
    except TypeError as error:
        raise PluginError(f"plugin {one.plugin!r} of {one.owner}: {one.axis} {one.name!r}: {error}") from error


def _property(name: str, at: KeyPath, what: str) -> None:
    try:
        check_property(name, "")
        if len(name.split()) != 1 or name != name.strip():
            raise DocumentError("", "it contains blanks")
    except DocumentError as error:
        raise KeyProblem(at, f"{name.removeprefix('+')!r} cannot be the name of {what}: {error.reason}") from error


def _read(cls: type[T], raw: Any, at: KeyPath, extra: Sequence[str] = ()) -> T:
    """A table as an instance of its class. Raises KeyProblem; TypeError for a class that declares no proper keys."""
    if not isinstance(raw, dict):
        raise KeyProblem(at, f"expected a table, got {describe(raw)}")
    keys = keys_of(cls)
    given = {}
    for name, value in raw.items():
        key = keys.get(name)
        if key is None:
            raise KeyProblem((*at, name), f"unknown key{instead(name, [*keys, *extra], 'keys')}")
        try:
            given[key.field] = key.convert(value)
        except ValueError as error:
            raise KeyProblem((*at, name), str(error)) from error
    missing = [name for name, key in keys.items() if key.default is NOTHING and key.field not in given]
    if missing:
        raise KeyProblem(at, f"has to say {' and '.join(missing)}; add the key")
    try:
        return cls(**given)
    except (ValueError, attrs.exceptions.NotAnAttrsClassError) as error:  # a validator of the plugin's own
        raise KeyProblem(at, str(error)) from error
