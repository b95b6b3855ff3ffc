"""Check a configuration file, or show what an instance was configured with.

`check` loads a file with its plugins as a run would, and prints what would run. Nothing is scheduled; the first fault ends the check, with file,
line and key. `get` asks an instance, and prints JSON.
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

_TYPES = {
    "any": object,
    "string": str,
    "integer": int,
    "real": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}
DEFAULT_FILES = ("sched.toml", "conf/sched.toml")


def add_arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="load a file and print what would run",
        description="Load a configuration file and print what would run.",
    )
    check.add_argument("file", metavar="FILE", nargs="?", help=f"default: {', else '.join(DEFAULT_FILES)}")
    get = actions.add_parser(
        "get", help="print what an instance has", description="Print the configuration of an instance."
    )
    get.add_argument(
        "key", metavar="KEY", nargs="?", default="", help="a dotted key, such as sched.pool (default: all)"
    )
    get.add_argument("-d", "--default", metavar="TEXT", help="what to print where it is not set")
    get.add_argument("-q", "--quiet", action="store_true", help="say nothing where it is not set")
    get.add_argument("-t", "--type", choices=tuple(_TYPES), default="any", help="the type that it has to have")
    get.add_argument("--uri", metavar="URI", help="where the instance is (default: FLUXPLUG_URI)")


def run(args: Namespace) -> int:
    """Run the command. Raises ConfigError for the file, PluginError for a plugin that cannot be loaded."""
    if args.action == "get":
        return _get(args)
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


def _get(args: Namespace) -> int:
    import json  # noqa: PLC0415

    from fluxplug.cli.live import CommandError, connect  # noqa: PLC0415

    value = connect(args).get("/v1/config")
    for part in args.key.split(".") if args.key else ():
        name = part.replace("-", "_")
        if isinstance(value, list):  # the queues
            value = next((one for one in value if isinstance(one, dict) and one.get("name") == part), None)
        else:
            value = value.get(part, value.get(name)) if isinstance(value, dict) else None
    if value is None:
        if args.default is not None:
            print(args.default)
            return 0
        if args.quiet:
            return 1
        raise CommandError(f"{args.key} is not set")
    kind: Any = _TYPES[args.type]
    if not isinstance(value, kind) or (isinstance(value, bool) and args.type in {"integer", "real"}):
        raise CommandError(f"{args.key}: expected {args.type}, not {type(value).__name__}")
    print(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
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
