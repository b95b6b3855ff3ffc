"""Generate a workload: random jobs of a model, as an SWF log on standard output. The same seed gives the same bytes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.plugins import Plugins

MAX_JOBS = 10**9


def add_arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    generate = commands.add_parser(
        "generate",
        help="write the jobs of a model as an SWF log",
        description="Write the jobs of a workload model as an SWF log on standard output.",
        epilog="`fluxplug plugins show MODEL` lists a model's options with their types and defaults.",
    )
    generate.add_argument("--model", default="lublin", help="the workload model (default: %(default)s)")
    generate.add_argument("--jobs", type=int, required=True, metavar="N", help="how many jobs")
    generate.add_argument(
        "--seed", type=int, default=1, metavar="N", help="the beginning of the random numbers (default: 1)"
    )
    generate.add_argument(
        "--max-size", "--nodes", metavar="N", help="the size of the machine, in cores; the same as --set max-size=N"
    )
    generate.add_argument(
        "--set",
        action="append",
        default=[],
        dest="options",
        metavar="KEY=VALUE",
        help="an option of the model; may be repeated",
    )


def run(args: Namespace, plugins: Plugins | None = None) -> int:
    """Run the command. Raises ConfigError for an option that the model does not have or accept, PluginError for no such model."""
    from fluxplug.cli.options import read_pairs  # noqa: PLC0415 - the command line starts without what it does not run
    from fluxplug.errors import ConfigError  # noqa: PLC0415
    from fluxplug.plugins import Plugins  # noqa: PLC0415
    from fluxplug.sim.workload import write_swf  # noqa: PLC0415

    if not 1 <= args.jobs <= MAX_JOBS:
        raise ConfigError(f"--jobs: expected a number from 1 to {MAX_JOBS}, got {args.jobs}")
    registered = (plugins or Plugins.load()).workloads[args.model]
    pairs = [*args.options, *([] if args.max_size is None else [f"max-size={args.max_size}"])]
    model = registered.cls(read_pairs(registered, pairs))
    write_swf(model, args.jobs, args.seed, sys.stdout)
    return 0
