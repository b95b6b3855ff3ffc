"""Submission through the Python API: one job, many in one request, and futures of ids.

The jobspec is checked where it is taken in: what is wrong with it is the instance's answer.
"""

from __future__ import annotations

import errno
import json
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from fluxplug.client.client import encode
from fluxplug.constants import FLUX_JOB_DEBUG, FLUX_JOB_NOVALIDATE, FLUX_JOB_PRE_SIGNED, FLUX_JOB_WAITABLE
from fluxplug.errors import ApiError
from fluxplug.future import Future
from fluxplug.jobspec.model import Jobspec
from fluxplug.values.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fluxplug.handle import Flux

JobspecLike: TypeAlias = "Jobspec | str | bytes"

MOST = 1000
"""Jobs a request: an answer every few hundred milliseconds."""
MOST_BYTES = 16 << 20
"""Bytes of them, unless one alone has more: instances take several times as much."""


class SubmitFuture(Future[JobID]):
    """The future of the id of a job."""

    def get_id(self) -> JobID:
        """Wait for the id. Raises OSError where the job was refused."""
        return self.get()


def submit(  # noqa: PLR0917 - Flux's signature
    flux_handle: Flux,
    jobspec: JobspecLike,
    urgency: int = 16,
    waitable: bool = False,
    debug: bool = False,
    pre_signed: bool = False,
) -> JobID:
    """Submit a job and return its id. It is stored durably by then.

    `jobspec` is a Jobspec, or its JSON text. Raises OSError of the instance's errno for what it refuses, TypeError for any other jobspec;
    UnknownOutcomeError where the answer was lost: it is never sent twice.
    """
    entry = job_entry(jobspec, urgency, job_flags(waitable, debug, pre_signed))
    return JobID(flux_handle.client.post("/v1/jobs", entry)["id"])


def submit_async(  # noqa: PLR0917 - Flux's signature
    flux_handle: Flux,
    jobspec: JobspecLike,
    urgency: int = 16,
    waitable: bool = False,
    debug: bool = False,
    pre_signed: bool = False,
    novalidate: bool = False,
) -> SubmitFuture:
    """As `submit`, without waiting. Jobs are taken in the order of the calls; those that wait to be sent go together.

    The interpreter does not exit before they are sent.
    """
    future = SubmitFuture(flux_handle, None)
    entry = job_entry(jobspec, urgency, job_flags(waitable, debug, pre_signed, novalidate))
    flux_handle.parts.setdefault("sender", _Sender(flux_handle)).put(entry, future)
    return future


def submit_get_id(future: SubmitFuture) -> JobID:
    """The id that a future of `submit_async` is for. Raises as `submit` does."""
    return future.get_id()


def submit_bulk(
    flux_handle: Flux,
    jobspecs: Iterable[JobspecLike],
    urgency: int = 16,
    *,
    waitable: bool = False,
    debug: bool = False,
    pre_signed: bool = False,
    return_errors: bool = False,
) -> list[Any]:
    """Submit many jobs, in order, and return their ids (a list of JobID). Not in Flux.

    A thousand go in each request, so this is much faster than one by one. A job that is refused does not keep the others out: the first such
    error is raised after all are sent, with the list as its attribute `jobs`; with `return_errors` nothing is raised. In the list, an OSError
    stands in the place of the id of each job that was refused.
    """
    flags = job_flags(waitable, debug, pre_signed)
    entries = [job_entry(jobspec, urgency, flags) for jobspec in jobspecs]
    found: list[JobID | OSError] = []
    for portion in portions(entries):
        found += send_entries(flux_handle, portion)
    if not return_errors:
        for one in found:
            if isinstance(one, OSError):
                one.jobs = found  # type: ignore[attr-defined]
                raise one
    return found


def job_flags(waitable: bool, debug: bool, pre_signed: bool, novalidate: bool = False) -> int:
    return (
        waitable * FLUX_JOB_WAITABLE
        | debug * FLUX_JOB_DEBUG
        | pre_signed * FLUX_JOB_PRE_SIGNED
        | novalidate * FLUX_JOB_NOVALIDATE
    )


def job_entry(jobspec: JobspecLike, urgency: int, flags: int) -> bytes:
    """What a request has for a job, as JSON: the jobspec may change afterwards. Raises as `submit` does for what is no jobspec at all."""
    document: Any
    if isinstance(jobspec, Jobspec):
        document = jobspec.jobspec
    elif isinstance(jobspec, (str, bytes)):
        try:
            document = json.loads(jobspec)
        except (ValueError, RecursionError) as error:
            raise ApiError(errno.EINVAL, f"jobspec: invalid JSON: {error}") from None
    elif jobspec is None:
        raise ApiError(errno.EINVAL, "jobspec: expected a Jobspec or its JSON text, not None")
    else:
        raise TypeError(f"jobspec: expected a Jobspec or its JSON text, not {type(jobspec).__name__}")
    return encode({"jobspec": document, "urgency": urgency, "flags": flags})


def portions(entries: Iterable[bytes]) -> Iterator[list[bytes]]:
    """What goes into one request each, in order: MOST jobs, and MOST_BYTES, at most."""
    portion: list[bytes] = []
    size = 0
    for entry in entries:
        if portion and (len(portion) == MOST or size + len(entry) > MOST_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(entry)
        size += len(entry)
    if portion:
        yield portion


def send_entries(handle: Flux, entries: list[bytes], *, resume: bool = False) -> list[JobID | OSError]:
    """Submit what `job_entry` made, in one request; for each job its id, or why it was refused. `resume` is as for `Client.post`."""
    if len(entries) == 1:
        try:
            return [JobID(handle.client.post("/v1/jobs", entries[0], resume=resume)["id"])]
        except ApiError as error:
            return [error]
    found: list[JobID | OSError] = []
    body = b'{"jobs":[%b]}' % b",".join(entries)
    for one in handle.client.post("/v1/jobs", body, within=None, resume=resume)["jobs"]:
        if "id" in one:
            found.append(JobID(one["id"]))
        else:
            refusal = one.get("error") or {}
            found.append(ApiError(refusal.get("errno") or errno.EINVAL, str(refusal.get("message") or "refused")))
    return found


class _Sender:
    """Sends what is submitted through a handle without waiting: a thread that lives as long as there is something to send."""

    def __init__(self, handle: Flux) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._waiting: list[tuple[bytes, SubmitFuture]] = []
        self._running = False

    def put(self, entry: bytes, future: SubmitFuture) -> None:
        with self._lock:
            self._waiting.append((entry, future))
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, name="fluxplug-submit").start()

    def _run(self) -> None:
        while True:
            with self._lock:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                if not batch:
                    self._running = False
                    return
            answers: list[Any] = []
            for portion in portions(entry for entry, _ in batch):
                try:
                    answers += send_entries(self._handle, portion)
                except Exception as error:  # noqa: BLE001 - it is raised where an id is asked for
                    answers += [error] * len(portion)
            for (_, future), found in zip(batch, answers, strict=True):
                if isinstance(found, Exception):
                    future.settle(error=found)
                else:
                    future.settle(found)
