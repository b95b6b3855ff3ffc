"""The command `resource-query`: match, find and release on a graph, line by line (fluxion.md section 9).

`main` reads options, opens a session over whichever matcher class it is given, and runs the lines of standard input.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from .commands import Quit, execute
from .options import UsageError, read_options, usage
from .session import StartError, open_session, tell_load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug_pool_graph.matcher import Matcher

PROMPT = "resource-query> "


def main(
    argv: list[str],
    matcher_class: type[Matcher],
    lines: TextIO | None = None,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Run the command; return its exit status. Streams default to the standard ones."""
    out, err = out or sys.stdout, err or sys.stderr
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
        for line in _lines(lines or sys.stdin, prompt=settings.prompt):
            execute(session, line)
    except Quit:
        pass
    finally:
        if session.results is not out:
            session.results.close()
        out.flush()
    return 0


def _lines(stream: TextIO, *, prompt: bool) -> Iterator[str]:
    """The lines of a stream; on a terminal with editing, history and a prompt. Bytes that are not ASCII are dropped."""
    if stream.isatty():
        import readline  # noqa: F401, PLC0415 - importing it gives input() its editing, and costs time elsewhere

        while True:
            try:
                line = input(PROMPT if prompt else "")
            except EOFError:
                return
            yield line
    for line in stream:
        yield line.encode("ascii", "ignore").decode()
