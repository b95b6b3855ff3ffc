"""The contract of a trace reader: a file in, simulated jobs out, in the order in which they are submitted.

A reader subclasses `Trace` and is found by its `name` or by the ending of the file. What reading has in common lives here:
bounded lines from a plain or gzip file, errors that begin with `FILE:LINE:`, job numbers that occur once. The readers of the
tree are in `fluxplug.sim.traces`; the driver of the simulator calls them.

Not here: what happens to the jobs, and the file of outages (`fluxplug.sim.outages`).
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from abc import ABC, abstractmethod
from array import array
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn, cast

from attrs import field, frozen

from fluxplug.errors import ConfigError, TraceError
from fluxplug.suggest import instead

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping
    from os import PathLike

    StrPath = str | PathLike[str]
    OnSkip = Callable[[TraceError], None]

MAX_LINE = 1 << 20  # a jobspec of a megabyte is a mistake or an attack; SWF lines have a hundred bytes
MAX_TIME = 10**15  # seconds; sums of two are still exact in a double
_BLOCK = 1 << 18


class TraceJob(NamedTuple):
    """One job of a trace.

    `submit` is seconds since the beginning of the trace; `run` the seconds that it will really run, already cut at its limit;
    `limit` the planned seconds (0: none). `killed`: it would run longer than its limit allows, so it ends as a timeout. `width` is the
    number of cores asked for. Jobs of equal `shape` ask for the same resources in the same queue: their jobspecs differ in duration,
    dependencies, tasks and what these run in at most.
    `jobspec` is a full jobspec; or a function that makes one, for a log of another machine, whose queues need not be those of the configuration
    and which says nothing of nodes and GPUs (see `fluxplug.ingest`). `actual` is what it would run without a limit (None: `run`): it counts if
    the limit changes. `userid` is who submitted it, 0 where nobody wants to know or nobody knows.
    """

    id: int
    submit: float
    run: float
    limit: float
    width: int
    shape: Hashable
    jobspec: Callable[[], dict[str, Any]] | dict[str, Any]
    killed: bool
    queue: str | None
    actual: float | None = None
    userid: int = 0


@frozen
class TraceHeader:
    """What a trace says about itself: the machine it came from (None: not said), and its other fields by name."""

    cores: int | None = None
    nodes: int | None = None
    fields: dict[str, str] = field(factory=dict)


class Trace(ABC):
    """A reader of one format. `Config`, if there is one, is a frozen attrs class: its fields are the reader's options."""

    name: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    Config: ClassVar[type[Any] | None] = None
    with_users = False
    """Set it before `jobs` where `userid` is wanted: to read it may cost something."""

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None and self.Config is not None else config
        self.notes: dict[str, int] = {}

    @abstractmethod
    def jobs(self, path: StrPath, machine_cores: int, on_skip: OnSkip | None = None) -> Iterator[TraceJob]:
        """Read `path` from its beginning; yield its jobs by submit time, ties in file order.

        Memory does not grow with the length of the file by more than a job number a job, unless the reader says otherwise.
        `width` is capped at `machine_cores` where the format asks for it. `notes` is reset, and complete when the iterator is
        exhausted: counts of what was read, changed and skipped.

        Raises TraceError for what cannot be read. With `on_skip`, a malformed line is passed to it as that error, counted under
        `skipped`, and left out; what is wrong with the file as a whole is raised all the same.
        """

    def header(self, path: StrPath) -> TraceHeader:
        """What the file says about itself. Reads only its beginning. Raises TraceError if that cannot be read."""
        del path
        return TraceHeader()


def trace_for(path: StrPath, traces: Mapping[str, type[Trace]], name: str | None = None) -> type[Trace]:
    """The reader for `path`: the one called `name`, else the one with the longest ending that the path has.

    Raises ConfigError if nobody has that name, TraceError if nobody reads that ending or two do.
    """
    if name is not None:
        if name not in traces:
            raise ConfigError(f"no trace format is named {name!r}{instead(name, traces, 'installed')}")
        return traces[name]
    text = str(path).lower()
    endings = [(len(end), known) for known, reader in traces.items() for end in reader.extensions if text.endswith(end)]
    best = sorted(known for length, known in endings if length == max(endings)[0])
    if len(best) == 1:
        return traces[best[0]]
    if best:
        raise TraceError(f"{path}: read by {' and by '.join(best)}: name the trace format")
    known = "; ".join(f"{known}: {' '.join(traces[known].extensions)}" for known in sorted(traces))
    raise TraceError(f"{path}: no trace format has this file ending; name one ({known})")


def read_lines(path: StrPath) -> Iterator[tuple[int, bytes]]:
    """The lines of a plain or gzip file, numbered from 1, without their newline; gzip is known by its content.

    A line longer than MAX_LINE comes as some longer beginning of it, so that memory stays bounded: the caller rejects
    it by its length. Raises TraceError if the file cannot be opened or ends within its compressed data.
    """
    number = 0
    try:
        with open(path, "rb") as plain:  # noqa: PTH123 - anything that open() takes
            packed = plain.peek(2)[:2] == b"\x1f\x8b"
            stream = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=plain)), _BLOCK) if packed else plain
            tail = b""
            while block := stream.read(_BLOCK):
                lines = (tail + block).split(b"\n")
                tail = lines.pop()[: MAX_LINE + 1]
                for line in lines:
                    number += 1
                    yield number, line
            if tail:
                number += 1
                yield number, tail
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TraceError(f"{path}:{number + 1}: damaged gzip data: {error}") from None
    except OSError as error:
        raise TraceError(f"{path}:{number + 1}: cannot be read: {error.strerror or error}") from None


def read_json_lines(path: StrPath, problem: Callable[[TraceError], None]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON lines, with their line numbers; empty lines are left out.

    A line that is too long, or is no JSON object in UTF-8, is given to `problem`, which may raise it; if it returns, the line
    is left out.
    """
    for number, line in read_lines(path):
        try:
            if len(line) > MAX_LINE:
                raise ValueError(f"a line of more than {MAX_LINE} bytes")
            text = line.decode("utf-8").strip()
            if not text:
                continue
            document = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
            if not isinstance(document, dict):
                raise ValueError("expected a JSON object")  # noqa: TRY004 - every fault of a line is a ValueError here
        except json.JSONDecodeError as error:
            problem(TraceError(f"{path}:{number}: no JSON: {error.msg} at column {error.colno}"))
        except UnicodeDecodeError as error:
            problem(TraceError(f"{path}:{number}: no UTF-8: {error.reason} at byte {error.start}"))
        except ValueError as error:
            problem(TraceError(f"{path}:{number}: {error}"))
        except RecursionError:
            problem(TraceError(f"{path}:{number}: nested too deeply"))
        else:
            yield number, document


def seconds(document: dict[str, Any], key: str) -> float:
    """The number of seconds, 0 or more, under `key`; a whole one as an int. Raises ValueError."""
    value = document.get(key)
    if type(value) is int and 0 <= value < MAX_TIME:  # a bool is no number
        return value
    if type(value) is float and 0 <= value < MAX_TIME:
        return int(value) if value.is_integer() else value
    raise ValueError(f"{key} must be a number of seconds, 0 or more" if key in document else f"{key} is missing")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"no JSON: {name} is not a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)[:40]!r} is given twice")
    return made


class JobNumbers:
    """Tells job numbers that occur twice, at eight bytes a number while they rise, as those of logs do."""

    __slots__ = ("rising", "seen")

    def __init__(self) -> None:
        self.rising = array("q", [-1])
        self.seen: set[int] | None = None

    def repeated(self, number: int) -> bool:
        """Whether `number` came before. Amortised O(1)."""
        if self.seen is None:
            if number > self.rising[-1]:
                self.rising.append(number)
                return False
            self.seen = set(self.rising)
        if number in self.seen:
            return True
        self.seen.add(number)
        return False
