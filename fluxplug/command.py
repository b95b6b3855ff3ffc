"""The contract of a command that a plugin adds to the command line: `fluxplug NAME ...`.

A plugin returns such classes from `fluxplug_register_commands`; `fluxplug.cli.main` makes an instance and calls it. Core's own
commands are modules of `fluxplug.cli` and need no plugin: they run without one being loaded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


class PluginCommand(ABC):
    """A command. It is made without arguments, once, when its name is the word on the command line.

    `name` is that word, or `COMMAND.ACTION` for an action of a core command that takes such (`resource.graph`); `help` the line that `fluxplug --help` has for it; the docstring is the description in its own help, and what
    `fluxplug plugins show NAME` prints. `raw` is for commands that read their own options: nothing after the name is parsed, `-h`
    included, and all of it arrives as `args.words`, a list of str.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    raw: ClassVar[bool] = False

    def add_arguments(self, parser: ArgumentParser) -> None:  # noqa: B027 - a command may take none
        """Add options, positionals, or subcommands (`parser.add_subparsers`). Not called for a raw command."""

    @abstractmethod
    def run(self, args: Namespace) -> int:
        """Do the work and return the exit code. `args.plugins` has the loaded plugins.

        A FluxplugError becomes one line on standard error and exit code 2, and so does an OSError that names its file.
        """
