"""The life of a job, as a table (RFC 21).

NEW -> DEPEND -> PRIORITY -> SCHED -> RUN -> CLEANUP -> INACTIVE. A fatal exception leads to CLEANUP from everywhere. While a job
waits in SCHED, whatever may change its place in the queue sends it back through PRIORITY. Events that are in no row of the table
(memo, dependency-add, a non-fatal exception, ...) are logged and change no state.
"""

from __future__ import annotations

from enum import IntEnum

from fluxplug.errors import FluxplugError


class State(IntEnum):
    """The states, with the bit values that Flux's tools print."""

    NEW = 1
    DEPEND = 2
    PRIORITY = 4
    SCHED = 8
    RUN = 16
    CLEANUP = 32
    INACTIVE = 64


PENDING = State.DEPEND | State.PRIORITY | State.SCHED
RUNNING = State.RUN | State.CLEANUP

FATAL = "fatal exception"

TRANSITIONS: dict[State, dict[str, State]] = {
    State.NEW: {"validate": State.DEPEND, "invalidate": State.INACTIVE, FATAL: State.CLEANUP},
    State.DEPEND: {"depend": State.PRIORITY, FATAL: State.CLEANUP},
    State.PRIORITY: {"priority": State.SCHED, FATAL: State.CLEANUP},
    State.SCHED: {
        "alloc": State.RUN,
        "urgency": State.PRIORITY,
        "jobspec-update": State.PRIORITY,
        "flux-restart": State.PRIORITY,
        FATAL: State.CLEANUP,
    },
    State.RUN: {"finish": State.CLEANUP, FATAL: State.CLEANUP},
    State.CLEANUP: {"clean": State.INACTIVE, "finish": State.CLEANUP, FATAL: State.CLEANUP},
    State.INACTIVE: {},
}

MOVING = frozenset(event for row in TRANSITIONS.values() for event in row) - {
    "urgency",
    "jobspec-update",
    "flux-restart",
}
"""Events that mean nothing but a move; where the table has no row for one, it is a mistake."""


class InvalidTransitionError(FluxplugError):
    """An event that cannot happen to a job in its present state."""

    def __init__(self, jobid: int, state: State, event: str) -> None:
        super().__init__(f"job {jobid}: event {event!r} cannot happen in state {state.name}")


def next_state(jobid: int, state: State, event: str) -> State:
    """The state after `event`. Raises InvalidTransitionError where a moving event has no row."""
    row = TRANSITIONS[state]
    if event in row:
        return row[event]
    if event in MOVING:
        raise InvalidTransitionError(jobid, state, event)
    return state


def last_state(state: State, *events: str) -> State:
    """The state after a sequence of events."""
    for event in events:
        state = next_state(0, state, event)
    return state
