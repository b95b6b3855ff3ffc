"""A graph scheduler as a library: `from fluxplug.reapi import ReapiCli, ReapiError`.

    cli = ReapiCli()
    cli.initialize(graph, '{"load_format": "jgf"}')
    jobid, reserved, R, at, overhead = cli.match(jobspec)

This is the contract, with the names of the published Python binding; the class itself comes from an installed plugin through the
hook `fluxplug_register_reapi`, and `ReapiCli()` makes one of it. docs/graph-library.md shows it at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fluxplug.errors import PluginError, ReapiError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Match", "ReapiCli", "ReapiError"]

#: (job id, whether it is reserved for later, the resources as text, the start in seconds, how long the match took in seconds).
Match = tuple[int, bool, str, int, float]


class ReapiCli:
    """A resource graph with its plans and jobs. Time stands still at 0: resources come back by `cancel` alone.

    Every call raises ReapiError when it fails, and has then changed nothing; before `initialize` they all do. One object is for one
    thread at a time.
    """

    name: ClassVar[str]

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Make an object of the class that a plugin offers. Raises PluginError where none does."""
        return super().__new__(_offered() if cls is ReapiCli else cls)

    def initialize(self, rgraph: str | bytes, options: str = "{}") -> None:
        """Load a graph document, and forget the one before with its jobs.

        `options` is a JSON object. An unknown option, or a value that it cannot have, is an error.
        """
        raise NotImplementedError

    def match(self, jobspec: str, orelse_reserve: bool = False, *, operation: str | None = None) -> Match:
        """Find the resources of a jobspec (YAML or JSON) and give them to a new job.

        With `orelse_reserve` they may also be promised for later, at the earliest time; `reserved` is then true and `at` that time. No
        match is no error: it is `(jobid, False, "", 0, overhead)`, and the id is used up. (A format that cannot say what was taken, as R
        cannot say nodes without cores, has an empty text too; `info` then knows the job.)

        `operation` says it by name: `allocate`, `allocate_orelse_reserve`, `allocate_with_satisfiability`; `without_allocating` and
        `without_allocating_future` tell what there would be, take nothing, and have 2**64-1 for a job id; `satisfiability` has the next
        job id if the machine could ever do it, and 0 if not.
        """
        raise NotImplementedError

    def match_satisfy(self, jobspec: str) -> tuple[bool, float]:
        """Whether the machine could ever do it, were it empty and up, and how long the answer took in seconds."""
        raise NotImplementedError

    def update_allocate(self, jobid: int, R: str) -> Match:  # noqa: N803 - as published
        """Enter a job that holds what a document describes, all of it or nothing.

        An R of version 1 says from when to when; its graph in `scheduling` is used where there is one. Anything else is read in the load
        format, and held from 0 to the end. It is an error if the job is known or something is not free.
        """
        raise NotImplementedError

    def info(self, jobid: int) -> tuple[str, bool, int, float]:
        """(`ALLOCATED`, `RESERVED` or `CANCELED`; whether reserved; the start; overhead) of a job, also after its end."""
        raise NotImplementedError

    def cancel(self, jobid: int, noent_ok: bool = False) -> None:
        """Give back all that a job holds. It is an error if there is no such job, or not any more, unless `noent_ok`."""
        raise NotImplementedError

    def partial_cancel(self, jobid: int, R: str, noent_ok: bool = False) -> bool:  # noqa: N803 - as published
        """Give back what a document names; whether the job holds nothing any more, and has ended.

        An R of version 1 without a graph releases its ranks as a whole. A graph, alone or in `scheduling`, releases the vertices that
        it lists, which the job must hold exclusively. Reservations cannot be released in part.
        """
        raise NotImplementedError

    def find(self, criteria: str, match_format: str | None = None) -> str:
        """The vertices that satisfy an expression, with their ancestors, in a match format; "" where there are none."""
        raise NotImplementedError

    def set_status(self, path: str, status: str) -> None:
        """Put the vertex with this path `up` or `down`; jobs that run on it go on."""
        raise NotImplementedError

    def get_status(self, path: str) -> str:
        """`up` or `down`."""
        raise NotImplementedError

    def stat(self) -> dict[str, float]:
        """Counts (`vertices`, `edges`, `jobs` matched) and seconds (`load`, and `min_match`, `max_match`, `avg_match` of matches)."""
        raise NotImplementedError


def _offered() -> type[Any]:
    from fluxplug.plugins import Plugins  # noqa: PLC0415 - the registry is not needed before an object is

    for one in Plugins.load().reapi.values():
        if not issubclass(one.cls, ReapiCli):
            raise PluginError(f"plugin {one.plugin!r} of {one.owner}: {one.cls.__name__} is no subclass of ReapiCli")
        return one.cls
    raise PluginError("no installed plugin offers ReapiCli; install fluxplug-pool-graph, which does")
