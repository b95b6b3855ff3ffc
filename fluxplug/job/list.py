"""Listing jobs through the Python API: `job_list` and its kin, and JobList, which reads filters as commands take them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fluxplug import constants
from fluxplug.future import Future
from fluxplug.job.control import path
from fluxplug.job.info import JobInfo
from fluxplug.job.waiting import plain
from fluxplug.values.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fluxplug.handle import Flux

_STATES = {
    name: getattr(constants, f"FLUX_JOB_STATE_{name.upper()}")
    for name in ("depend", "priority", "sched", "run", "cleanup", "inactive", "pending", "running", "active")
}
_RESULTS = {
    name: getattr(constants, f"FLUX_JOB_RESULT_{name.upper()}")
    for name in ("completed", "failed", "canceled", "timeout")
}


class JobListRPC(Future[list[dict[str, Any]]]):
    """The future of records of jobs."""

    def get_jobs(self) -> list[dict[str, Any]]:
        """Wait for them: the attributes of RFC 43, ids as numbers, unset ones left out."""
        return self.get()

    def get_jobinfos(self) -> list[JobInfo]:
        """Wait for them, as JobInfo."""
        return [JobInfo(record) for record in self.get()]


class JobListIdRPC(Future[dict[str, Any]]):
    """The future of the record of a job."""

    def get_job(self) -> dict[str, Any]:
        """Wait for it. Raises FileNotFoundError where the job is unknown."""
        return self.get()

    def get_jobinfo(self) -> JobInfo:
        """Wait for it, as JobInfo."""
        return JobInfo(self.get())


def job_list(  # noqa: PLR0917 - Flux's signature
    flux_handle: Flux,
    max_entries: int = 1000,
    attrs: Iterable[str] = ("all",),
    userid: int | None = None,
    states: int = 0,
    results: int = 0,
    since: float = 0.0,
    name: str | None = None,
    queue: str | Iterable[str] | None = None,
    constraint: Mapping[str, Any] | None = None,
) -> JobListRPC:
    """Jobs of a user (None: of this one; FLUX_USERID_UNKNOWN: of all), of any of the `states` or `results` (masks; 0 for all).

    `max_entries` 0 is no limit. `since`: inactive jobs only if they ended after it. `constraint` is one of RFC 43, on top of the rest.
    """
    terms: list[dict[str, Any]] = []
    if userid != constants.FLUX_USERID_UNKNOWN:
        terms.append({"userid": [os.getuid() if userid is None else userid]})
    either = [{key: [mask]} for key, mask in (("states", states), ("results", results)) if mask]
    if either:
        terms.append(either[0] if len(either) == 1 else {"or": either})
    if name:
        terms.append({"name": [name]})
    if queue:
        terms.append({"queue": [queue] if isinstance(queue, str) else list(queue)})
    if constraint:
        terms.append(dict(constraint))
    body = {
        "max_entries": max_entries,
        "attrs": list(attrs),
        "since": since,
        "constraint": {"and": terms} if terms else None,
    }
    return JobListRPC(flux_handle, lambda: _ask(flux_handle, body))


def job_list_inactive(  # noqa: PLR0917 - Flux's signature
    flux_handle: Flux,
    since: float = 0.0,
    max_entries: int = 1000,
    attrs: Iterable[str] = ("all",),
    name: str | None = None,
    queue: str | Iterable[str] | None = None,
    constraint: Mapping[str, Any] | None = None,
) -> JobListRPC:
    """Inactive jobs of all users. Parameters as for `job_list`."""
    return job_list(
        flux_handle,
        max_entries,
        attrs,
        constants.FLUX_USERID_UNKNOWN,
        constants.FLUX_JOB_STATE_INACTIVE,
        since=since,
        name=name,
        queue=queue,
        constraint=constraint,
    )


def job_list_id(flux_handle: Flux, jobid: int | str, attrs: Iterable[str] = ("all",)) -> JobListIdRPC:  # noqa: ARG001 - Flux's signature
    """One job, of whatever state and user; all attributes whatever `attrs` says."""
    where = path(jobid)
    return JobListIdRPC(flux_handle, lambda: plain(flux_handle.client.get(where)["job"]))


class JobList:
    """Jobs by filters as commands take them: `jobs()` asks, and returns JobInfos.

    `filters` are names of states and results, also several with commas; `ids` are exactly the jobs wanted, in that order, whatever the other
    filters; `user` is a name, a number, `all`, or None for this user.

    Raises ValueError for an unknown filter or user. After `jobs()`, `errors` has a line for each id that is unknown.
    """

    STATES = _STATES
    RESULTS = _RESULTS

    def __init__(  # noqa: PLR0917 - Flux's signature
        self,
        flux_handle: Flux,
        attrs: Iterable[str] = ("all",),
        filters: Iterable[str] = (),
        ids: Iterable[int | str] = (),
        user: str | int | None = None,
        max_entries: int = 1000,
        since: float = 0.0,
        name: str | None = None,
        queue: str | Iterable[str] | None = None,
        constraint: Mapping[str, Any] | None = None,
    ) -> None:
        self.handle = flux_handle
        self.attrs = list(attrs)
        self.ids = [JobID(one) for one in ids]
        self.max_entries = max_entries
        self.since = since
        self.name = name
        self.queue = queue
        self.constraint = constraint
        self.states = self.results = 0
        self.errors: list[str] = []
        for one in filters:
            for word in one.split(","):
                self.add_filter(word)
        self.set_user(user)

    def add_filter(self, name: str) -> None:
        """Add a state or a result, by name, in any case. Raises ValueError."""
        name = name.lower()
        if name in _STATES:
            self.states |= _STATES[name]
        elif name in _RESULTS:
            self.results |= _RESULTS[name]
        else:
            known = ", ".join([*_STATES, *_RESULTS])
            raise ValueError(f"Invalid filter specified: {name}; known are {known}")

    def set_user(self, user: str | int | None) -> None:
        """Choose whose jobs. Raises ValueError for a user that does not exist."""
        if user is None:
            self.userid = os.getuid()
        elif user == "all":
            self.userid = constants.FLUX_USERID_UNKNOWN
        elif isinstance(user, int) or user.isdecimal():
            self.userid = int(user)
        else:
            import pwd  # noqa: PLC0415 - few ask for another user

            try:
                self.userid = pwd.getpwnam(user).pw_uid
            except KeyError:
                raise ValueError(f"there is no such user: {user}; expected a name, a number, or all") from None

    def fetch_jobs(self) -> JobListRPC:
        """The future of the records."""
        if self.ids:
            body = {"max_entries": 0, "attrs": self.attrs, "ids": [one.dec for one in self.ids]}
            return JobListRPC(self.handle, lambda: self._in_order(_ask(self.handle, body)))
        return job_list(
            self.handle,
            self.max_entries,
            self.attrs,
            self.userid,
            self.states,
            self.results,
            self.since,
            self.name,
            self.queue,
            self.constraint,
        )

    def jobs(self) -> list[JobInfo]:
        """Ask, and return the jobs."""
        return self.fetch_jobs().get_jobinfos()

    def _in_order(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        known = {record["id"]: record for record in records}
        self.errors = [f"JobID {one.orig} unknown" for one in self.ids if one not in known]
        return [known[one] for one in self.ids if one in known]


def _ask(handle: Flux, body: dict[str, Any]) -> list[dict[str, Any]]:
    return [plain(record) for record in handle.client.post("/v1/jobs/list", body, again=True)["jobs"]]
