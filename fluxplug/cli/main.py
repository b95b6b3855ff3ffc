"""The command `fluxplug`: finds the command module, gives it its arguments, and turns errors into one line and an exit code.

A command of core's is a module of this package: its docstring is its description, `add_arguments(parser)` adds its arguments, `run(args) -> int`
does the work. Only the module of the command that is run is imported. Plugins are loaded for any other word, which may be a command of
theirs (`fluxplug.command`), and for `--help`, which lists those too.

Exit codes: what `run` returns; 2 for a FluxplugError or a wrong command line; 1, as in Flux, for a FluxplugError of a command that asks an
instance; 130 when interrupted; 141 when the reader of the output has gone. A traceback means a bug.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from fluxplug import __version__
from fluxplug.errors import FluxplugError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug.command import PluginCommand
    from fluxplug.plugins import Plugins, Registered


class Command(NamedTuple):
    """Where a command lives, what it is for, and whether plugins add options to it (`fluxplug_add_options`).

    A command with plugin options finds the loaded plugins, as chosen by its `--config`, in `args.plugins`. One that is `raw` reads its words
    itself: its module has `main(name, words) -> int` and nothing else of what is said above. `live`: it asks an instance, which `--uri` names.
    Actions of a command with `plugin_actions` that are not in its module's ACTIONS are commands of plugins, named `COMMAND.ACTION`. `other`
    is what the word means where one of the options `other_options` is given.
    """

    module: str
    help: str
    plugin_options: bool = False
    raw: bool = False
    live: bool = False
    plugin_actions: bool = False
    other: Command | None = None
    other_options: tuple[str, ...] = ()


_SUBMISSION = "fluxplug.cli.submission.command"


COMMANDS = {
    "broker": Command("fluxplug.cli.broker", "start an instance within a job", raw=True),
    "start": Command("fluxplug.cli.start", "start an instance, and perhaps a command in it"),
    "submit": Command(_SUBMISSION, "submit a job", raw=True),
    "run": Command(_SUBMISSION, "submit a job, and show its output", raw=True),
    "batch": Command(_SUBMISSION, "submit a script that runs in an instance of its own", raw=True),
    "alloc": Command(_SUBMISSION, "start an instance, and attach to it", raw=True),
    "bulksubmit": Command(_SUBMISSION, "submit a job for each of many inputs", raw=True),
    "jobs": Command("fluxplug.cli.jobs", "list jobs", live=True),
    "job": Command("fluxplug.cli.job", "look at jobs and control them, one by one", live=True),
    "pgrep": Command("fluxplug.cli.pgrep", "find jobs by name", live=True),
    "pkill": Command("fluxplug.cli.pkill", "cancel jobs by name", live=True),
    "cancel": Command("fluxplug.cli.cancel", "cancel jobs", live=True),
    "kill": Command("fluxplug.cli.kill", "send a signal to running jobs", live=True),
    "watch": Command("fluxplug.cli.watch", "show the output of jobs until they end", live=True),
    "update": Command("fluxplug.cli.update", "change a job's time limit", live=True),
    "events": Command("fluxplug.cli.events", "show what happens, as it happens", live=True),
    "top": Command("fluxplug.cli.top", "watch the instance on a live screen", live=True),
    "exec": Command("fluxplug.cli.exec", "run a command on nodes", live=True),
    "resource": Command("fluxplug.cli.resource", "show the machine, drain nodes", live=True, plugin_actions=True),
    "queue": Command("fluxplug.cli.queue", "list queues; open, close, start and stop them", live=True),
    "stats": Command("fluxplug.cli.stats", "show figures of the instance", live=True),
    "uri": Command("fluxplug.cli.uri", "print where an instance is reached", live=True),
    "shutdown": Command("fluxplug.cli.shutdown", "end the instance", live=True),
    "simulate": Command("fluxplug.cli.simulate", "schedule a workload log in virtual time", plugin_options=True),
    "explain": Command(
        "fluxplug.cli.explain",
        "say why a job is not running, and when it will",
        live=True,
        other=Command("fluxplug.cli.explain_simulated", "the same in a simulation", plugin_options=True),
        other_options=("--at", "--job", "--queued", "--config"),
    ),
    "plugins": Command("fluxplug.cli.plugins", "list the installed plugins, or show one"),
    "config": Command("fluxplug.cli.config", "check a configuration file, or show that of an instance"),
    "jobspec": Command("fluxplug.cli.jobspec", "check a jobspec"),
    "workload": Command("fluxplug.cli.workload", "generate a workload log"),
    "completion": Command("fluxplug.cli.completion", "print a completion script for a shell"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. Raises only what is a bug."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in words if not word.startswith("-")), "")
    try:
        code = _run(words, command)
        sys.stdout.flush()  # here, where a reader that has gone can be told from a bug
    except SystemExit as stop:  # argparse: help, version, or a wrong command line
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 2
    except FluxplugError as error:
        return fail(
            command, str(error), getattr(error, "exit_code", 1 if _is_live(_chosen(words, command), error) else 2)
        )
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The interpreter flushes once more at its end; there must be nobody to complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.filename is None:
            raise
        return fail(command, f"{error.filename}: {error.strerror}; check the path and its permissions")
    return code


def fail(command: str, text: str, code: int = 2) -> int:
    """Print an error of a command as one line, and return its exit code."""
    print(f"fluxplug {command}: ".replace(" :", ":") + " ".join(text.split()), file=sys.stderr)
    return code


def _chosen(words: list[str], command: str) -> Command | None:
    chosen = COMMANDS.get(command)
    if chosen is not None and chosen.other is not None:
        given = {word.partition("=")[0] for word in words}
        return chosen.other if given.intersection(chosen.other_options) else chosen
    if chosen is not None and chosen.plugin_actions and _plugin_action(chosen, words[1:]):
        return chosen._replace(live=False)
    return chosen


def _plugin_action(chosen: Command, words: list[str]) -> bool:
    """Whether the words after a command's name ask for an action of a plugin."""
    module = importlib.import_module(chosen.module)
    return bool(words) and not words[0].startswith("-") and words[0] not in module.ACTIONS


def _is_live(chosen: Command | None, error: FluxplugError) -> bool:
    if chosen is not None and chosen.live:
        return True
    from fluxplug.errors import ApiError, ConnectionFailedError  # noqa: PLC0415 - only in errors

    return isinstance(error, (ApiError, ConnectionFailedError))


def _run(words: list[str], command: str) -> int:
    chosen = _chosen(words, command)
    if chosen is not None and words[0] == command:  # without the cost of all parsers
        return _run_own(chosen, command, words[1:])
    parser = argparse.ArgumentParser(
        prog="fluxplug",
        description="A job scheduler for clusters, made of plugins.",
        epilog="`fluxplug COMMAND --help` describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"fluxplug {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for name, about in COMMANDS.items():
        _subparser(subparsers, name, about.help)
    if not command:
        if {"-h", "--help"} & set(words):
            _list_plugin_commands(subparsers)
        parser.parse_args(words)  # --help, --version, or a wrong option
        parser.print_help(sys.stderr)
        return 2
    if chosen is None:
        return _run_plugin_command(parser, subparsers, words, command)
    parser.parse_args(words[: words.index(command)])  # --version, --help, or a wrong option
    return parser.error(f"options of {command} come after it")


def _run_own(chosen: Command, name: str, words: list[str]) -> int:
    """Run a command of core's with the words after its name."""
    module = importlib.import_module(chosen.module)
    if chosen.raw:
        return int(module.main(name, words))
    if chosen.plugin_actions and _plugin_action(chosen, words):
        parser = argparse.ArgumentParser(prog="fluxplug")
        subparsers = parser.add_subparsers(dest="command")
        return _run_plugin_command(parser, subparsers, [f"{name}.{words[0]}", *words[1:]], f"{name}.{words[0]}")
    parser = argparse.ArgumentParser(
        prog=f"fluxplug {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    if not chosen.plugin_options:
        return int(module.run(parser.parse_args(words)))
    plugins = _load_plugins(words)
    plugins.add_options(name, parser)
    try:
        return int(module.run(parser.parse_args(words, argparse.Namespace(plugins=plugins))))
    finally:
        plugins.shutdown()


def _list_plugin_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter plugins' commands for `--help`, which is shown whatever is wrong with a plugin."""
    from fluxplug.plugins import Plugins  # noqa: PLC0415

    try:
        found = plugin_commands(Plugins.load())
    except FluxplugError as error:
        fail("", f"commands of plugins are not listed: {error}")
        return
    for name, one in found.items():
        _subparser(subparsers, name.replace(".", " "), one.cls.help)


def plugin_commands(plugins: Plugins) -> dict[str, Registered]:
    """The commands that plugins register, by name. Raises PluginError, also for a name of core's."""
    from fluxplug.errors import PluginError  # noqa: PLC0415 - core's commands start without plugins
    from fluxplug.plugins import two_owners  # noqa: PLC0415

    found = {one.name: one for one in plugins.commands.values()}
    for name in found.keys() & COMMANDS.keys():
        raise PluginError(two_owners(found[name], f"fluxplug {__version__}"))
    return found


def _run_plugin_command(
    parser: argparse.ArgumentParser,
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    words: list[str],
    name: str,
) -> int:
    from fluxplug.plugins import Plugins  # noqa: PLC0415

    plugins = Plugins.load()
    found = plugin_commands(plugins)
    if name not in found:
        from fluxplug.suggest import instead  # noqa: PLC0415 - only in errors

        first, dot, action = name.partition(".")
        if dot and first in COMMANDS and COMMANDS[first].plugin_actions:
            actions = [*importlib.import_module(COMMANDS[first].module).ACTIONS]
            actions += [one.partition(".")[2] for one in found if one.startswith(f"{first}.")]
            raise FluxplugError(f"there is no such action{instead(action, actions, 'actions')}")
        raise FluxplugError(f"there is no such command{instead(name, [*COMMANDS, *found], 'commands')}")
    command: PluginCommand = found[name].cls()
    own = _subparser(subparsers, name.replace(".", " "), command.help)
    own.description = type(command).__doc__
    given = argparse.Namespace(plugins=plugins)
    at = words.index(name)
    words = [*words[:at], name.replace(".", " "), *words[at + 1 :]]
    if getattr(command, "raw", False):
        given.words = words[at + 1 :]
        words = words[: at + 1]  # what is before the name is for the frame
    else:
        command.add_arguments(own)
    try:
        return int(command.run(parser.parse_args(words, given)))
    finally:
        plugins.shutdown()


def _subparser(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    return subparsers.add_parser(name, help=text.replace("%", "%%"), formatter_class=raw, allow_abbrev=False)


def _load_plugins(words: list[str]) -> Plugins:
    """The plugins that the configuration file on a command line chooses, before the rest of the line can be understood."""
    from fluxplug.config import load_plugins  # noqa: PLC0415 - only where plugins have options
    from fluxplug.plugins import Plugins  # noqa: PLC0415

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config")
    path = parser.parse_known_args(words)[0].config
    return Plugins.load() if path is None else load_plugins(path)
