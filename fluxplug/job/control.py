"""Changing jobs through the Python API: cancel, signal, raise, urgency, updates, memos."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from fluxplug.errors import ApiError
from fluxplug.future import Future
from fluxplug.values.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug.handle import Flux


def cancel(flux_handle: Flux, jobid: int | str, reason: str | None = None) -> None:
    """Cancel a job: an exception of type `cancel`, which ends it. Raises FileNotFoundError where it is inactive or unknown."""
    job_raise(flux_handle, jobid, "cancel", 0, reason)


def cancel_async(flux_handle: Flux, jobid: int | str, reason: str | None = None) -> Future[None]:
    """As `cancel`, without waiting."""
    return Future(flux_handle, lambda: cancel(flux_handle, jobid, reason), now=True)


def kill(flux_handle: Flux, jobid: int | str, signum: int | None = None) -> None:
    """Send a signal to the tasks of a running job; SIGTERM unless said. Raises OSError (EINVAL) where it is not running."""
    flux_handle.client.post(f"{path(jobid)}/kill", {"signum": 15 if signum is None else int(signum)})


def kill_async(flux_handle: Flux, jobid: int | str, signum: int | None = None) -> Future[None]:
    """As `kill`, without waiting."""
    return Future(flux_handle, lambda: kill(flux_handle, jobid, signum), now=True)


def job_raise(flux_handle: Flux, jobid: int | str, exc_type: str, severity: int = 0, note: str | None = None) -> None:
    """Raise an exception on an active job; one of severity 0 ends it.

    Raises OSError: EPROTO for a severity outside 0..7, FileNotFoundError where the job is inactive or unknown.
    """
    if not 0 <= severity <= 7:
        raise ApiError(errno.EPROTO, f"severity: expected 0 to 7, not {severity}")
    body = {"type": exc_type, "severity": severity, "note": note or ""}
    flux_handle.client.post(f"{path(jobid)}/raise", body)


def job_raise_async(
    flux_handle: Flux, jobid: int | str, exc_type: str, severity: int = 0, note: str | None = None
) -> Future[None]:
    """As `job_raise`, without waiting."""
    return Future(flux_handle, lambda: job_raise(flux_handle, jobid, exc_type, severity, note), now=True)


def set_urgency(flux_handle: Flux, jobid: int | str, urgency: int) -> int:
    """Set the urgency of a pending job (0 holds it, 31 is before all others), and return what it was. Not in Flux."""
    return int(flux_handle.client.post(f"{path(jobid)}/urgency", {"urgency": urgency})["urgency"])


def update(flux_handle: Flux, jobid: int | str, updates: Mapping[str, Any]) -> None:
    """Change a job's jobspec: dotted keys, such as `attributes.system.duration`, to values; all or none. Not in Flux."""
    flux_handle.client.post(f"{path(jobid)}/update", {"updates": dict(updates)})


def memo(flux_handle: Flux, jobid: int | str, values: Mapping[str, Any], volatile: bool = False) -> None:
    """Note key-value pairs on a job, which listings show as `user.KEY`; None deletes one. Not in Flux."""
    flux_handle.client.post(f"{path(jobid)}/memo", {"memo": dict(values), "volatile": volatile})


def path(jobid: int | str) -> str:
    """Where the API has a job. Raises ParseError for a text that is no id, OverflowError for a number that is none."""
    return f"/v1/jobs/{JobID(jobid).dec}"
