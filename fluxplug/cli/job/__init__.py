"""Look at jobs and control them, one by one. Job ids are accepted in every form that Flux has.

`fluxplug jobs` lists jobs, `fluxplug cancel` cancels them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug.cli.live import Actions

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    from fluxplug.cli.job import control, logs, look, wait  # noqa: PLC0415 - they need what is above

    actions = Actions(parser)
    wait.add_actions(actions)
    control.add_actions(actions)
    logs.add_actions(actions)
    look.add_actions(actions)


def run(args: Namespace) -> int:
    return int(args.do(args))
