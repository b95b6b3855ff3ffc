"""Documents and logs of jobs through the Python API, by the names that they have in Flux's key-value store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fluxplug.errors import ApiError
from fluxplug.future import Future
from fluxplug.job.control import path
from fluxplug.job.event import watch_log
from fluxplug.values.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fluxplug.handle import Flux


class JobInfoLookupRPC(Future[dict[str, Any]]):
    """The future of `job_info_lookup`."""

    def get_decode(self) -> dict[str, Any]:
        """Wait for the values, documents decoded."""
        return self.get()


def job_info_lookup(flux_handle: Flux, jobid: int | str, keys: Iterable[str] = ("jobspec",)) -> JobInfoLookupRPC:
    """The future of what a job has: `jobspec` and `R` as documents, logs (`eventlog`, `guest.output`, ...) as texts of a line an entry."""
    wanted = list(keys)
    return JobInfoLookupRPC(flux_handle, lambda: _lookup(flux_handle, jobid, wanted, {}))


def job_kvs_lookup(  # noqa: PLR0917 - Flux's signature
    flux_handle: Flux,
    jobid: int | str,
    keys: Iterable[str] = ("jobspec",),
    decode: bool = True,
    original: bool = False,
    base: bool = False,
) -> dict[str, Any] | None:
    """What a job has, by key, and its `id`; None where the job or a key is unknown.

    `decode`: documents decoded, else all as texts. The jobspec is with its updates, unless `base` or `original`; `original` is with its
    environment too. Both are as the instance has taken the job in, with what the site adds.
    """
    try:
        found = _lookup(flux_handle, jobid, list(keys), {"original": original or None, "base": base or None})
    except FileNotFoundError:
        return None
    return found if decode else _encoded(found)


class JobKVSLookup:
    """`job_kvs_lookup` of many jobs: `data()` asks; then `errors` has a line for each that was not found."""

    def __init__(  # noqa: PLR0917 - Flux's signature
        self,
        flux_handle: Flux,
        ids: Iterable[int | str] = (),
        keys: Iterable[str] = ("jobspec",),
        decode: bool = True,
        original: bool = False,
        base: bool = False,
    ) -> None:
        self.handle = flux_handle
        self.ids = [JobID(one) for one in ids]
        self.keys = list(keys)
        self.decode = decode
        self.query = {"original": original or None, "base": base or None}
        self.errors: list[str] = []

    def data(self) -> list[dict[str, Any]]:
        """What was found, in the order of the ids."""
        self.errors = []
        found = []
        for jobid in self.ids:
            try:
                one = _lookup(self.handle, jobid, self.keys, self.query)
                found.append(one if self.decode else _encoded(one))
            except ApiError as error:
                self.errors.append(f"JobID {jobid.orig}: {error.strerror}")
        return found


def _lookup(handle: Flux, jobid: int | str, keys: list[str], query: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": int(JobID(jobid))}
    for key in keys:
        if key in {"jobspec", "R"}:
            found[key] = handle.client.get(f"{path(jobid)}/{key}", **(query if key == "jobspec" else {}))
        else:
            entries = watch_log(handle, jobid, key, follow=False)
            found[key] = "".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in entries)
    return found


def _encoded(found: dict[str, Any]) -> dict[str, Any]:
    return {
        key: json.dumps(value, ensure_ascii=False, separators=(",", ":")) if isinstance(value, dict) else value
        for key, value in found.items()
    }
