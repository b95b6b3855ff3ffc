"""The contract of a report: what draws finished schedules into a file. Found by `name`, chosen by extension.

Called by the simulate command. In-tree reports: `html`, `svg`.
"""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fluxplug.sim.schedule import Schedule


class Report(ABC):
    """Draws the schedules of one log under one or more policies.

    `name` is the word that picks it; `extensions` are the endings of file names (lower case, with the dot; `/` for a folder) that it is taken for
    when no name is given.
    """

    name: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def write(
        self, path: str | os.PathLike[str], schedules: Sequence[Schedule], title: str, details: Mapping[str, str]
    ) -> None:
        """Write the report to `path`, whole or not at all: a reader never sees half of it, and a failure leaves what was there.

        `schedules` are of the same log, one a policy, in the order in which to show them; `title` heads the report; `details`
        are its particulars (log, machine, conventions, command...), shown in their order. All text may come from strangers
        and must not become markup. The same input gives the same bytes. Raises OSError, with the path, if it cannot be written.
        """


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file, as UTF-8, through a temporary one beside it and a rename. Raises OSError, which names `path`."""
    target = Path(path)
    try:
        # In a folder of its own, the file gets the permissions that any new file would.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fluxplug-") as folder:
            temporary = Path(folder, "new")
            with temporary.open("w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            temporary.replace(target)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from error
