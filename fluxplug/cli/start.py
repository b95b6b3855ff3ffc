"""Start an instance: a server for jobs, on this machine.

With a command, the command runs inside it and the instance ends with it; without, it serves until `fluxplug shutdown`. FLUXPLUG_URI tells the
command, and all that it starts, where the instance is; elsewhere give clients `--uri`.
"""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxplug.errors import ConfigError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.config import Config, ResourceConfig


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="the configuration, a sched.toml")
    parser.add_argument(
        "--statedir", metavar="DIR", help="where jobs are kept, from one start to the next (default: a temporary one)"
    )
    machine = parser.add_argument_group(
        "machine", "by default that of [resource] in the configuration; where there is none, this machine"
    )
    machine.add_argument(
        "--resources", metavar="R.json|discover", help="the machine of an R file (RFC 20), or this one"
    )
    machine.add_argument("--nodes", type=int, metavar="N", help="so many pretended hosts")
    machine.add_argument("--cores", type=int, metavar="N", help="cores of each (default: those of this machine)")
    machine.add_argument("--gpus", type=int, metavar="N", help="GPUs of each (default: 0)")
    machine.add_argument(
        "-s",
        "--test-size",
        type=int,
        metavar="N",
        help="pretend that this machine is N hosts, each with all of its cores",
    )
    machine.add_argument(
        "--pretend-hosts",
        action="store_true",
        help="run what any host of the machine is given here; --nodes and --test-size do so",
    )
    parser.add_argument("--executor", metavar="NAME", help="what runs the jobs (default: that of [sched] executor)")
    parser.add_argument(
        "--listen", metavar="ADDRESS:PORT", help="serve on this loopback port too, for who has the token"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="print the URI of the instance")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="a command, with its arguments")


def run(args: Namespace) -> int:
    import attrs  # noqa: PLC0415 - for a quick --help

    from fluxplug.config import default_config, load_config  # noqa: PLC0415
    from fluxplug.instance.server import Options, serve  # noqa: PLC0415
    from fluxplug.plugins import Plugins  # noqa: PLC0415

    plugins = Plugins.load() if args.config is None else None
    config = default_config(plugins) if args.config is None else load_config(args.config)
    if args.executor is not None:
        config = attrs.evolve(config, sched=attrs.evolve(config.sched, executor=args.executor))
    config = _with_machine(config, args)
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    options = Options(
        statedir=None if args.statedir is None else Path(args.statedir),
        command=command,
        listen=None if args.listen is None else _address(args.listen),
        verbose=args.verbose,
    )
    assert config.plugins is not None
    return serve(config, config.plugins, options)


def _with_machine(config: Config, args: Namespace) -> Config:
    """The machine that the options describe, or the configuration, or this one."""
    import attrs  # noqa: PLC0415

    from fluxplug.config import ResourceConfig  # noqa: PLC0415

    counted = args.nodes is not None or args.cores is not None or args.gpus is not None
    if sum((counted and args.test_size is None, args.resources is not None, args.test_size is not None)) > 1:
        raise ConfigError("--resources, --test-size and --nodes exclude each other")
    pretend = args.pretend_hosts
    machine: ResourceConfig | None = config.resource
    if args.test_size is not None or counted:
        size = args.test_size if args.test_size is not None else args.nodes
        if size is None:
            raise ConfigError("--cores and --gpus need --nodes or --test-size")
        machine, pretend = _pretended(args, size), True
    elif args.resources == "discover" or (args.resources is None and machine is None and not _pool_has_machine(config)):
        machine = _this_machine(1, None, None)
    elif args.resources is not None:
        machine = ResourceConfig(path=Path(args.resources))
    config = attrs.evolve(config, resource=machine)
    return pretending(config) if pretend else config


def _pretended(args: Namespace, size: int) -> ResourceConfig:
    from fluxplug.config.tables import MAX_NODES  # noqa: PLC0415

    if not 1 <= size <= MAX_NODES:
        raise ConfigError(f"--test-size and --nodes must be in 1..{MAX_NODES}, not {size}")
    return _this_machine(size, args.cores, args.gpus, named=args.nodes is not None)


def _this_machine(size: int, cores: int | None, gpus: int | None, *, named: bool = False) -> ResourceConfig:
    from fluxplug.config.machine import Group, ResourceConfig  # noqa: PLC0415

    def upto(count: int) -> str:
        return "" if count == 0 else "0" if count == 1 else f"0-{count - 1}"

    found = len(os.sched_getaffinity(0)) if cores is None else cores
    if found < 1 or (gpus or 0) < 0:
        raise ConfigError("--cores must be at least 1, and --gpus not negative")
    if gpus is None:
        gpus = 0 if size > 1 else len(list(Path("/dev").glob("nvidia[0-9]*")))
    host = socket.gethostname()
    hosts = f"node[0-{size - 1}]" if named and size > 1 else ",".join([host] * size)
    return ResourceConfig(hosts=hosts, groups=(Group(upto(size), upto(found), upto(gpus)),))


def _pool_has_machine(config: Config) -> bool:
    return bool(getattr(config.pool_params, "describes_machine", False))


def pretending(config: Config) -> Config:
    """A configuration whose executor takes this machine for all hosts, where it can be told to."""
    import attrs  # noqa: PLC0415

    name = config.sched.executor
    assert config.plugins is not None
    registered = config.plugins.executors[name]
    params: Any = config.executors.get(name)
    if registered.config is None or "pretend_hosts" not in {one.name for one in attrs.fields(registered.config)}:
        return config
    params = attrs.evolve(params if params is not None else registered.config(), pretend_hosts=True)
    return attrs.evolve(config, executors={**config.executors, name: params})


def reaching(config: Config, around: dict[str, Any]) -> Config:
    """A configuration whose executor reaches other hosts as the same one of the instance `around` (its document) does, which pretends none.

    What it starts there ends with it: nobody can take over an instance that is a job.
    """
    import attrs  # noqa: PLC0415

    name = config.sched.executor
    theirs = around["executors"].get(name) or {}
    if not theirs.get("connect") or theirs.get("pretend_hosts"):
        return pretending(config)
    assert config.plugins is not None
    own: Any = config.executors.get(name) or config.plugins.executors[name].config()  # type: ignore[misc]
    keys: dict[str, Any] = {"outlive_server": False}
    # A rank has another number here.
    if not own.connect and not any("{rank}" in word for word in theirs["connect"]):
        given = {key: theirs[key] for key in ("python", "agent_dir", "contact_timeout") if theirs[key] is not None}
        keys |= {"connect": tuple(theirs["connect"]), **given}
    return attrs.evolve(config, executors={**config.executors, name: attrs.evolve(own, **keys)})


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if host not in {"127.0.0.1", "::1", "localhost"} or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--listen {text}: must be 127.0.0.1:PORT or [::1]:PORT, an address of this machine alone")
    return ("127.0.0.1" if host == "localhost" else host), int(port)
