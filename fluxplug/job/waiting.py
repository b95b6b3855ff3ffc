"""Waiting for the end of jobs, and looking at one, through the Python API. Nothing polls: the instance answers when it is so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.clock import SystemClock
from fluxplug.constants import FLUX_JOB_STATE_INACTIVE, FLUX_JOBID_ANY
from fluxplug.future import Future
from fluxplug.job.control import path
from fluxplug.job.ends import when_over
from fluxplug.job.info import JobInfo
from fluxplug.values.jobid import JobID

if TYPE_CHECKING:
    from fluxplug.handle import Flux


class JobWaitResult(NamedTuple):
    """How a waitable job ended; `errstr` is empty on success."""

    jobid: JobID
    success: bool
    errstr: bytes


class JobWaitFuture(Future[JobWaitResult]):
    """The future of `wait_async`."""

    def get_status(self) -> JobWaitResult:
        """Wait for it. Raises ChildProcessError where there is no such waitable job."""
        return self.get()


class JobResultFuture(Future[dict[str, Any]]):
    """The future of `result_async`."""

    def __init__(self, flux_handle: Flux, jobid: int | str) -> None:
        where = f"{path(jobid)}/result"
        super().__init__(flux_handle, lambda: flux_handle.client.get(where, within=None, resume=True))
        self.jobid = JobID(jobid)

    def _start(self) -> None:
        if self._claim():
            when_over(self._handle, int(self.jobid), self)

    def get_dict(self) -> dict[str, Any]:
        """Wait for the end of the job: id, result (a number), t_submit, t_run, t_cleanup, waitstatus, exception_occurred, ..."""
        return plain(self.get())

    def get_info(self) -> JobInfo:
        """Wait for the end of the job. The JobInfo has what `result` says."""
        return JobInfo({"state": FLUX_JOB_STATE_INACTIVE, **self.get_dict()})


def wait(flux_handle: Flux, jobid: int | str = FLUX_JOBID_ANY) -> JobWaitResult:
    """Wait for the end of a job that was submitted as waitable, or of any such; each is told of once.

    Raises ChildProcessError where there is none, or the job is not waitable.
    """
    one = JobID(jobid)
    body = {"id": None if one == FLUX_JOBID_ANY else one.dec}
    found = flux_handle.client.post("/v1/wait", body, within=None, resume=True)
    return JobWaitResult(JobID(found["id"]), bool(found["success"]), str(found.get("errstr") or "").encode())


def wait_async(flux_handle: Flux, jobid: int | str = FLUX_JOBID_ANY) -> JobWaitFuture:
    """As `wait`, without waiting."""
    return JobWaitFuture(flux_handle, lambda: wait(flux_handle, jobid))


def wait_get_status(future: JobWaitFuture) -> JobWaitResult:
    """What a future of `wait_async` is for."""
    return future.get_status()


def result(flux_handle: Flux, jobid: int | str, flags: int = 0) -> JobInfo:
    """Wait for the end of a job, and return a JobInfo that has id, times, waitstatus, returncode, runtime, result, exception, and no more.

    Raises FileNotFoundError for a job that is unknown.
    """
    return result_async(flux_handle, jobid, flags).get_info()


def result_async(flux_handle: Flux, jobid: int | str, flags: int = 0) -> JobResultFuture:  # noqa: ARG001 - Flux's signature
    """As `result`, without waiting."""
    return JobResultFuture(flux_handle, jobid)


def get_job(flux_handle: Flux, jobid: int | str) -> dict[str, Any] | None:
    """A job as plain JSON (`JobInfo.to_dict(filtered=False)`); None where it is unknown."""
    try:
        record = flux_handle.client.get(path(jobid))["job"]
    except FileNotFoundError:
        return None
    return JobInfo(plain(record)).to_dict(filtered=False)


def timeleft(flux_handle: Flux | None = None) -> float:
    """Seconds that are left to the job that this process is a task of, else to the instance; inf where there is no limit, never below 0."""
    if flux_handle is None:
        from fluxplug.handle import Flux  # noqa: PLC0415 - only here

        flux_handle = Flux()
    jobid = os.environ.get("FLUX_JOB_ID")
    if jobid:
        end = flux_handle.client.get(path(jobid))["job"].get("expiration", 0)
    else:
        end = flux_handle.client.get("/v1/resources")["all"].get("execution", {}).get("expiration", 0)
    return max(end - SystemClock().now(), 0.0) if end else float("inf")


def plain(record: dict[str, Any]) -> dict[str, Any]:
    """A record of the HTTP API as Flux's are: the id is a number."""
    return {**record, "id": int(JobID(record["id"]))}
