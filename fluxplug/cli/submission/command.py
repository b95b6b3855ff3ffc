"""`fluxplug submit`, `run`, `batch`, `alloc` and `bulksubmit`: from the words of a command line to jobspecs, and what is done with them.

Exit codes: 0; 2 for a command line that cannot be understood (an option that there is not, a value that an option does not take), as all
commands have it; 1 for one that makes no job, as in Flux. Nothing is submitted before every job of the command line has been made.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.cli.plugin import CLIPluginError, CLIPluginRegistry
from fluxplug.cli.submission.parser import Parser, Words
from fluxplug.cli.submission.values import JobError, UsageError, read
from fluxplug.errors import FluxplugError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fluxplug.cli.submission.build import Script
    from fluxplug.jobspec.v1 import JobspecV1

# Options of many jobs, which are not templates themselves and mean nothing for one of the jobs.
_OF_THE_WHOLE = (
    "cc",
    "bcc",
    "define",
    "sep",
    "shuffle",
    "dry_run",
    "verbose",
    "wait",
    "watch",
    "progress",
    "jps",
    "log",
    "log_stderr",
    "uri",
)
# Of these, the ones that may have templates.
_FILLED = ("log", "log_stderr")


class _Job(NamedTuple):
    """One of the jobs of a command line: its arguments as text, its id of --cc, and its words for display (bulksubmit)."""

    args: Namespace
    cc: int | None
    shown: str


def main(prog: str, words: Sequence[str]) -> int:
    """Run a command with the words after its name, and return the exit code."""
    try:
        return _run(prog, words)
    except FluxplugError as error:
        from fluxplug.cli.main import fail  # noqa: PLC0415 - it has imported us

        return fail(prog, str(error), 2 if isinstance(error, (UsageError, OptionError)) else 1)


def _run(prog: str, words: Sequence[str]) -> int:
    registry, complaint = _plugins(prog, words)
    parser = Parser(prog, registry)
    split = parser.split(words)
    args = parser.parse(split.options)
    if args.help is not None:
        return _help(parser, registry, args.help, complaint)
    if registry is None:
        raise AssertionError("plugins are left out for --help alone")
    if args.list_plugins:
        registry.print_plugins()
        return 0
    script = None
    if prog == "batch":
        from fluxplug.cli.submission.build import read_script  # noqa: PLC0415

        script = read_script(args.wrap, split.command)
        args = parser.parse([*_directives(parser, script), *split.options])
    from fluxplug.cli.submission.build import build  # noqa: PLC0415 - not for --help
    from fluxplug.cli.submission.send import Ready, send  # noqa: PLC0415

    ready: list[Ready] = []
    for job in _jobs(prog, args, split):
        show = prog == "bulksubmit" and (args.dry_run or args.verbose)
        if show:
            print(f"bulksubmit: submit {job.shown}", file=sys.stderr)
        parser.convert(job.args)
        jobspec = build(prog, job.args, registry, script, job.cc)
        if args.dry_run:
            _print(jobspec)
        else:
            ready.append(Ready(job.args, jobspec))
    return send(prog, args, ready)


def _print(jobspec: JobspecV1) -> None:
    text = jobspec.dumps()
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a terminal without the characters, or an environment with bytes that are none
        text = jobspec.dumps(ensure_ascii=True)
    print(text)


def _plugins(prog: str, words: Sequence[str]) -> tuple[CLIPluginRegistry | None, CLIPluginError | None]:
    """The plugins; or what is wrong with them, where help is asked for, which is shown whatever is wrong."""
    try:
        return CLIPluginRegistry(prog), None
    except CLIPluginError as error:
        try:
            asked = any(word.startswith("--help") for word in Parser(prog, None).split(words).options)
        except FluxplugError:
            asked = False
        if not asked:
            raise
        return None, error


def _help(parser: Parser, registry: CLIPluginRegistry | None, topic: str, complaint: CLIPluginError | None) -> int:
    if complaint is not None:
        from fluxplug.cli.main import fail  # noqa: PLC0415

        fail(parser.prog, f"options of plugins are not listed: {complaint}")
    if not topic:
        print(parser.format_help(), end="")
        return 0
    text = parser.help_of(topic)
    if text:
        print(text, end="")
        return 0
    try:
        if registry is not None:
            registry.print_help(topic)
    except CLIPluginError:
        raise
    except ValueError:
        pass
    from fluxplug.suggest import nearest  # noqa: PLC0415

    near = nearest(topic.lstrip("-"), [name.removeprefix("--") for name in parser.names()])
    raise UsageError(f"--help: no such option {topic}" + (f"; did you mean {near}?" if near else ""))


def _directives(parser: Parser, script: Script) -> list[str]:
    """The options that a batch script has in itself, spelled out."""
    if "flux:" not in script.text and "FLUX:" not in script.text:
        return []
    from io import StringIO  # noqa: PLC0415

    from fluxplug.jobspec.directives import DirectiveParser  # noqa: PLC0415

    try:
        found = DirectiveParser(StringIO(script.text)).directives
    except ValueError as error:
        raise JobError(f"{script.name}: {error}") from None
    options = []
    for directive in found:
        if directive.action != "SETARGS":
            continue
        where = f"{script.name}: line {directive.lineno}"
        try:
            words = parser.split(directive.args)
        except FluxplugError as error:
            raise UsageError(f"{where}: {error}") from None
        if words.command:
            raise UsageError(f"{where}: expected options, not {words.command[0]!r}")
        options += words.options
    return options


def _jobs(prog: str, args: Namespace, split: Words) -> Iterator[_Job]:
    """The jobs of a command line, one by one."""
    command = split.command
    if prog == "alloc" and split.separated:
        command = ["--", *command]
    cc, bcc = getattr(args, "cc", None), getattr(args, "bcc", None)
    if cc is not None and bcc is not None:
        raise JobError("specify only one of --cc or --bcc")
    ids: Sequence[int | None] = [None]
    if cc is not None:
        ids = read("idset", "--cc", cc)
    elif bcc is not None:
        ids = read("idset", "--bcc", bcc)
    if prog == "bulksubmit":
        yield from _bulk(args, command, split.options, ids, keep=cc is not None)
        return
    for one in ids:
        yield _Job(
            _filled(args, command, {} if one is None else {"cc": one}, None, {}), one if cc is not None else None, ""
        )


def _bulk(
    args: Namespace, command: list[str], options: list[str], ids: Sequence[int | None], *, keep: bool
) -> Iterator[_Job]:
    from shlex import join  # noqa: PLC0415 - the other commands start without it

    from fluxplug.cli.submission.inputs import combinations  # noqa: PLC0415
    from fluxplug.cli.submission.inputs import split as split_inputs  # noqa: PLC0415
    from fluxplug.cli.submission.templates import fill  # noqa: PLC0415

    own, lists = split_inputs(command)
    own = own or ["{}"]
    defined = dict(read("definition", "--define", text) for text in args.define or ())
    rows = combinations(lists, args.sep)
    if args.shuffle:
        from random import shuffle  # noqa: PLC0415

        rows = iter(mixed := list(rows))
        shuffle(mixed)
    of_a_job = [word for word in options if word[2:].partition("=")[0].replace("-", "_") not in _OF_THE_WHOLE]
    seq = 0
    for inputs in rows:
        for one in ids:
            names = {"seq": seq, "seq1": seq + 1, **({} if one is None else {"cc": one})}
            shown = join(fill(word, names, inputs, defined) for word in [*of_a_job, *own])
            yield _Job(_filled(args, own, names, inputs, defined), one if keep else None, shown)
            seq += 1


def _filled(
    args: Namespace, command: list[str], names: dict[str, int], inputs: Sequence[str] | None, defined: dict[str, str]
) -> Namespace:
    """A copy of the arguments for one job, with its templates filled."""
    values: dict[str, Any] = {**vars(args), "command": list(command)}
    for key in ("cc", "bcc"):  # of all ids, this job's: reading all of them for each would take ages
        if values.get(key) is not None:
            values[key] = str(names["cc"])
    if names or inputs is not None:
        from fluxplug.cli.submission.templates import fill_all  # noqa: PLC0415

        whole = {key: values.pop(key) for key in _OF_THE_WHOLE if key in values and key not in _FILLED}
        fill_all(values, names, inputs, defined)
        values.update(whole)
    else:
        # Lists are a job's own: plugins may add to them.
        values = {key: list(value) if isinstance(value, list) else value for key, value in values.items()}
    return Namespace(**values)
