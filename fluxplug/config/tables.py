"""The tables of sched.toml as written: their keys, types, ranges and one phrase each. `TABLES` has them all.

`load` reads the file by them and tests hold docs/config.md to them. What the tables mean is in `model` and `machine`; the keys of a pool,
an executor and the like are those of its plugin's Config.
"""
# ruff: noqa: RUF009  # `option` makes an attrs field

from __future__ import annotations

from typing import Any

from attrs import frozen

from fluxplug.config.model import InstanceConfig, JobSize, QueueParams
from fluxplug.config.options import option

MAX_NODES = 2**20  # as many hosts as a hostlist may name
MAX_PER_NODE = 2**16


@frozen
class PluginsTable:
    """`[plugins]`: what is loaded, beside all that is installed."""

    block: tuple[str, ...] = option((), help="names of plugins or distributions to leave out")
    path: tuple[str, ...] = option((), help="folders, relative to the file, whose *.py files are plugins too")


@frozen
class SchedTable:
    """`[sched]` as written."""

    pool: str = option("rv1", help="the resource pool")
    priority: str = option("urgency", help="the priority plugin: the order of the pending jobs")
    executor: str = option("local", help="the executor: what runs the jobs of an instance")
    queue_policy: str = option("easy", help="the queue policy of queues that choose none")
    queue_params: dict[str, Any] = option({}, help="how much of a queue a pass looks at")
    policy_params: dict[str, Any] = option({}, help="keys of the chosen policy")


@frozen
class QueueTable:
    """`[queues.NAME]` as written."""

    parent: str | None = option(None, help="makes it a virtual queue, with the resources and the policy of this one")
    queue_policy: str | None = option(None, help="unset: that of [sched]")
    queue_params: dict[str, Any] | None = option(None, help="unset: those of [sched]")
    policy_params: dict[str, Any] | None = option(None, help="unset: those of [sched], if the policy is the same")
    requires: tuple[str, ...] = option((), help="properties that a node must have to serve the queue")
    hosts: str | None = option(
        None, help='the hosts that serve the queue, like "node[0-9]", or "all"; not with requires'
    )
    policy: dict[str, Any] = option({}, help="as [policy], for this queue; its keys hold over the global ones")


@frozen
class PolicyTable:
    """`[policy]` as written (RFC 33)."""

    jobspec: dict[str, Any] = option({}, help="defaults for what a jobspec leaves out")
    limits: dict[str, Any] = option({}, help="what a job may ask for")
    access: dict[str, Any] = option({}, help="who may submit")
    scheduler: dict[str, Any] | None = option(None, help="for the scheduler of another system; kept, and not looked at")


@frozen
class JobspecTable:
    """`[policy.jobspec]` as written."""

    defaults: dict[str, Any] = option({}, help="by attribute of a jobspec")


@frozen
class DefaultsTable:
    """`[policy.jobspec.defaults]` as written."""

    system: dict[str, Any] = option({}, help="defaults of attributes.system")


@frozen
class SystemTable:
    """`[policy.jobspec.defaults.system]` as written."""

    queue: str | None = option(None, help="the queue of jobs that name none; only global")
    duration: float | None = option(
        None, help="the time limit of jobs without one; 0: unlimited", unit="seconds", min=0
    )


@frozen
class LimitsTable:
    """`[policy.limits]` as written."""

    duration: float | None = option(None, help="the longest time limit; 0: no limit", unit="seconds", min=0)
    job_size: dict[str, Any] = option({}, help="bounds on nodes, cores and GPUs")


@frozen
class JobSizeTable:
    """`[policy.limits.job-size]` as written."""

    max: dict[str, Any] = option({}, help="the most that a job may ask for")
    min: dict[str, Any] = option({}, help="the least that a job must ask for")


@frozen
class AccessTable:
    """`[policy.access]` as written: where either is given, nobody else may submit."""

    allow_user: tuple[str, ...] | None = option(None, help="names, or numbers, of users who may submit")
    allow_group: tuple[str, ...] | None = option(None, help="names, or numbers, of groups whose members may submit")


@frozen
class ResourceTable:
    """`[resource]` as written: `path` alone, `config` alone, or `nodes` or `hosts` with the rest."""

    path: str | None = option(None, help="an R file (JSON, RFC 20), relative to this file")
    nodes: int | None = option(None, help="number of nodes; unset: as many as hosts", min=1, max=MAX_NODES)
    cores: int = option(1, help="cores of each node", min=1, max=MAX_PER_NODE)
    gpus: int = option(0, help="GPUs of each node", min=0, max=MAX_PER_NODE)
    hosts: str | None = option(None, help='host names, like "node[0-99]"; unset: node0, node1, ...')
    properties: dict[str, str] = option({}, help='properties of nodes by number, like {big = "0-3"}')


@frozen
class HostsTable:
    """One element of `[resource] config`: hosts, and what they have beside what other elements give them."""

    hosts: str = option(help='host names, like "node[0-99]"')
    cores: str = option("", help='core ids of each host, like "0-15"')
    gpus: str = option("", help='GPU ids of each host, like "0-3"')
    properties: tuple[str, ...] = option((), help="properties of each host")


TABLES: dict[str, type[Any]] = {
    "plugins": PluginsTable,
    "sched": SchedTable,
    "sched.queue-params": QueueParams,
    "queues.NAME": QueueTable,
    "policy": PolicyTable,
    "policy.jobspec": JobspecTable,
    "policy.jobspec.defaults": DefaultsTable,
    "policy.jobspec.defaults.system": SystemTable,
    "policy.limits": LimitsTable,
    "policy.limits.job-size": JobSizeTable,
    "policy.limits.job-size.max": JobSize,
    "policy.limits.job-size.min": JobSize,
    "policy.access": AccessTable,
    "instance": InstanceConfig,
    "resource": ResourceTable,
    "resource.config": HostsTable,
}
"""Every table whose keys are the core's own; `pool.NAME` and `policy-params` have those of a plugin's Config."""
