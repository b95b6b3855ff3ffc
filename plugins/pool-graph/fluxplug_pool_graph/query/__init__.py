"""The command `resource-query`: match, find and release on a graph, line by line (fluxion.md section 9).

`main` reads options, opens a session over whichever matcher class it is given, and runs the lines of standard input.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from fluxplug_pool_graph.query.commands import Quit, execute
from fluxplug_pool_graph.query.options import UsageError, read_options, usage
from fluxplug_pool_graph.query.session import StartError, open_session, tell_load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug_pool_graph.matcher import Matcher

PROMPT = "resource-query> "


def main(argv: list[str], matcher_class: type[Matcher]) -> int:
    """Run the command on the standard streams; return its exit status."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names in a graph may be any bytes; what came in must go out again.
            stream.reconfigure(errors="surrogateescape")
    return run(argv, matcher_class, sys.stdin, sys.stdout, sys.stderr)


def run(argv: list[str], matcher_class: type[Matcher], lines: TextIO, out: TextIO, err: TextIO) -> int:
    """Run the command on any streams; return its exit status."""
    try:
        settings = read_options(argv)
        err.write("".join(settings.warnings))
        session = open_session(settings, matcher_class, out, err)
    except UsageError as exc:
        err.write(f"{exc.text}\n{usage()}")
        return exc.status
    except StartError as exc:
        err.write(str(exc))
        return 1
    try:
        if settings.elapse:
            tell_load(session)
        for line in _lines(lines, prompt=settings.prompt):
            execute(session, line)
    except Quit:
        pass
    finally:
        if session.results is not out:
            session.results.close()
        out.flush()
    return 0


def _lines(stream: TextIO, *, prompt: bool) -> Iterator[str]:
    """The lines of a stream; on a terminal with editing, history and a prompt."""
    if stream.isatty():
        with suppress(ImportError):  # a Python without it still has a prompt
            import readline  # noqa: F401, PLC0415 - importing it gives input() its editing, and costs time elsewhere

        while True:
            try:
                line = input(PROMPT if prompt else "")
            except EOFError:
                return
            yield line
    ascii_only = _in_c_locale()
    for line in stream:
        yield line.encode("ascii", "ignore").decode() if ascii_only else line


def _in_c_locale() -> bool:
    """Whether lines lose their bytes beyond ASCII, as the original's line reader has it (9.1)."""
    named = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "C")
    return named in ("C", "POSIX")
