"""The commands that the plugin adds: `fluxplug resource discover`, `resource graph` and `resource-query`. What they do is elsewhere; this is how they are asked."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fluxplug.command import PluginCommand
from fluxplug.errors import ConfigError, FluxplugError

if TYPE_CHECKING:
    import argparse

    from fluxplug_pool_graph.description import Description
    from fluxplug_pool_graph.documents import Holding


class ResourceQuery(PluginCommand):
    """Match, find and release on a resource graph, line by line: docs/resource-query.md. It reads its own options."""

    name: ClassVar[str] = "resource-query"
    help: ClassVar[str] = "match and find on a resource graph, line by line"
    raw: ClassVar[bool] = True

    def run(self, args: argparse.Namespace) -> int:
        """Run the command over the matcher in C."""
        from fluxplug_pool_graph.matchers import matcher_class  # noqa: PLC0415 - the command line starts without
        from fluxplug_pool_graph.query import main  # noqa: PLC0415

        return main(args.words, matcher_class())


class ResourceDiscover(PluginCommand):
    """Describe the machine that this runs on: sockets, cores, GPUs."""

    name: ClassVar[str] = "resource.discover"
    help: ClassVar[str] = "describe this machine"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """See `PluginCommand.add_arguments`."""
        parser.add_argument(
            "--format", choices=("R", "jgf"), default="R", help="R of version 1 (the default), or a graph as JGF"
        )
        parser.add_argument("-o", "--output", metavar="FILE", help="where it goes; standard output by default")

    def run(self, args: argparse.Namespace) -> int:
        """See `PluginCommand.run`. Raises GraphReadError for a machine that cannot be described, ConfigError for a wrong option."""
        return _discover(args)


class ResourceGraph(PluginCommand):
    """Draw a machine as nested boxes."""

    name: ClassVar[str] = "resource.graph"
    help: ClassVar[str] = "draw the machine of a document"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """See `PluginCommand.add_arguments`."""
        parser.add_argument("file", metavar="FILE", help="the machine: JGF, R, a GRUG recipe, or hwloc XML")
        parser.add_argument(
            "-f", "--format", metavar="FORMAT", default="", help="its format; told from the text by default"
        )
        parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the picture: OUT.svg or OUT.html")
        for option, what in (
            ("--highlight", "outline what this R or JGF holds; allocated, unless --reserved has it too"),
            ("--allocated", "colour what this R or JGF holds as allocated; may be repeated"),
            ("--reserved", "colour what this R or JGF holds as reserved; may be repeated"),
        ):
            parser.add_argument(option, metavar="R", action="append", default=[], help=what)

    def run(self, args: argparse.Namespace) -> int:
        """See `PluginCommand.run`. Raises GraphReadError for a document, ConfigError for a wrong option."""
        return _graph(args)


def _discover(args: argparse.Namespace) -> int:
    from fluxplug.report.base import write_text  # noqa: PLC0415
    from fluxplug_pool_graph.discover import discover, to_jgf, to_r  # noqa: PLC0415

    host = socket.gethostname()
    found = discover(host)
    document = to_jgf(found) if args.format == "jgf" else to_r(found, host)
    text = json.dumps(document) + "\n"
    if args.output is None:
        sys.stdout.write(text)
    else:
        write_text(args.output, text)
    return 0


def _graph(args: argparse.Namespace) -> int:
    from fluxplug.report.base import write_text  # noqa: PLC0415
    from fluxplug_pool_graph.picture import Use, draw, page  # noqa: PLC0415

    ending = Path(args.output).suffix.lower()
    if ending not in (".svg", ".html"):
        raise ConfigError(f"-o {args.output}: the name of a picture ends in .svg or .html")
    machine = _machine(args.file, args.format)
    use = Use(machine)
    for option in ("allocated", "reserved", "highlight"):
        for path in getattr(args, option):
            held = _holding(path, args.format)
            try:
                use.add(held, reserved=option == "reserved", highlight=option == "highlight")
            except FluxplugError as error:
                raise ConfigError(f"--{option} {path}: {error}") from error
    figure = draw(use, Path(args.file).name)
    write_text(args.output, figure.alone() if ending == ".svg" else page(figure, use))
    return 0


def _machine(path: str, form: str) -> Description:
    from fluxplug_pool_graph.documents import read_graph  # noqa: PLC0415

    try:
        return read_graph(_text(path), form)
    except FluxplugError as error:
        raise ConfigError(f"{path}: {error}") from error


def _holding(path: str, form: str) -> Holding:
    from fluxplug_pool_graph.documents import read_holding  # noqa: PLC0415

    try:
        return read_holding(_text(path), form or "jgf")
    except FluxplugError as error:
        raise ConfigError(f"{path}: {error}") from error


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 text at byte {error.start}") from error
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from error
