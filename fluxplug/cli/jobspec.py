"""Check jobspec files (YAML or JSON) against the format, and say where one breaks it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fluxplug.errors import DocumentError, RefusedError
from fluxplug.jobspec.document import MAX_TEXT
from fluxplug.jobspec.v1 import validate_jobspec

if TYPE_CHECKING:
    import argparse

    from fluxplug.ingest import Site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    validate = actions.add_parser(
        "validate",
        help="check jobspec files",
        description="Check each file and print its version, or on standard error the place and the reason of the first fault. "
        "A jobspec of version 1 is checked by the rules of version 1 (RFC 25), any other by the canonical ones (RFC 14). "
        "With --config, what the site would make of it is checked too: its plugins, queues and limits. "
        "Exits with 2 if any file is not valid, or would be refused.",
    )
    validate.add_argument("files", nargs="+", metavar="FILE", help="a YAML or JSON file; - is standard input")
    validate.add_argument("--v1", action="store_true", help="refuse any version but 1")
    validate.add_argument(
        "--config", metavar="SCHED.toml", help="apply the site's ingest plugins, queues, defaults and limits, too"
    )


def run(args: argparse.Namespace) -> int:
    """0 if all files are valid, 2 if any is not, is refused, or cannot be read. Raises ConfigError, PluginError."""
    code = 0
    site = _site(args.config) if args.config else None
    for name in args.files:
        try:
            _, jobspec = validate_jobspec(_read(name), 1 if args.v1 else None)
            queue = "" if site is None else site.finish(jobspec.jobspec)[1].name
        except RefusedError as error:
            print(_one_line(f"{name}: refused: {error}"), file=sys.stderr)
            code = 2
        except DocumentError as error:
            print(_one_line(f"{name}: {error}"), file=sys.stderr)
            code = 2
        except OSError as error:
            print(_one_line(f"{name}: {error.strerror or error}"), file=sys.stderr)
            code = 2
        else:
            print(_one_line(f"{name}: valid (version {jobspec.version})" + (f", for queue {queue}" if queue else "")))
    return code


def _site(path: str) -> Site:
    from fluxplug.cli.plugin import CLIPluginRegistry  # noqa: PLC0415
    from fluxplug.config import load_config  # noqa: PLC0415 - checking a file alone needs no configuration
    from fluxplug.ingest import Site  # noqa: PLC0415

    config = load_config(path)
    return Site(config, config.plugins, "validate", submission=CLIPluginRegistry("validate"))


def _read(name: str) -> bytes:
    """The content, or so much of it that the reader refuses it for its length."""
    if name == "-":
        return sys.stdin.buffer.read(MAX_TEXT + 1)
    with Path(name).open("rb") as file:
        return file.read(MAX_TEXT + 1)


def _one_line(text: str) -> str:
    """`text` with what would break the line or the terminal escaped: names and keys come from strangers."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
