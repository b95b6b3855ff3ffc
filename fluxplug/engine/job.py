"""A job, as the engine sees it."""

from __future__ import annotations

import math
from typing import Any

from attrs import define, field

from fluxplug.engine.states import State

Key = tuple[float, ...]
"""Order of the pending jobs: priority (higher first, so negated), submit time, sequence number."""


@define(eq=False)
class Job:
    """One active job. Policies read it; only the engine writes.

    `limit` is in seconds, 0 for none. `reserved` is the promised start, `ends` the planned end once it runs. `key` is its place among
    the pending jobs, None while it is not eligible (held, parked, waiting for a dependency, running).
    """

    jobid: int
    request: Any
    queue: str
    submitted: float
    sequence: int
    urgency: int = 16
    userid: int = 0
    priority: int = 0
    state: State = State.NEW
    key: Key | None = None
    fresh: Key | None = None
    reserved: float | None = None
    parked: bool = False
    refused: int = -1
    note: str = ""
    R: Any = None
    started: float = math.nan
    ends: float = math.inf
    exception: str = ""
    dependencies: set[str] = field(factory=set)
    suspended: bool = False
    jobspec: dict[str, Any] | None = None

    @property
    def may_queue(self) -> bool:
        """Whether it would be eligible once it waits for resources alone: neither held by its urgency nor suspended."""
        return self.urgency != 0 and not self.suspended

    @property
    def limit(self) -> float:
        """The time limit in seconds; 0 for none."""
        return self.request.duration  # type: ignore[no-any-return]
