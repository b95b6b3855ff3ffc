"""Logs in the standard workload format (SWF) of the Parallel Workloads Archive, plain or gzip, streamed.

The format is that of S. Chapin et al., "Benchmarks and standards for the evaluation of parallel job schedulers" (JSSPP 1999),
version 2.2: 18 numeric fields a line, -1 for unknown, comments after `;`. Which job a line becomes is a convention that changes
results; it is spelt out at `SwfTrace`. Used by the simulator, through `fluxplug.sim.trace`.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from attrs import frozen

from fluxplug.config.options import option
from fluxplug.errors import TraceError
from fluxplug.sim.trace import MAX_LINE, MAX_TIME, JobNumbers, Trace, TraceHeader, TraceJob, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fluxplug.sim.trace import OnSkip, StrPath

FIELDS = (
    "job number",
    "submit time",
    "wait time",
    "run time",
    "allocated processors",
    "average CPU time",
    "used memory",
    "requested processors",
    "requested time",
    "requested memory",
    "status",
    "user",
    "group",
    "application",
    "queue",
    "partition",
    "preceding job",
    "think time",
)
_WANTED = (0, 1, 3, 4, 8, 14)
_INTEGERS = (0, 4, 14)

_PLAIN = b"0123456789-. \t\r"
_number = re.compile(rb"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?").fullmatch
_integer = re.compile(rb"-?[0-9]{1,15}").fullmatch
_comment = re.compile(r";+\s*([A-Za-z]\w*)\s*:\s*(.*)").match
_first_number = re.compile(r"[0-9]{1,15}").match
_queue_line = re.compile(r"(-?[0-9]{1,15})\s+(\S+)").match
_MAX_COMMENTS = 10_000
_BATCH = 256
_USUAL = 500
"""Lines that are read at once, and the bytes that each has at most, where they are as most are."""

Fields: TypeAlias = "tuple[int, float, float, int, float, int]"


class SwfTrace(Trace):
    """SWF, by these rules (times in seconds):

    - width: allocated processors, at least 1, capped at the machine;
    - limit (the estimate) = max(requested time, run time, 1); run = max(min(requested time, run time), 1): a job is killed at
      what it requested;
    - a line whose run time or width is 0 or less, or whose submit time is negative, is a one-second job with an estimate of
      one second, submitted at max(submit time, 1);
    - a requested time of 0 or less is missing. `missing-estimate = "one"` follows the rules above to the letter, which makes such a
      job run for one second; `"actual"` takes its run time for its request. `notes` counts them; neither counts as killed.

    Lines must be sorted by submit time, as those of the archive are; `sort = true` reads a whole log and sorts it, ties
    in file order.
    """

    name: ClassVar[str] = "swf"
    extensions: ClassVar[tuple[str, ...]] = (".swf", ".swf.gz")

    @frozen
    class Config:
        missing_estimate: str = option(
            "one",
            choices=("one", "actual"),
            help="a job without a requested time runs for one second (the convention) or for its actual run time",
        )
        sort: bool = option(
            False, help="read the whole log and sort it by submit time, instead of rejecting an unsorted one"
        )
        queue: str = option(
            "none",
            choices=("none", "number", "name"),
            help="a job's queue: none, the log's queue number, or the name that its header gives that number",
        )

    config: Config

    def jobs(self, path: StrPath, machine_cores: int, on_skip: OnSkip | None = None) -> Iterator[TraceJob]:
        """The jobs of a log; two to three microseconds each. With `sort`, memory grows with the log.

        `notes`: jobs, skipped, missing-estimate (where it made a difference), degenerate (made one-second jobs), capped (wider than the
        machine), killed (at what they requested).
        """
        if machine_cores < 1:
            raise ValueError("machine_cores must be at least 1")
        jobs = self._jobs(path, machine_cores, on_skip)
        return iter(sorted(jobs, key=_submit)) if self.config.sort else jobs

    def header(self, path: StrPath) -> TraceHeader:
        """The comments before the first job: MaxProcs and MaxNodes as the machine, all `Key: value` by name, the first of each."""
        fields: dict[str, str] = {}
        for key, value in _comments(path):
            fields.setdefault(key, value)
        return TraceHeader(cores=_leading(fields, "MaxProcs"), nodes=_leading(fields, "MaxNodes"), fields=fields)

    def _jobs(self, path: StrPath, cores: int, on_skip: OnSkip | None) -> Iterator[TraceJob]:
        as_actual = self.config.missing_estimate == "actual"
        checked = not self.config.sort
        with_queue = self.config.queue != "none"
        with_users, userid = self.with_users, 0
        names = _queue_names(path) if self.config.queue == "name" else {}
        repeated = JobNumbers().repeated
        new = tuple.__new__  # a third of the cost of calling TraceJob
        count = skipped = missing = degenerate = capped = killings = 0
        last: float = 0
        held: list[TraceJob] = []  # moved to second 1 from before it, until all that precedes them is out
        self.notes = {}

        for number, line, values in _rows(path):
            try:
                if values is None:
                    values = _fields(line)
                    if values is None:
                        continue
                job, submit, actual, width, requested, queue_number = values
                if repeated(job):
                    raise ValueError(f"job number {job} occurs twice")
                if with_users:
                    userid = _user(line)
            except ValueError as error:
                problem = TraceError(f"{path}:{number}: {error}")
                if on_skip is None:
                    raise problem from None
                on_skip(problem)
                skipped += 1
                continue

            killed = moved = False
            run: float = 1
            limit: float = 1
            if actual <= 0 or width <= 0 or submit < 0:
                degenerate += 1
                actual = 1
                width = max(width, 1)
                if submit < 1:
                    submit = 1
                    moved = True
            else:
                limit = run = actual
                if requested > actual:
                    limit = requested
                elif requested <= 0:
                    missing += 1
                    if not as_actual:
                        run = 1
                elif requested < actual:
                    killed = True
                    killings += 1
                    run = requested
                if run < 1:
                    run = 1
                    limit = max(limit, 1)
            if width > cores:
                width = cores
                capped += 1
            queue = (names.get(queue_number) or str(queue_number)) if with_queue else None
            made = new(
                TraceJob,
                (
                    job, submit, run, limit, width, width, partial(_jobspec, width, limit, queue), killed, queue, actual, userid
                ),
            )  # fmt: skip
            count += 1

            if checked:
                if submit < last:
                    raise TraceError(
                        f"{path}:{number}: submit time {submit} is before {last}, that of an earlier line: "
                        "set `sort = true` for this format to read and sort the whole log"
                    )
                if moved or held:
                    if moved or submit == 1:
                        held.append(made)
                        continue
                    if submit > 1:
                        yield from held
                        held.clear()
                last = submit
            yield made
        yield from held
        self.notes = {
            "jobs": count,
            "skipped": skipped,
            "missing-estimate": missing,
            "degenerate": degenerate,
            "capped": capped,
            "killed": killings,
        }


def _submit(job: TraceJob) -> float:
    return job.submit


def _jobspec(width: int, limit: float, queue: str | None) -> dict[str, Any]:
    """The V1 jobspec of a log's job: `width` slots of a core each, for `limit` seconds."""
    system: dict[str, Any] = {"duration": limit}
    if queue is not None:
        system["queue"] = queue
    return {
        "version": 1,
        "resources": [{"type": "slot", "count": width, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["job"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": system},
    }


def _rows(path: StrPath) -> Iterator[tuple[int, bytes, Fields | None]]:
    """The lines with their numbers and wanted fields; None for the fields where the line, or one near it, is an unusual one."""
    numbered = read_lines(path)
    while batch := list(islice(numbered, _BATCH)):
        numbers, lines = zip(*batch, strict=True)
        nothing: Iterator[None] = repeat(None)
        yield from zip(numbers, lines, _plain_fields(lines) or nothing)  # noqa: B905 - `nothing` has no end


def _plain_fields(lines: Sequence[bytes]) -> Iterator[Fields] | None:
    """The wanted fields of usual lines, whole numbers all; None where one line is not, which `_fields` accepts or rejects.

    All at once: a third of the cost of each by itself. Of the twelve other fields this looks at the characters only: to convert them would
    cost more than all the rest.
    """
    count = len(lines)
    if max(map(len, lines)) > _USUAL:
        return None
    text = b" ; ".join(lines)
    words = text.split()
    if (
        text.translate(None, _PLAIN) != b";" * (count - 1)
        or len(words) != (len(FIELDS) + 1) * count - 1
        or words[len(FIELDS) :: len(FIELDS) + 1].count(b";") != count - 1
    ):
        return None
    try:
        columns = [list(map(int, words[index :: len(FIELDS) + 1])) for index in _WANTED]
    except ValueError:
        return None
    if min(columns[0]) < 0 or max(map(max, columns)) >= MAX_TIME:
        return None
    return zip(*columns, strict=True)


def _fields(line: bytes) -> Fields | None:
    """The wanted fields of an unusual line, None for a comment or an empty line. Raises ValueError with what is wrong."""
    words = line[: MAX_LINE + 1].split(None, len(FIELDS))
    if not words or words[0].startswith(b";"):
        return None
    if len(line) > MAX_LINE:
        raise ValueError(f"a line of more than {MAX_LINE} bytes")
    if len(words) != len(FIELDS):
        raise ValueError(f"expected {len(FIELDS)} fields, got {len(line.split())}")
    for name, word in zip(FIELDS, words, strict=True):
        if not _number(word):
            raise ValueError(f"{name} is not a number: {_shown(word)}")
    values = []
    for index in _WANTED:
        value = float(words[index])
        if not -MAX_TIME < value < MAX_TIME:
            raise ValueError(f"{FIELDS[index]} is out of range: {_shown(words[index])}")
        if value == int(value):
            value = int(value)
        elif index in _INTEGERS:
            raise ValueError(f"{FIELDS[index]} is not a whole number: {_shown(words[index])}")
        values.append(value)
    job, submit, actual, width, requested, queue = values
    if job < 0:
        raise ValueError(f"job number is negative: {int(job)}")
    return int(job), submit, actual, int(width), requested, int(queue)


def _user(line: bytes) -> int:
    """The user number of a line that has been read; 0 for an unknown one. Raises ValueError."""
    word = line.split(None, 12)[11]
    if not _integer(word):
        raise ValueError(f"user is not a whole number: {_shown(word)}")
    return max(0, int(word))


def _shown(word: bytes) -> str:
    text = word.decode("ascii", "backslashreplace")
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _comments(path: StrPath) -> Iterator[tuple[str, str]]:
    for number, line in read_lines(path):
        text = line[:1000].strip()
        if text and (not text.startswith(b";") or number > _MAX_COMMENTS):
            return
        if match := _comment(text.decode("utf-8", "replace")):
            yield match[1], match[2].strip()


def _leading(fields: dict[str, str], key: str) -> int | None:
    """The number at the beginning of a field, like 338 in `338 (batch partition; 512 total)`; None if there is none above 0."""
    match = _first_number(fields.get(key, ""))
    return (int(match[0]) or None) if match else None


def _queue_names(path: StrPath) -> dict[int, str]:
    """Queue names by number, from comments like `; Queue: 1 DSI`."""
    found = (_queue_line(value) for key, value in _comments(path) if key == "Queue")
    return {int(match[1]): match[2] for match in found if match}
