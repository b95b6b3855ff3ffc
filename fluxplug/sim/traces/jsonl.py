"""Traces of full jobspecs: JSON lines of `{"t_submit": s, "run_time": s, "jobspec": {...}}`, plain or gzip, streamed.

The format for what SWF cannot say: nodes, GPUs, constraints, queues. Used by the simulator, through `fluxplug.sim.trace`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from fluxplug.config.options import option
from fluxplug.errors import DocumentError, TraceError
from fluxplug.jobspec.validate import check_canonical, check_keys, check_v1
from fluxplug.sim.trace import MAX_TIME, JobNumbers, Trace, TraceJob, read_json_lines, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.sim.trace import OnSkip, StrPath

_KEYS = frozenset(("t_submit", "run_time", "jobspec", "id", "userid"))
# What a job does with its resources, and for how long, does not make it ask for other ones.
_NOT_SHAPE = frozenset(("duration", "cwd", "environment", "shell", "job", "files", "dependencies", "exec"))
_first_digits = re.compile(r"\[?([0-9]{1,15})").match


class JsonlTrace(Trace):
    """JSON lines of jobspecs. A line is an object with

    - `t_submit`: seconds since the beginning of the trace, 0 or more;
    - `run_time`: the seconds that the job would run if nothing stopped it, 0 or more;
    - `jobspec`: a jobspec, version 1 or canonical. Its `attributes.system.duration` is the job's limit (0 or missing: none); a job
      that would run longer is killed at it. Its `attributes.system.queue` is the job's queue;
    - `id`, optional: the job's number, 0 or more; otherwise the number of its line;
    - `userid`, optional: the number of who submitted it, 0 or more; otherwise 0.

    Empty lines are ignored; any other key is an error, as is a number that occurs twice. Lines must be sorted by `t_submit`;
    `sort = true` reads a whole trace and sorts it, ties in file order.
    """

    name: ClassVar[str] = "jobspec-jsonl"
    extensions: ClassVar[tuple[str, ...]] = (".jsonl", ".jsonl.gz")

    @frozen
    class Config:
        sort: bool = option(
            False, help="read the whole trace and sort it by submit time, instead of rejecting an unsorted one"
        )

    config: Config

    def jobs(self, path: StrPath, machine_cores: int, on_skip: OnSkip | None = None) -> Iterator[TraceJob]:
        """The jobs of a trace; `machine_cores` changes nothing. With `sort`, memory grows with the trace.

        `notes`: jobs, skipped, unlimited (without a limit), killed (at their limit).
        """
        del machine_cores
        jobs = self._jobs(path, on_skip)
        return iter(sorted(jobs, key=lambda job: job.submit)) if self.config.sort else jobs

    def _jobs(self, path: StrPath, on_skip: OnSkip | None) -> Iterator[TraceJob]:
        repeated = JobNumbers().repeated
        count = skipped = unlimited = killings = 0
        last: float = 0
        self.notes = {}

        def skip(problem: TraceError) -> None:
            nonlocal skipped
            if on_skip is None:
                raise problem
            skipped += 1
            on_skip(problem)

        for number, document in read_json_lines(path, skip):
            try:
                job = _job(document, number)
                if repeated(job.id):
                    raise ValueError(f"id {job.id} occurs twice")
            except ValueError as error:
                skip(TraceError(f"{path}:{number}: {error}"))
                continue
            if job.submit < last and not self.config.sort:
                raise TraceError(
                    f"{path}:{number}: t_submit {job.submit} is before {last}, that of an earlier line: "
                    "set `sort = true` for this format to read and sort the whole trace"
                )
            last = job.submit
            count += 1
            killings += job.killed
            unlimited += job.limit == 0
            yield job
        self.notes = {"jobs": count, "skipped": skipped, "unlimited": unlimited, "killed": killings}


def _job(document: dict[str, Any], line: int) -> TraceJob:
    """The job of one line. Raises ValueError (a DocumentError is one) with what is wrong."""
    for key in document:
        if key not in _KEYS:
            raise ValueError(f"unknown key {key[:40]!r}; a line has {', '.join(sorted(_KEYS))}")
    submit = seconds(document, "t_submit")
    actual = seconds(document, "run_time")
    number = document.get("id", line)
    if type(number) is not int or not 0 <= number < MAX_TIME:
        raise ValueError("id must be a whole number, 0 or more")
    userid = document.get("userid", 0)
    if type(userid) is not int or not 0 <= userid < MAX_TIME:
        raise ValueError("userid must be a whole number, 0 or more")
    if "jobspec" not in document:
        raise ValueError("jobspec is missing")
    jobspec = document["jobspec"]
    try:
        check_keys(jobspec)
        (check_v1 if jobspec["version"] == 1 else check_canonical)(jobspec)
    except DocumentError as error:
        raise ValueError(f"jobspec: {error}") from None
    attributes = jobspec["attributes"] or {}
    system = attributes.get("system") or {}
    limit = seconds(system, "duration") if "duration" in system else 0
    queue = system.get("queue")
    if not isinstance(queue, (str, type(None))):
        raise ValueError("jobspec: attributes.system.queue: must be a string")  # noqa: TRY004 - as for all faults of a line
    kept = {key: value for key, value in system.items() if key not in _NOT_SHAPE}
    shape = json.dumps([jobspec["resources"], kept, attributes.get("user")], sort_keys=True, separators=(",", ":"))
    killed = 0 < limit < actual
    width = _width(jobspec["resources"])
    return TraceJob(
        number, submit, limit if killed else actual, limit, width, shape, jobspec, killed, queue, actual, userid
    )


def _width(resources: list[dict[str, Any]]) -> int:
    """The least number of cores that a valid resource section asks for; at least 1, also where it names no cores."""
    total = 0
    pending = [(vertex, 1) for vertex in resources]
    while pending:
        vertex, above = pending.pop()
        count = above * _least(vertex["count"])
        if count >= MAX_TIME:
            raise ValueError("jobspec: resources: more than can be counted")
        if vertex["type"] == "core":
            total += count
        else:
            pending += [(child, count) for child in vertex.get("with") or ()]
    return max(total, 1)


def _least(count: int | str | dict[str, Any]) -> int:
    """The smallest number that a count admits: a number, a range like `2-8` or `2+`, a set like `2,4`, or an object with `min`."""
    least = count["min"] if isinstance(count, dict) else count
    if isinstance(least, str):
        match = _first_digits(least)
        return int(match[1]) if match else 1
    return int(least)
