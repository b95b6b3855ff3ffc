"""Who waits for the ends of many jobs at once: one journal tells of all of them, instead of a connection and a thread a job.

Used by futures of `result_async` that have callbacks or are asked whether they are ready; whoever waits for one job asks the instance.
"""

from __future__ import annotations

import errno
import queue
import threading
from typing import TYPE_CHECKING, Any

from fluxplug.constants import FLUX_JOB_STATE_INACTIVE
from fluxplug.errors import ApiError, ConnectionFailedError
from fluxplug.job.control import path
from fluxplug.values.jobid import JobID

if TYPE_CHECKING:
    from fluxplug.client.client import Stream
    from fluxplug.future import Future
    from fluxplug.handle import Flux

_LISTED = 1000  # jobs a request


def when_over(handle: Flux, jobid: int, future: Future[Any]) -> None:
    """Settle a future with the answer of `/v1/jobs/ID/result`, when the job is over."""
    handle.parts.setdefault("ends", _Ends(handle)).add(jobid, future)


class _Ends:
    """The futures of a handle. Two threads live as long as there are any: one reads the journal, one asks about jobs."""

    def __init__(self, handle: Flux) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._futures: dict[int, list[Future[Any]]] = {}
        self._round: _Round | None = None

    def add(self, jobid: int, future: Future[Any]) -> None:
        with self._lock:
            self._futures.setdefault(jobid, []).append(future)
            if self._round is None:
                self._round = _Round(self, self._handle)
            self._round.asked.put(jobid)

    def waits_for(self, jobid: int) -> bool:
        return jobid in self._futures

    def settle(self, jobid: int, value: Any = None, error: BaseException | None = None) -> None:
        """A job is over, or unknown. With the last one the threads end."""
        with self._lock:
            futures = self._futures.pop(jobid, [])
            if not self._futures and self._round is not None:
                self._round.end()
                self._round = None
        for future in futures:
            future.settle(value, error)

    def fail(self, error: BaseException) -> None:
        """The instance is gone: nobody's wait will end."""
        for jobid in list(self._futures):
            self.settle(jobid, error=error)


class _Round:
    """The two threads, from the first future to the last."""

    def __init__(self, owner: _Ends, handle: Flux) -> None:
        self._owner = owner
        self._handle = handle
        self.asked: queue.SimpleQueue[int | None] = queue.SimpleQueue()  # jobs that may be over; None: look no more
        self._live = threading.Event()
        self._stream: Stream = handle.client.stream("/v1/events", since=-1, follow=True, resume=True)
        self._ended = False
        for target in (self._follow, self._ask):
            threading.Thread(target=self._guard, args=(target,), name="fluxplug-ends", daemon=True).start()

    def end(self) -> None:
        self._ended = True
        self._live.set()
        self.asked.put(None)
        self._stream.close()

    def _guard(self, target: Any) -> None:
        try:
            target()
        except Exception as error:  # noqa: BLE001 - every future raises it
            if not self._ended:
                self._owner.fail(error)

    def _follow(self) -> None:
        for line in self._stream:
            if line.get("sentinel"):
                self._live.set()
            elif line["event"]["name"] == "clean":
                jobid = JobID(line["id"])
                if self._owner.waits_for(jobid):
                    self.asked.put(jobid)
        if not self._ended:
            raise ConnectionFailedError(errno.ECONNRESET, f"{self._handle.client.uri}: the instance has ended")

    def _ask(self) -> None:
        """Look at jobs once the journal is live, and again when it tells of their end: nothing falls between the two."""
        self._live.wait()
        client = self._handle.client
        while not self._ended:
            first = self.asked.get()
            batch = {} if first is None else {first: None}
            while len(batch) < _LISTED:
                try:
                    one = self.asked.get_nowait()
                except queue.Empty:
                    break
                if one is not None:
                    batch[one] = None
            body = {"max_entries": 0, "attrs": ["state"], "ids": [JobID(one).dec for one in batch]}
            records = client.post("/v1/jobs/list", body, again=True, resume=True)["jobs"] if batch else []
            states = {int(JobID(record["id"])): record.get("state") for record in records}
            for jobid in batch:
                if jobid not in states:
                    self._owner.settle(jobid, error=ApiError(errno.ENOENT, "unknown job id"))
                elif states[jobid] == FLUX_JOB_STATE_INACTIVE and self._owner.waits_for(jobid):
                    self._owner.settle(jobid, client.get(f"{path(jobid)}/result", within=None, resume=True))
