"""Check a configuration file: load it with its plugins as a run would, and print what would run.

Nothing is scheduled. The first fault ends the check, with file, line and key.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxplug.errors import ConfigError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from fluxplug.config import Config, QueueConfig
    from fluxplug.plugins import Plugins

DEFAULT_FILES = ("sched.toml", "conf/sched.toml")


def add_arguments(parser: ArgumentParser) -> None:
    check = parser.add_subparsers(dest="action", metavar="ACTION", required=True).add_parser(
        "check",
        help="load a file and print what would run",
        description="Load a configuration file and print what would run.",
    )
    check.add_argument("file", metavar="FILE", nargs="?", help=f"default: {', else '.join(DEFAULT_FILES)}")


def run(args: Namespace) -> int:
    """Run the command. Raises ConfigError for the file, PluginError for a plugin that cannot be loaded."""
    from fluxplug.config import load_config, load_plugins  # noqa: PLC0415 - the command line starts without what it does not run
    from fluxplug.plugins import AXES  # noqa: PLC0415

    path = args.file or next((name for name in DEFAULT_FILES if Path(name).is_file()), None)
    if path is None:
        raise ConfigError(f"there is no {' and no '.join(DEFAULT_FILES)} here; name a file")
    plugins = load_plugins(path)
    for axis in AXES:
        plugins.registry(axis)  # a clash on any axis is to be found now
    config = load_config(path, plugins)
    print(f"{path}: ok")
    for head, text in _summary(config, plugins):
        print(f"{head:9}{text}")
    return 0


def _summary(config: Config, plugins: Plugins) -> Iterator[tuple[str, str]]:
    from fluxplug.config import SchedConfig  # noqa: PLC0415

    pool = plugins.pools[config.sched.pool]
    yield "pool", f"{pool.name}{_params(config.pool_params)}, of {pool.owner}"
    for queue in config.all_queues:
        yield "queue", _queue(queue, plugins)
    for axis, name, params in (
        ("priority", config.sched.priority, config.priority_params),
        ("executor", config.sched.executor, config.executor_params),
    ):
        if name != getattr(SchedConfig(), axis) or params is not None:
            yield axis, f"{name}{_params(params)}, of {plugins.registry(axis)[name].owner}"
    yield "machine", _machine(config)
    if config.policy.default_queue is not None:
        yield "default", f"queue {config.policy.default_queue}"
    for name, params in config.ingest.items():
        yield "ingest", f"{name}{_params(params)}, of {plugins.ingest[name].owner}"
    yield "plugins", ", ".join(plugins.loaded)


def _queue(queue: QueueConfig, plugins: Plugins) -> str:
    if queue.parent is not None:
        return f"{queue.name}: virtual, of {queue.parent}{_bounds(queue)}"
    policy = plugins.policies[queue.queue_policy]
    text = f"{queue.name or '(without a name)'}: {policy.name}{_params(queue.policy_params)}, of {policy.owner}"
    if queue.queue_params.depth is not None:
        text += f"; queue depth {queue.queue_params.depth}"
    text += _bounds(queue)
    if queue.properties:
        text += f"; nodes with {', '.join(queue.properties)}"
    return text


def _bounds(queue: QueueConfig) -> str:
    """What the policy of a queue allows its jobs, and whom."""
    from fluxplug.values.duration import fsd_c  # noqa: PLC0415

    text = ""
    if queue.policy.limits.duration != math.inf:
        text += f"; time limit up to {fsd_c(queue.policy.limits.duration)}"
    if queue.policy.default_duration is not None:
        text += f"; default {fsd_c(queue.policy.default_duration)}"
    for name in ("nnodes", "ncores", "ngpus"):
        least, most = (getattr(size, name) for size in (queue.policy.limits.smallest, queue.policy.limits.largest))
        if least is not None or most is not None:
            text += f"; {name} {0 if least is None else least} to {'any' if most is None else most}"
    access = queue.policy.access
    for kind, names in (("users", access.users), ("groups", access.groups)):
        if names is not None:
            text += f"; {kind} {', '.join(names) or 'none'}"
    return text


def _params(params: Any) -> str:
    from fluxplug.config.options import keys_of  # noqa: PLC0415

    if params is None:
        return ""
    return (
        " (" + ", ".join(f"{name} = {getattr(params, key.field)}" for name, key in keys_of(type(params)).items()) + ")"
    )


def _machine(config: Config) -> str:
    from fluxplug.resource.document import read_r  # noqa: PLC0415

    document = config.machine()
    if getattr(config.pool_params, "describes_machine", False):
        return f"that of [pool.{config.sched.pool}]"
    if document is None:
        return "not said here; name it on the command line"
    nodes = read_r(document).nodes.values()
    cores, gpus = (sum(node[place].bit_count() for node in nodes) for place in (0, 1))
    return f"{len(nodes)} nodes, {cores} cores, {gpus} GPUs"
